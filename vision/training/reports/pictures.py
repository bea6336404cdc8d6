"""Mosaics of pictures with their boxes: what a net is fed with, and what it finds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Sequence

import cv2
import numpy as np
from torch import Tensor

from vision.evaluation.evaluate import truths_of
from vision.evaluation.matching import GroundTruth
from vision.pictures.drawing import BLACK, FONT, WHITE, class_colour, draw_detections
from vision.structures import Detections
from vision.transforms.collate import Batch
from vision.utils.files import atomic_write

MOST = 16  # pictures of a mosaic
TILE = 400  # pixels, the side of a picture in it
CAPTION = 22  # pixels, the height of the line below
TAG = 17  # pixels, the height of a class name
GAP = 6  # pixels between pictures
DASH = 8  # pixels
LUMINANCE = (0.299, 0.587, 0.114)  # of red, green and blue


def draw_batch(batch: Batch, class_names: Sequence[str], path: Path) -> None:
    """Write a mosaic of a batch as the net sees it, boxes and class names drawn.

    Args:
        batch: images (B, 3, S, S) uint8 RGB and boxes in [0, 1]; the first 16 are drawn.
        class_names: BACKGROUND first; the index is the label.
    """
    scale = TILE / batch.images.shape[-1]
    tiles = []
    for image, truth, image_id in zip(
        _enlarged(batch.images), truths_of(batch), batch.image_ids[:MOST]
    ):
        boxes = truth.boxes * scale
        for box, label in zip(boxes, truth.labels):
            colour = class_colour(int(label))
            (x1, y1), (x2, y2) = _corners(box)
            cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), colour, 2)
        for box, label in zip(boxes, truth.labels):
            (x1, y1), _ = _corners(box)
            _write_name(image, class_names[label], (x1, y1), class_colour(int(label)))
        tiles.append(_captioned(image, f"{image_id}: {_count(len(boxes), 'object')}"))
    _save(mosaic(tiles), path)


def draw_predictions(
    images: Tensor,
    detections: Sequence[Detections],
    truths: Sequence[GroundTruth],
    class_names: Sequence[str],
    path: Path,
    threshold: float = 0.5,
) -> None:
    """Write a mosaic of what is there, dashed, and what was found, with its scores.

    Args:
        images: (B, 3, S, S) uint8 RGB; the first 16 are drawn.
        detections: one for each picture, boxes in pixels of S x S.
        truths: one for each picture, likewise.
        class_names: BACKGROUND first; the index is the label.
        threshold: what a score has to reach to be drawn.
    """
    scale = TILE / images.shape[-1]
    tiles = []
    for image, found, truth in zip(_enlarged(images), detections, truths):
        sure = found.scores >= threshold
        boxes = np.clip(found.boxes[sure] * np.float32(scale), 0, TILE)
        kept = Detections(boxes, found.labels[sure], found.scores[sure])
        for box in truth.boxes * scale:
            _dashed_rectangle(image, box)
        drawn = draw_detections(image, kept, class_names)
        for box, label in zip(truth.boxes * scale, truth.labels):
            _write_name(drawn, class_names[label], _corners(box)[1], BLACK, before=True)
        there = _count(len(truth.boxes), "object")
        tiles.append(
            _captioned(drawn, f"{there} (dashed), {len(kept)} found with {threshold:.2f} or more")
        )
    _save(mosaic(tiles), path)


def mosaic(tiles: Sequence[np.ndarray]) -> np.ndarray:
    """Put pictures of one size (H, W, 3), at least one, into a grid about as wide as high."""
    if not tiles:
        raise ValueError("a mosaic needs at least one picture, got none")
    columns = math.ceil(len(tiles) ** 0.5)
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].shape[0] + GAP, tiles[0].shape[1] + GAP
    canvas = np.full((rows * height + GAP, columns * width + GAP, 3), 255, np.uint8)
    for number, tile in enumerate(tiles):
        top, left = GAP + number // columns * height, GAP + number % columns * width
        canvas[top : top + height - GAP, left : left + width - GAP] = tile
    return canvas


def _enlarged(images: Tensor) -> list[np.ndarray]:
    """Return the first pictures (TILE, TILE, 3), large enough to write on."""
    pictures = images[:MOST].permute(0, 2, 3, 1).cpu().numpy()
    return [cv2.resize(np.ascontiguousarray(picture), (TILE, TILE)) for picture in pictures]


def _captioned(image: np.ndarray, text: str) -> np.ndarray:
    """Return the picture with a line of text below, whose beginning gives way where it is long."""
    strip = np.full((CAPTION, image.shape[1], 3), 255, np.uint8)
    while cv2.getTextSize(text, FONT, 0.45, 1)[0][0] > image.shape[1] - 4:
        text = "..." + text.lstrip(".")[4:]
    cv2.putText(strip, text, (2, CAPTION - 7), FONT, 0.45, BLACK, 1, cv2.LINE_AA)
    return np.vstack([image, strip])


def _write_name(
    image: np.ndarray,
    name: str,
    corner: tuple[int, int],
    colour: tuple[int, int, int],
    before: bool = False,
) -> None:
    """Write a name on a strip of the colour that begins at a corner, or ends there if `before`."""
    width = cv2.getTextSize(name, FONT, 0.45, 1)[0][0] + 8
    left, top = (corner[0] - width, corner[1] - TAG) if before else corner
    left = max(0, min(left, image.shape[1] - width))
    top = max(0, min(top, image.shape[0] - TAG))
    cv2.rectangle(image, (left, top), (left + width - 1, top + TAG - 1), colour, cv2.FILLED)
    ink = BLACK if np.dot(colour, LUMINANCE) > 130 else WHITE
    cv2.putText(image, name, (left + 4, top + TAG - 5), FONT, 0.45, ink, 1, cv2.LINE_AA)


def _dashed_rectangle(image: np.ndarray, box: np.ndarray) -> None:
    """Draw a thin rectangle of black and white dashes, which shows on any ground."""
    (x1, y1), (x2, y2) = _corners(box)
    x2, y2 = x2 - 1, y2 - 1
    cv2.rectangle(image, (x1, y1), (x2, y2), BLACK, 1)
    for x in range(x1, x2, 2 * DASH):
        for y in (y1, y2):
            cv2.line(image, (x, y), (min(x + DASH, x2), y), WHITE, 1)
    for y in range(y1, y2, 2 * DASH):
        for x in (x1, x2):
            cv2.line(image, (x, y), (x, min(y + DASH, y2)), WHITE, 1)


def _corners(box: np.ndarray) -> tuple[tuple[int, int], tuple[int, int]]:
    x1, y1, x2, y2 = (round(float(value)) for value in box)
    return (x1, y1), (x2, y2)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _save(image: np.ndarray, path: Path) -> None:
    _, encoded = cv2.imencode(path.suffix, np.ascontiguousarray(image[..., ::-1]))
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded.tobytes())
