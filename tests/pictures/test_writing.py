from __future__ import annotations

import cv2
import numpy as np
import pytest

from vision.pictures.writing import write_picture


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".JPG"])
def test_a_picture_is_written_in_rgb(tmp_path, suffix):
    image = np.zeros((40, 50, 3), np.uint8)
    image[..., 0] = 250
    write_picture(tmp_path / "new" / f"a{suffix}", image)
    read = cv2.imread(str(tmp_path / "new" / f"a{suffix}"))
    assert read.shape == (40, 50, 3)
    assert np.abs(read.astype(int) - [0, 0, 250]).max() < 8


def test_the_quality_is_that_of_a_jpeg_and_nothing_to_a_png(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 50, 3), dtype=np.uint8)
    sizes = {}
    for suffix in (".jpg", ".png"):
        for quality in (50, 95):
            path = tmp_path / f"{quality}{suffix}"
            write_picture(path, noise, quality)
            sizes[path.name] = path.stat().st_size
    assert sizes["50.jpg"] < sizes["95.jpg"]
    assert sizes["50.png"] == sizes["95.png"]


@pytest.mark.parametrize("name", ["a.jpq", "a"])
def test_what_cannot_be_written_is_refused_and_leaves_no_file(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be written as"):
        write_picture(tmp_path / name, np.zeros((4, 4, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
