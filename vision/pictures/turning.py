"""Turning boxes upright with their picture, as its EXIF orientation says, and back."""

from __future__ import annotations

from typing import Sequence

import numpy as np

# How a point of the upright picture gets to its place in the stored one, by EXIF orientation:
# whether x and y change places, then whether x runs backwards, then whether y does.
TURNS = {
    1: (False, False, False),
    2: (False, True, False),
    3: (False, True, True),
    4: (False, False, True),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


def lies_on_its_side(orientation: int) -> bool:
    """Return whether width and height change places when the picture is turned upright."""
    return TURNS[orientation][0]


def turn_upright(boxes: np.ndarray, orientation: int, size: Sequence[float]) -> np.ndarray:
    """Return boxes (N, 4) xyxy of the stored picture as those of the upright one.

    Args:
        orientation: of EXIF, 1 to 8.
        size: (width, height) of the stored picture in the unit of the boxes.
    """
    swap, back_x, back_y = TURNS[orientation]
    turned = _reverse(boxes.copy(), back_x, back_y, size)
    return turned[:, [1, 0, 3, 2]] if swap else turned


def turn_back(boxes: np.ndarray, orientation: int, size: Sequence[float]) -> np.ndarray:
    """Return boxes (N, 4) xyxy of the upright picture as those of the stored one.

    Args:
        orientation: of EXIF, 1 to 8.
        size: (width, height) of the stored picture in the unit of the boxes.
    """
    swap, back_x, back_y = TURNS[orientation]
    turned = boxes[:, [1, 0, 3, 2]] if swap else boxes.copy()
    return _reverse(turned, back_x, back_y, size)


def _reverse(boxes: np.ndarray, back_x: bool, back_y: bool, size: Sequence[float]) -> np.ndarray:
    if back_x:
        boxes[:, [0, 2]] = size[0] - boxes[:, [2, 0]]
    if back_y:
        boxes[:, [1, 3]] = size[1] - boxes[:, [3, 1]]
    return boxes
