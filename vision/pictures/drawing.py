"""Drawing boxes and their labels, readable on a picture of any size."""

from __future__ import annotations

import colorsys
from typing import Collection, NamedTuple, Sequence

import cv2
import numpy as np

from vision.structures import Detections
from vision.utils.lettering import drawable, text_width, write_text
from vision.utils.numpy_boxes import shared_area

# From class to class the hue turns by this part of a circle: neighbours in the list look different.
GOLDEN_TURN = 0.61803398875
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
BOX, NAME, SCORE = "box", "labels", "conf"  # what is drawn of a detection, in detectnet's words


class _Tag(NamedTuple):
    """A text on a filled rectangle."""

    text: str
    letters: float  # height of a capital, pixels
    width: int  # of the rectangle, pixels
    height: int
    margin: int  # between the text and the rectangle


class Mark(NamedTuple):
    """A box and what is written at it."""

    box: np.ndarray  # (4,) xyxy, pixels of the picture
    name: str
    note: str  # follows the name, left out where there is no room
    colour: tuple[int, int, int]  # RGB
    dashed: bool = False


def draw_detections(
    image: np.ndarray,
    detections: Detections,
    class_names: Sequence[str],
    parts: Collection[str] = (BOX, NAME, SCORE),
) -> np.ndarray:
    """Return a copy of the picture with every box and its "name: 0.87", the best ones on top.

    Lines and letters grow with the picture. Labels stay inside it, and do not cover each other as
    long as there is room.

    Args:
        image: (H, W, 3) uint8 RGB.
        detections: boxes in pixels of `image`.
        class_names: BACKGROUND first; the index is the label.
        parts: which of BOX, NAME and SCORE to draw.
    """
    colon = ": " if NAME in parts else ""
    scores = [f"{colon}{score:.2f}" for score in detections.scores] if SCORE in parts else []
    return draw_boxes(image, detections.boxes, detections.labels, class_names, scores, parts)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    notes: Sequence[str] = (),
    parts: Collection[str] = (BOX, NAME),
) -> np.ndarray:
    """Return a copy of the picture with every box and the name of its class.

    Lines and letters grow with the picture. Lines have a dark rim, so that they show on any
    background. Names stay inside the picture, and clear of each other while there is room; the
    first boxes choose their place first, and lie on top.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: (N, 4) xyxy, pixels of `image`.
        labels: (N,) int.
        class_names: BACKGROUND first; the index is the label.
        notes: N texts to follow the names, left out where there is no room; or none.
        parts: which of BOX and NAME to draw.
    """
    names = class_names if NAME in parts else [""] * len(class_names)
    marks = class_marks(boxes, labels, names, notes)
    return draw_marks(image, marks, with_boxes=BOX in parts)


def class_marks(
    boxes: np.ndarray, labels: np.ndarray, class_names: Sequence[str], notes: Sequence[str] = ()
) -> list[Mark]:
    """Return marks in the colours of the classes.

    Args:
        boxes: (N, 4) xyxy, pixels.
        labels: (N,) int.
        class_names: BACKGROUND first; the index is the label.
        notes: N texts to follow the names; or none.
    """
    return [
        Mark(box, drawable(class_names[label], f"class {label}"), note, class_colour(int(label)))
        for box, label, note in zip(boxes, labels, notes or [""] * len(boxes))
    ]


