"""Mosaics: many pictures with what is marked on them, or found in them, on one page."""

from __future__ import annotations

import math
from typing import Sequence

import cv2
import numpy as np

from vision.pictures.drawing import BLACK, WHITE, Mark, class_marks, draw_boxes, draw_marks
from vision.structures import Detections
from vision.utils.lettering import drawable, text_width, write_text

TILE = 400  # pixels, the longest side of a picture
CAPTION = 22  # pixels, the height of the line below a picture
GAP = 6  # pixels between pictures
LETTERS = 9  # pixels, the height of a capital
PAPER = 240  # grey, so that pictures with a white ground keep their edges


def draw_tile(
    image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Return a picture, resized so that its longer side is TILE, with boxes and class names.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) xyxy, pixels of `image`; what is beyond the picture is cut off.
        labels: (N,) int.
        class_names: BACKGROUND first; the index is the label.
    """
    image, boxes = _resized(image, boxes)
    return draw_boxes(image, boxes, labels, class_names)


def draw_comparison(
    image: np.ndarray,
    detections: Detections,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
) -> np.ndarray:
    """Return a tile as `draw_tile` does, with what was found, and what is there, dashed.

    Args:
        image: (H, W, 3) uint8 RGB.
        detections: boxes in pixels of `image`.
        boxes: (N, 4) xyxy of the objects that are there, likewise.
        labels: (N,) int, of the objects.
        class_names: BACKGROUND first; the index is the label.
    """
    tile, both = _resized(image, np.concatenate([boxes, detections.boxes]))
    boxes, found = both[: len(boxes)], both[len(boxes) :]
    scores = [f": {score:.2f}" for score in detections.scores]
    marks = class_marks(found, detections.labels, class_names, scores)
    marks += [
        Mark(box, drawable(class_names[label], f"class {label}"), "", WHITE, dashed=True)
        for box, label in zip(boxes, labels)
    ]
    return draw_marks(tile, marks)


def mosaic(
    tiles: Sequence[np.ndarray], captions: Sequence[str], columns: int | None = None
) -> np.ndarray:
    """Put tiles of any sizes up to TILE x TILE, at least one, into a grid, each with its caption.

    Args:
        tiles: (H, W, 3) uint8 RGB each.
        captions: one text a tile.
        columns: of the grid; without it the grid is about as wide as high.

    Returns:
        (rows, columns, 3) uint8 RGB.
    """
    if not tiles:
        raise ValueError("a mosaic needs at least one picture, got none")
    columns = columns or math.ceil(len(tiles) ** 0.5)
    rows = math.ceil(len(tiles) / columns)
    height = max(tile.shape[0] for tile in tiles)
    page = np.full(
        (rows * (height + CAPTION + GAP) + GAP, columns * (TILE + GAP) + GAP, 3), PAPER, np.uint8
    )
    for number, (tile, caption) in enumerate(zip(tiles, captions)):
        top = GAP + number // columns * (height + CAPTION + GAP)
        left = GAP + number % columns * (TILE + GAP)
        down, right = (height - tile.shape[0]) // 2, (TILE - tile.shape[1]) // 2
        page[top + down :, left + right :][: tile.shape[0], : tile.shape[1]] = tile
        page[top + height :, left:][:CAPTION, :TILE] = _strip(caption)
    return page


def _resized(image: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return a picture whose longer side is TILE, and its boxes, clipped to it."""
    scale = TILE / max(image.shape[:2])
    height, width = (max(round(side * scale), 1) for side in image.shape[:2])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = cv2.resize(np.ascontiguousarray(image), (width, height), interpolation=method)
    limits = np.array([width, height] * 2, np.float32)
    return tile, np.clip(boxes * np.float32(scale), 0, limits)


def _strip(text: str) -> np.ndarray:
    """Return a line of text; the beginning of a long one gives way."""
    strip = np.full((CAPTION, TILE, 3), PAPER, np.uint8)
    text = drawable(text, "...")
    while text_width(text, LETTERS) > TILE - 4:
        text = "..." + text.lstrip(".")[4:]
    write_text(strip, text, (2, CAPTION - 7), LETTERS, BLACK)
    return strip
