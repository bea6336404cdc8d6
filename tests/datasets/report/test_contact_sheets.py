from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.drawing import write_picture
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.report.contact_sheets import choose, write_sheets
from vision.pictures.drawing import class_colour
from vision.pictures.mosaic import CAPTION, GAP, TILE


def make_index(folder, count=14, size=(200, 100), suffix=".png"):
    builder = IndexBuilder()
    image = np.full((size[1], size[0], 3), 255, dtype=np.uint8)
    for number in range(count):
        path = folder / f"{number}{suffix}"
        write_picture(path, image)
        names = ["common"] if number else ["common", "rare"]
        boxes = [(size[0] * 0.1, size[1] * 0.3, size[0] * 0.6, size[1] * 0.9)] * len(names)
        builder.add(f"picture {number}", str(path), boxes, names, size=size)
    return builder.build()


@pytest.mark.parametrize("size", [(200, 100), (1603, 803)])  # the larger one is decoded reduced
def test_a_box_is_drawn_where_it_is(tmp_path, size):
    (path,) = write_sheets(make_index(tmp_path, 1, size, ".jpg"), "train", tmp_path / "sheets")
    tile = cv2.imread(str(path))[GAP : GAP + TILE // 2, GAP : GAP + TILE, ::-1].astype(int)
    found = (np.abs(tile - class_colour(1)) < 60).all(axis=2)  # the first one lies on top
    rows, columns = np.flatnonzero(found[150:].any(axis=1)), np.flatnonzero(found.any(axis=0))
    assert (columns[0], columns[-1]) == pytest.approx((0.1 * TILE, 0.6 * TILE), abs=3)
    assert rows[-1] + 150 == pytest.approx(0.9 * TILE / 2, abs=3)


def test_sheets_hold_twelve_pictures(tmp_path):
    index = make_index(tmp_path)
    paths = write_sheets(index, "train", tmp_path / "new" / "sheets", most=13)
    assert [path.name for path in paths] == ["train_1.jpg", "train_2.jpg"]
    first, second = (cv2.imread(str(path)).shape for path in paths)
    assert first[0] - second[0] == 2 * (TILE // 2 + CAPTION + GAP), "a page has no empty row"
    assert first[1] == second[1] == 4 * (TILE + GAP) + GAP
    assert write_sheets(index.select(np.array([], int)), "none", tmp_path) == []


def test_every_class_comes_before_anything_else(tmp_path):
    index = make_index(tmp_path)
    assert 0 in choose(index, 2)  # the only picture with the rare class
    assert sorted(choose(index, 99)) == list(range(14))
    assert choose(index, 5).tolist() == choose(index, 5).tolist()
    assert len(choose(index, 0)) == 0
