from __future__ import annotations

import cv2
import numpy as np

from tests.drawing import write_picture
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.report.contact_sheets import (
    CELL,
    arrange,
    choose,
    draw_cell,
    draw_legend,
    write_sheets,
)
from vision.pictures.drawing import class_colour


def make_index(folder, count=14, size=(200, 100)):
    builder = IndexBuilder()
    image = np.full((size[1], size[0], 3), 255, dtype=np.uint8)
    for number in range(count):
        path = folder / f"{number}.png"
        write_picture(path, image)
        names = ["common"] if number else ["common", "rare"]
        boxes = [(20, 10, 120, 60)] * len(names)
        builder.add(f"picture {number}", str(path), boxes, names, size=size)
    return builder.build()


def test_a_box_is_drawn_where_it_is(tmp_path):
    cell = draw_cell(make_index(tmp_path, 1)[0])
    assert cell.shape == (CELL[1], CELL[0], 3)
    found = (cell == class_colour(2)).all(axis=2)  # the last one lies on top
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    scale = (CELL[0] - 12) / 200
    assert abs(columns[-1] - columns[0] - 100 * scale) <= 3
    assert abs(rows[-1] - rows[0] - 50 * scale) <= 3
    assert abs(columns[0] - (6 + 20 * scale)) <= 2


def test_sheets_hold_twelve_pictures_and_name_the_classes(tmp_path):
    index = make_index(tmp_path)
    paths = write_sheets(index, "train", tmp_path / "new" / "sheets", most=13)
    assert [path.name for path in paths] == ["train_1.jpg", "train_2.jpg"]
    heights = [cv2.imread(str(path)).shape[0] for path in paths]
    assert heights[0] - heights[1] == 2 * CELL[1]
    assert write_sheets(index.select([]), "none", tmp_path) == []


def test_every_class_comes_before_anything_else(tmp_path):
    index = make_index(tmp_path)
    assert 0 in choose(index, 2)  # the only picture with the rare class
    assert sorted(choose(index, 99)) == list(range(14))
    assert choose(index, 5).tolist() == choose(index, 5).tolist()
    assert len(choose(index, 0)) == 0


def test_a_legend_breaks_into_lines():
    names = ["BACKGROUND", *("long name of a class " + str(n) for n in range(9)), "猫"]
    one, many = (draw_legend(np.arange(1, n), names, 500) for n in (2, 11))
    assert one.shape[1] == many.shape[1] == 500
    assert many.shape[0] >= 5 * one.shape[0]


def test_a_page_has_no_empty_row():
    cells = [np.zeros((CELL[1], CELL[0], 3), np.uint8)] * 5
    assert arrange(cells).shape == (2 * CELL[1], 4 * CELL[0], 3)
