"""Boxes of an index as the net sees them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.transforms import squares
from vision.datasets.index.builder import IndexBuilder
from vision.pictures.reading import PictureError
from vision.training.network_boxes import network_boxes


def test_boxes_are_stretched_with_their_pictures(tmp_path):
    """One size is stated, of one picture without objects none is asked for, one is in its file."""
    path = tmp_path / "small.png"
    path.write_bytes(squares.encode(squares.draw(40, 20, (0, 0, 1, 1)), ".png"))
    builder = IndexBuilder()
    builder.add("a", "/nowhere/a.jpg", [(64, 48, 320, 480)], ["cat"], size=(640, 480))
    builder.add("b", "/nowhere/b.jpg", [], [])
    builder.add("c", str(path), [(10, 10, 20, 20), (-9, 0, 90, 10)], ["cat", "dog"])
    boxes = network_boxes(builder.build(), 100)
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, [[10, 10, 50, 100], [25, 50, 50, 100], [0, 0, 100, 50]])


def test_fractions_need_no_size():
    builder = IndexBuilder(relative=True)
    builder.add("a", "/nowhere/a.jpg", [(0.1, 0.2, 0.5, 1)], ["cat"])
    boxes = network_boxes(builder.build(), 300)
    np.testing.assert_allclose(boxes, [[30, 60, 150, 300]], rtol=1e-6)


def test_no_boxes():
    assert network_boxes(IndexBuilder().build(), 300).shape == (0, 4)


def test_picture_that_is_missing_is_said():
    builder = IndexBuilder()
    builder.add("a", "/nowhere/a.jpg", [(1, 2, 3, 4)], ["cat"])
    with pytest.raises(PictureError, match=r"/nowhere/a\.jpg"):
        network_boxes(builder.build(), 300)
