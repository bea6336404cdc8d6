"""A bright square on a dark picture, and where it is found again."""

from __future__ import annotations

import cv2
import numpy as np

DARK, BRIGHT, FILL = 20, 250, (127, 127, 127)


def draw(width: int, height: int, box) -> np.ndarray:
    """Return a dark (H, W, 3) picture, bright where the box xyxy of whole pixels is."""
    picture = np.full((height, width, 3), DARK, np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = BRIGHT
    return picture


def encode(picture: np.ndarray, extension: str = ".jpg") -> bytes:
    """Return the file of a picture, with as little loss as the format allows."""
    done, data = cv2.imencode(extension, picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert done
    return data.tobytes()


def find(picture: np.ndarray) -> np.ndarray:
    """Return the xyxy of what is more bright than dark; the fill colour is not."""
    bright = picture[..., 1] > (BRIGHT + DARK) / 2
    columns, rows = np.flatnonzero(bright.any(axis=0)), np.flatnonzero(bright.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


def centre(picture: np.ndarray) -> np.ndarray:
    """Return the (x, y) of the centre of the brightness above the darkness around."""
    weight = picture[..., 1].astype(float) - DARK
    x = np.arange(picture.shape[1]) + 0.5
    y = np.arange(picture.shape[0]) + 0.5
    return np.array([weight.sum(axis=0) @ x, weight.sum(axis=1) @ y]) / weight.sum()
