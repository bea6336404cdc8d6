"""Draw contact sheets: pictures of a dataset with their boxes, many on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import blocks
from vision.pictures.mosaic import TILE, draw_tile, mosaic
from vision.pictures.reading import EncodedPicture
from vision.pictures.writing import PAGE_QUALITY, write_picture

COLUMNS, ROWS = 4, 3


def write_sheets(
    index: AnnotationIndex,
    name: str,
    folder: str | Path,
    most: int = 48,
    seed: int = 0,
    place: Callable[[Path], Path] = Path,
) -> list[Path]:
    """Write sheets name_1.jpg, name_2.jpg, ... and return their paths.

    Args:
        index: of the pictures.
        name: the beginning of the file names.
        folder: is made if it is missing.
        most: the number of pictures to draw at most; every class is on one of them, if it can be.
        seed: of the choice.
        place: of `write_together`, if the sheets appear with other files.
    """
    rows = choose(index, most, seed)
    paths = []
    for number, (start, stop) in enumerate(blocks(len(rows), COLUMNS * ROWS), start=1):
        tiles, captions = zip(*(_draw(index, int(row)) for row in rows[start:stop]))
        paths.append(Path(folder) / f"{name}_{number}.jpg")
        write_picture(place(paths[-1]), mosaic(tiles, captions, COLUMNS), PAGE_QUALITY)
    return paths


def choose(index: AnnotationIndex, most: int, seed: int = 0) -> np.ndarray:
    """Choose at most `most` pictures by seed, one of each class first; return their rows (K,)."""
    order = np.random.default_rng(seed).permutation(len(index))
    rank = np.empty(len(index), dtype=np.int64)
    rank[order] = np.arange(len(index))
    counts = np.bincount(index.labels, minlength=len(index.class_names))
    pictures = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    first: list[int] = []
    for label in sorted(np.flatnonzero(counts).tolist(), key=counts.__getitem__)[:most]:
        with_class = pictures[index.labels == label]
        first.append(int(with_class[np.argmin(rank[with_class])]))
    return np.array(list(dict.fromkeys([*first, *order.tolist()]))[:most], dtype=np.int64)


def _draw(index: AnnotationIndex, row: int) -> tuple[np.ndarray, str]:
    """Return one picture with its boxes, and its caption."""
    annotation = index[row]
    picture = EncodedPicture.read(annotation.path, annotation.upright)
    longest = max(picture.width, picture.height)
    reduction = max(one for one in picture.reductions if longest >= one * TILE or one == 1)
    boxes = annotation.boxes_in_pixels(picture.width, picture.height) / np.float32(reduction)
    tile = draw_tile(picture.decode(reduction), boxes, annotation.labels, index.class_names)
    return tile, f"{annotation.image_id}   {picture.width} x {picture.height}"
