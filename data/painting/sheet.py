"""A sheet of pictures with their boxes, for a person to look at."""

from __future__ import annotations

import cv2
import numpy as np

from painting.scene import Drawn

WHITE, BLACK = (255, 255, 255), (0, 0, 0)
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4


def contact_sheet(
    pictures: list[np.ndarray], fruits: list[list[Drawn]], columns: int = 6
) -> np.ndarray:
    """Put pictures of one size, with boxes and class names, on one picture, (H, W, 3) uint8."""
    height, width = pictures[0].shape[:2]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * height, columns * width, 3), 255, np.uint8)
    for place, (picture, found) in enumerate(zip(pictures, fruits)):
        top, left = place // columns * height, place % columns * width
        cell = sheet[top : top + height, left : left + width]
        cell[:] = picture
        for fruit in found:
            annotate(cell, fruit)
    return sheet


def annotate(picture: np.ndarray, fruit: Drawn) -> None:
    """Draw the box of a fruit and its name into a picture; the name above it if there is room."""
    left, top, right, bottom = fruit.box
    for colour, width in ((BLACK, 3), (WHITE, 1)):  # so that it shows on any background
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, width)
    (wide, high), _ = cv2.getTextSize(fruit.name, FONT, FONT_SCALE, 1)
    x, y = max(min(left, picture.shape[1] - wide - 4), 0), max(top, high + 5)
    cv2.rectangle(picture, (x, y - high - 5), (x + wide + 4, y), WHITE, -1)
    cv2.putText(picture, fruit.name, (x + 2, y - 3), FONT, FONT_SCALE, BLACK, 1, cv2.LINE_AA)
