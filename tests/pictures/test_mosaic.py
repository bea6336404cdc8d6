from __future__ import annotations

import numpy as np
import pytest

from vision.pictures.drawing import class_colour
from vision.pictures.mosaic import (
    CAPTION,
    GAP,
    PAPER,
    TILE,
    draw_comparison,
    draw_tile,
    mosaic,
)
from vision.structures import Detections

NAMES = ["BACKGROUND", "apple", "pear", "größe"]


def grey(width, height):
    return np.full((height, width, 3), 200, np.uint8)


def place_of(image, label):
    """Return x1, y1, x2, y2 of what has the colour of a class, below its name."""
    rows, columns = np.nonzero((image == class_colour(label)).all(axis=2))
    return columns.min(), rows.min(), columns.max(), rows.max()


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200), (800, 400), (1, 1000)])
def test_a_tile_keeps_the_shape_of_its_picture_and_the_places_of_its_boxes(width, height):
    box = np.float32([[0.25 * width, 0.5 * height, 0.75 * width, height]])
    tile = draw_tile(grey(width, height), box, np.array([2]), NAMES)
    assert max(tile.shape[:2]) == TILE
    assert tile.shape[1] / tile.shape[0] == pytest.approx(width / height, rel=0.02, abs=0.003)
    if width > 1:
        x1, _, x2, y2 = place_of(tile, 2)
        assert (x1, x2, y2) == pytest.approx(
            (0.25 * tile.shape[1], 0.75 * tile.shape[1], tile.shape[0]), abs=3
        )


def test_the_picture_given_stays_as_it_was():
    image = grey(TILE, TILE)
    found = Detections(np.float32([[9, 9, 99, 99]]), np.array([1]), np.float32([0.9]))
    draw_tile(image, np.float32([[0, 0, 400, 400]]), np.array([1]), NAMES)
    draw_comparison(image, found, np.float32([[0, 0, 400, 400]]), np.array([3]), NAMES)
    assert (image == 200).all()


@pytest.mark.parametrize("ground", [0, 255])
def test_what_is_there_shows_on_any_ground_and_beside_what_was_found(ground):
    """The names of two equal boxes, found and true, do not cover each other."""
    image = np.full((TILE, TILE, 3), ground, np.uint8)
    box, label = np.float32([[100, 100, 300, 300]]), np.array([1])
    nothing = Detections(box[:0], label[:0], np.float32([]))
    missed = draw_comparison(image, nothing, box, label, NAMES)
    for edge in (missed[100, 150:290], missed[299, 150:290], missed[150:290, 100]):
        assert {0, 255} == set(edge.flatten().tolist())
    found = Detections(box, label, np.float32([0.9]))
    both = draw_comparison(image, found, box, label, NAMES)
    alone = draw_comparison(image, found, box[:0], label[:0], NAMES)
    tag = slice(85, 98), slice(100, 180)
    assert (alone[tag] == class_colour(1)).all(axis=2).any()
    assert (both[tag] == alone[tag]).all()
    assert (both != alone).any()


def test_tiles_of_many_shapes_fall_into_a_grid():
    tiles = [draw_tile(grey(*size), np.zeros((0, 4)), [], NAMES) for size in [(4, 2), (2, 4)] * 3]
    page = mosaic(tiles[::2], "abc", columns=2)
    row = TILE // 2 + CAPTION + GAP
    assert page.shape == (2 * row + GAP, 2 * (TILE + GAP) + GAP, 3)
    assert (page[GAP : GAP + TILE // 2, GAP : GAP + TILE] == 200).all()
    assert (page[-GAP - 1, TILE + 3 * GAP :] == PAPER).all()
    page = mosaic(tiles[:2], ["one", ""])
    assert page.shape[0] == TILE + CAPTION + 2 * GAP
    captions = page[-GAP - CAPTION : -GAP]
    assert (captions[:, : TILE + GAP] < 128).any()
    assert (captions[:, TILE + 2 * GAP :] == PAPER).all()


def test_a_mosaic_needs_a_picture():
    with pytest.raises(ValueError, match="at least one picture"):
        mosaic([], [])
