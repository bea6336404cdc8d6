"""Contact sheets: the pictures of a dataset with their boxes drawn, many on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import blocks
from vision.structures import Annotation

COLUMNS, ROWS = 4, 3
CELL = (400, 300)  # width and height of a picture with its margin, pixels
_MARGIN = 6
_CAPTION = 16  # height of the line under a picture, pixels
_LEGEND = 28  # height of a line of class names under the page
_PAPER, _INK = 245, (60, 60, 60)


def write_sheets(
    index: AnnotationIndex, name: str, folder: str | Path, most: int = 48, seed: int = 0
) -> list[Path]:
    """Write sheets name_1.jpg and on of at most `most` pictures, drawn by seed; return the files.

    Every class has a colour, named under the page; its rarest one comes first.
    """
    import cv2

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = choose(index, most, seed)
    paths = []
    for number, (start, stop) in enumerate(blocks(len(rows), COLUMNS * ROWS), start=1):
        annotations = [index[int(row)] for row in rows[start:stop]]
        page = arrange([draw_cell(annotation) for annotation in annotations])
        labels = np.unique(np.concatenate([annotation.labels for annotation in annotations]))
        page = np.vstack([page, draw_legend(labels, index.class_names, page.shape[1])])
        path = folder / f"{name}_{number}.jpg"
        _, encoded = cv2.imencode(".jpg", page[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        path.write_bytes(encoded.tobytes())
        paths.append(path)
    return paths


def choose(index: AnnotationIndex, most: int, seed: int = 0) -> np.ndarray:
    """Draw the rows (K,) of at most `most` pictures: first one of each class, rarest first."""
    order = np.random.default_rng(seed).permutation(len(index))
    rank = np.empty(len(index), dtype=np.int64)
    rank[order] = np.arange(len(index))
    counts = np.bincount(index.labels, minlength=len(index.class_names))
    pictures = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    first: list[int] = []
    for label in sorted(np.flatnonzero(counts), key=counts.__getitem__)[:most]:
        with_class = pictures[index.labels == label]
        first.append(int(with_class[np.argmin(rank[with_class])]))
    return np.array(list(dict.fromkeys([*first, *order.tolist()]))[:most], dtype=np.int64)


def draw_cell(annotation: Annotation) -> np.ndarray:
    """Return one picture with its boxes, shrunk into a cell, with its id below.

    Returns:
        (CELL height, CELL width, 3) uint8 RGB.
    """
    import cv2

    from vision.pictures.drawing import class_colour
    from vision.pictures.reading import EncodedPicture

    picture = EncodedPicture.read(annotation.path)
    width, height = CELL[0] - 2 * _MARGIN, CELL[1] - 2 * _MARGIN - _CAPTION
    scale = min(width / picture.width, height / picture.height)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    reduction = max((one for one in picture.reductions if one * scale <= 1), default=1)
    drawn = cv2.resize(picture.decode(reduction), size, interpolation=cv2.INTER_AREA)
    boxes = annotation.boxes_in_pixels(picture.width, picture.height) * np.float32(scale)
    for (x1, y1, x2, y2), label in zip(boxes.round().astype(int).tolist(), annotation.labels):
        corners = (x1, y1), (max(x2 - 1, x1), max(y2 - 1, y1))
        cv2.rectangle(drawn, *corners, class_colour(int(label)), 2)
    cell = np.full((CELL[1], CELL[0], 3), _PAPER, dtype=np.uint8)
    top, left = _MARGIN + (height - size[1]) // 2, (CELL[0] - size[0]) // 2
    cell[top : top + size[1], left : left + size[0]] = drawn
    _write_caption(cell, f"{annotation.image_id}   {picture.width} x {picture.height}")
    return cell


def arrange(cells: Sequence[np.ndarray]) -> np.ndarray:
    """Return up to COLUMNS x ROWS cells on one page, which has no empty row."""
    rows = -(-len(cells) // COLUMNS)
    page = np.full((rows * CELL[1], COLUMNS * CELL[0], 3), _PAPER, dtype=np.uint8)
    for place, cell in enumerate(cells):
        top, left = place // COLUMNS * CELL[1], place % COLUMNS * CELL[0]
        page[top : top + CELL[1], left : left + CELL[0]] = cell
    return page


def draw_legend(labels: np.ndarray, class_names: Sequence[str], width: int) -> np.ndarray:
    """Return the names of the classes, each beside its colour, as lines (H, width, 3) uint8 RGB."""
    import cv2

    from vision.pictures.drawing import class_colour

    places, left, line = [], _MARGIN, 0
    for label in labels.tolist():
        name = _plain(class_names[label], 40)
        length = 40 + cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)[0][0]
        if left + length > width and left > _MARGIN:
            left, line = _MARGIN, line + 1
        places.append((label, name, left, line * _LEGEND))
        left += length
    legend = np.full(((line + 1) * _LEGEND, width, 3), _PAPER, dtype=np.uint8)
    for label, name, left, top in places:
        colour = class_colour(label)
        cv2.rectangle(legend, (left, top + 5), (left + 18, top + 22), colour, cv2.FILLED)
        place = (left + 24, top + 20)
        cv2.putText(legend, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.6, _INK, 1, cv2.LINE_AA)
    return legend


def _write_caption(cell: np.ndarray, text: str) -> None:
    import cv2

    place = (_MARGIN, CELL[1] - _MARGIN)
    text = _plain(text, 56)
    cv2.putText(cell, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)


def _plain(text: str, longest: int) -> str:
    """Return a text in the letters that OpenCV can draw, with its middle left out if too long."""
    if len(text) > longest:
        text = f"{text[: longest // 2 - 2]}...{text[-(longest // 2 - 1) :]}"
    return text.encode("ascii", "replace").decode()