def draw_marks(
    image: np.ndarray, marks: Sequence[Mark], line: int | None = None, with_boxes: bool = True
) -> np.ndarray:
    """Return a copy of the picture with every mark; the first ones choose places, and lie on top.

    Args:
        image: (H, W, 3) uint8 RGB.
        marks: in the order of their importance.
        line: width of the lines in pixels; None for one that suits the picture.
        with_boxes: whether to draw more than the texts.
    """
    drawn = np.ascontiguousarray(image).copy()
    height, width = drawn.shape[:2]
    line = line or max(1, round((height * width) ** 0.5 / 200))
    # Boxes may end anywhere; OpenCV draws no line to where 32 bits do not reach.
    limits = np.array([width, height] * 2, np.float32)
    marks = [mark._replace(box=np.clip(mark.box, -limits, 2 * limits)) for mark in marks]
    named = [mark for mark in marks if mark.name or mark.note]
    tags = [_fit(mark.name, mark.note, width, height) for mark in named]
    places: list[np.ndarray] = []
    for mark, tag in zip(named, tags):
        places.append(_place(tag, mark.box, places, (width, height)))
    for mark in reversed(marks) if with_boxes else ():
        x1, y1, x2, y2 = (round(float(value)) for value in mark.box)
        corners = (x1, y1), (x2 - 1, y2 - 1)
        if mark.dashed:
            _draw_dashed(drawn, *corners, mark.colour, line)
            continue
        for ink, thickness in ((BLACK, line + 2), (mark.colour, line)):
            cv2.rectangle(drawn, *corners, ink, thickness)
    for tag, place, mark in reversed(list(zip(tags, places, named))):
        if tag.text:
            _draw_tag(drawn, tag, place, mark.colour)
    return drawn


def _draw_dashed(
    image: np.ndarray,
    first: tuple[int, int],
    last: tuple[int, int],
    colour: tuple[int, int, int],
    line: int,
) -> None:
    """Draw a rectangle of dashes with black ones between them, which shows on any ground."""
    (x1, y1), (x2, y2) = first, last
    dash = 12
    cv2.rectangle(image, first, last, BLACK, line)
    for x in range(x1, x2, 2 * dash):
        for y in (y1, y2):
            cv2.line(image, (x, y), (min(x + dash, x2), y), colour, line)
    for y in range(y1, y2, 2 * dash):
        for x in (x1, x2):
            cv2.line(image, (x, y), (x, min(y + dash, y2)), colour, line)


def class_colour(label: int) -> tuple[int, int, int]:
    """Return the RGB colour of a class, the same on every picture and unlike its neighbours'."""
    hue = (0.33 + (label - 1) * GOLDEN_TURN) % 1.0
    brightness = (1.0, 0.75, 0.9)[label % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.9, brightness)
    return round(red * 255), round(green * 255), round(blue * 255)


def _fit(name: str, note: str, width: int, height: int) -> _Tag:
    """Return the tag for a picture of this size: smaller, then without note, if it is too wide."""
    letters = max(9.0, (width * height) ** 0.5 / 45)  # pixels
    for text, size in ((name + note, letters), (name + note, 8.0), (name, 8.0)):
        tag = _measure(text, size)
        if tag.width <= width:
            break
    return tag


def _measure(text: str, letters: float) -> _Tag:
    margin = max(2, round(letters / 3))
    width = text_width(text, letters) + 2 * margin
    return _Tag(text, letters, width, round(letters) + 2 * margin, margin)


def _place(
    tag: _Tag, box: np.ndarray, taken: Sequence[np.ndarray], size: tuple[int, int]
) -> np.ndarray:
    """Return the rectangle, xyxy, for a box's tag: the first of the usual places that is free."""
    x1, y1, x2, y2 = np.round(box).astype(int)
    rows = (y1 - tag.height, y1, y2 - tag.height, y2)  # above, inside at both ends, below
    columns = (x1, x2 - tag.width)
    extent = (tag.width, tag.height)
    furthest = np.maximum(np.array(size) - extent, 0)
    # A place outside the picture is pushed back in.
    corners = [np.clip((left, top), 0, furthest) for left in columns for top in rows]
    rectangles = [np.append(corner, corner + np.array(extent)) for corner in corners]
    free = (
        place for place in rectangles if not any(shared_area(place, other) > 0 for other in taken)
    )
    return next(free, rectangles[0])


def _draw_tag(
    image: np.ndarray, tag: _Tag, place: np.ndarray, colour: tuple[int, int, int]
) -> None:
    left, top, right, bottom = (int(value) for value in place)
    cv2.rectangle(image, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)
    luminance = 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]
    ink = BLACK if luminance > 130 else WHITE
    write_text(image, tag.text, (left + tag.margin, bottom - tag.margin), tag.letters, ink)
