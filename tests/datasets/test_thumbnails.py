from __future__ import annotations

import numpy as np
import pytest

from tests.drawing import write_picture, write_voc
from vision.datasets import thumbnails
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import open_datasets
from vision.datasets.thumbnails import thumbnails_of


@pytest.fixture
def made(monkeypatch):
    """Return a list of the pictures that are looked at."""
    looked_at, make = [], thumbnails._thumbnail

    def watched(path):
        looked_at.append(path)
        return make(path)

    monkeypatch.setattr(thumbnails, "_thumbnail", watched)
    return looked_at


def write_plain(path, colour):
    write_picture(path, np.full((32, 48, 3), colour, np.uint8))
    return str(path)


def test_a_plain_picture_has_cells_of_one_colour(tmp_path):
    cells = thumbnails_of([write_plain(tmp_path / "a.png", (10, 20, 30))])
    assert cells.shape == (1, 8, 8, 3) and cells.dtype == np.int16
    assert (cells == (10, 20, 30)).all()
    assert thumbnails_of([]).shape == (0, 8, 8, 3)


def test_only_new_and_changed_pictures_are_looked_at_again(tmp_path, made):
    paths = [write_plain(tmp_path / f"{n}.png", n) for n in range(5)]
    paths.append(str(tmp_path / "gone.png"))
    remembered = {"root": tmp_path, "cache_folder": tmp_path / "cache"}
    first = thumbnails_of(paths, **remembered)
    assert first[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, -1]
    assert sorted(made) == sorted(paths)
    made.clear()
    assert np.array_equal(thumbnails_of(paths[::-1], **remembered), first[::-1])
    assert made == [paths[5]]  # what could not be read may be there the next time
    made.clear()
    write_plain(tmp_path / "3.png", (3, 4, 250))
    assert thumbnails_of(paths, **remembered)[3, 0, 0].tolist() == [3, 4, 250]
    assert made == [paths[3], paths[5]]


def test_a_damaged_cache_file_is_made_anew(tmp_path, made):
    path = write_plain(tmp_path / "a.png", 9)
    remembered = {"root": tmp_path, "cache_folder": tmp_path}
    thumbnails_of([path], **remembered)
    (file,) = tmp_path.glob("thumbnails-*.npz")
    file.write_bytes(file.read_bytes()[:100])
    assert (thumbnails_of([path], **remembered) == 9).all()
    assert made == [path, path]


def test_the_second_start_without_a_stated_split_looks_at_no_picture(tmp_path, made):
    write_voc(tmp_path / "voc", {"trainval": 8}, suffix=".jpg")
    parts = []
    for _ in range(2):
        checks = PictureChecks(PictureScanner(tmp_path / "cache", progress=False))
        datasets = open_datasets(tmp_path / "voc", pictures=checks)
        parts.append([list(part.image_ids) for part in (datasets.train, datasets.validation)])
        assert len(made) == 8
    assert parts[0] == parts[1]
