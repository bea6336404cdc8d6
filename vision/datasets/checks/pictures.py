"""Pictures against their annotation: which can be used, and in which frame the boxes stand."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from vision.datasets.checks.picture_scan import PictureFacts, PictureScanner
from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.options import EXIF, DataOptions
from vision.pictures.headers import FORMATS, KINDS_OF_PIXELS
from vision.pictures.suffixes import SUFFIXES_OF

# EXIF orientation -> (x and y change places, then x runs back, then y runs back), which takes a
# point of the upright picture to the stored one.
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


@dataclass
class PictureChecks:
    """Opens every picture of a dataset once, and makes its boxes those of the picture as stored.

    Detectnet and this suite ignore EXIF orientation, but many labelling tools obey it. `exif` says
    whether boxes were marked on the turned picture: "apply" always, "ignore" never, and "auto" by
    the stated size, or by what the boxes fit, or as with most other pictures of the part.
    """

    scanner: PictureScanner = field(default_factory=PictureScanner)
    exif: str = DataOptions.exif

    def __post_init__(self) -> None:
        """Check the options."""
        if self.exif not in EXIF:
            raise ValueError(f"exif must be one of {', '.join(EXIF)}, got '{self.exif}'")

    def __call__(self, index: AnnotationIndex, problems: Problems) -> AnnotationIndex:
        """Return the pictures that can be used; works in place on boxes and sizes."""
        facts = self.scanner.scan(problems.source, index.paths)
        shown = partial(_shown, index, os.path.realpath(problems.source))
        _report_kinds(facts, index, shown, problems)
        unusable = np.fromiter(facts.faults, dtype=np.int64, count=len(facts.faults))
        problems.add_each(
            "picture unreadable", unusable, lambda row: (facts.faults[row], shown(row), None)
        )
        _settle_frames(index, facts, self._turned(index, facts, shown, problems), shown, problems)
        index.sizes[:] = facts.sizes
        usable = np.ones(len(index), dtype=bool)
        usable[unusable] = False
        return index if usable.all() else index.select(usable)

    def _turned(
        self, index: AnnotationIndex, facts: PictureFacts, shown, problems: Problems
    ) -> np.ndarray:
        """Decide, and report, for which pictures (N,) bool the boxes stand in the upright one."""
        rows = np.flatnonzero(facts.records["orientation"] > 1)
        rows = rows[facts.records["width"][rows] > 0]
        turned = np.zeros(len(index), dtype=bool)
        if self.exif == "auto":
            guesses = {int(row): _guess_turned(index, facts, row) for row in rows}
        else:
            guesses = {int(row): self.exif == "apply" for row in rows}
        sure = [guess for guess in guesses.values() if guess is not None]
        usual = 2 * sum(sure) > len(sure)
        for row, guess in guesses.items():
            turned[row] = usual if guess is None else guess
            kind = "EXIF turn applied" if turned[row] else "EXIF turn ignored"
            if not sure:
                kind = "EXIF turn unclear"
            problems.add(kind, _describe_turn(index, facts, row, guess), shown(row))
        return turned


def turn_back(boxes: np.ndarray, orientation: int, size: tuple[float, float]) -> np.ndarray:
    """Return boxes (N, 4) xyxy of the upright picture as those of the stored one.

    Args:
        orientation: of EXIF, 1 to 8.
        size: (width, height) of the stored picture in the unit of the boxes.
    """
    swap, back_x, back_y = TURNS[orientation]
    turned = boxes[:, [1, 0, 3, 2]] if swap else boxes.copy()
    if back_x:
        turned[:, [0, 2]] = size[0] - turned[:, [2, 0]]
    if back_y:
        turned[:, [1, 3]] = size[1] - turned[:, [3, 1]]
    return turned


def _guess_turned(index: AnnotationIndex, facts: PictureFacts, row: int) -> bool | None:
    """Return whether the boxes of a picture stand in the upright one, None if nothing tells."""
    stored, stated = facts.sizes[row], index.sizes[row]
    if not _is_sideways(facts, row):
        return None
    if (stated > 0).all():
        as_stored, as_upright = _same_shape(stated, stored), _same_shape(stated, stored[::-1])
    elif index.relative[row]:
        return None
    else:
        extent = _extent(index, row)
        as_stored, as_upright = _fits(extent, stored), _fits(extent, stored[::-1])
    return None if as_stored == as_upright else as_upright


def _settle_frames(
    index: AnnotationIndex, facts: PictureFacts, turned: np.ndarray, shown, problems: Problems
) -> None:
    """Move the boxes in place from the size that is stated to the picture as stored."""
    sizes = facts.sizes
    frames = sizes.copy()
    sideways = turned & (facts.records["orientation"] >= 5)
    frames[sideways] = sizes[sideways, ::-1]
    stated = (index.sizes > 0).all(axis=1) & (sizes > 0).all(axis=1)
    differs = stated & (index.sizes != frames).any(axis=1)
    for row in np.flatnonzero(turned | differs):
        objects = slice(index.offsets[row], index.offsets[row + 1])
        if differs[row]:
            index.boxes[objects] *= _find_scale(index, row, frames[row], shown, problems)
        if turned[row]:
            size = (1, 1) if index.relative[row] else sizes[row]
            orientation = int(facts.records["orientation"][row])
            index.boxes[objects] = turn_back(index.boxes[objects], orientation, size)


def _find_scale(
    index: AnnotationIndex, row: int, frame: np.ndarray, shown, problems: Problems
) -> np.ndarray:
    """Return what to multiply boxes (N, 4) by whose stated size is not that of the frame.

    They are rescaled where the picture was made larger or smaller as a whole, or where they do not
    fit it as it is; a stated size that the boxes themselves contradict is taken for a slip.
    """
    stated, extent = index.sizes[row], _extent(index, row)
    resized = _fits(extent, stated) and (_same_shape(stated, frame) or not _fits(extent, frame))
    kind = "picture resized after labelling" if resized else "stated size wrong"
    words = f"is {frame[0]} x {frame[1]}, annotated as {stated[0]} x {stated[1]}"
    problems.add(kind, words, shown(row))
    scale = np.ones(4, dtype=np.float32)
    if resized and not index.relative[row]:
        scale[:] = np.tile(frame / stated, 2)
    return scale


def _report_kinds(facts: PictureFacts, index: AnnotationIndex, shown, problems: Problems) -> None:
    """Report pictures whose suffix or whose kind of pixels is not what one expects."""
    for number, name in enumerate(KINDS_OF_PIXELS[1:], start=1):
        rows = np.flatnonzero(facts.records["pixels"] == number)
        problems.add_each(f"{name} picture", rows, lambda row: ("", shown(row), None))

    def format_of(row: int) -> str:
        return FORMATS[facts.records["format"][row]]

    formats = facts.records["format"]
    wrong = [
        row
        for row, path in enumerate(index.paths)
        if formats[row] and not path.lower().endswith(SUFFIXES_OF[FORMATS[formats[row]]])
    ]
    problems.add_each(
        "picture of another format",
        wrong,
        lambda row: (f"is a {format_of(row).upper()} file", shown(row), None),
    )


def _describe_turn(
    index: AnnotationIndex, facts: PictureFacts, row: int, guess: bool | None
) -> str:
    width, height = facts.sizes[row]
    words = f"has EXIF orientation {facts.records['orientation'][row]}, is {width} x {height}"
    if (index.sizes[row] > 0).all():
        words += " and annotated as {} x {}".format(*index.sizes[row])
    return words if guess is not None else words + ", which does not tell"


def _shown(index: AnnotationIndex, root: str, row: int) -> str:
    """Return the path of a picture relative to the dataset folder, as messages show it."""
    path = index.paths[row]
    return path[len(root) + 1 :] if path.startswith(root + os.sep) else path


def _is_sideways(facts: PictureFacts, row: int) -> bool:
    return facts.records["orientation"][row] >= 5


def _extent(index: AnnotationIndex, row: int) -> np.ndarray:
    """Return the largest x and y (2,) of the boxes of a picture, 0 without boxes."""
    boxes = index.boxes[index.offsets[row] : index.offsets[row + 1]]
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    return boxes.reshape(-1, 2).max(axis=0, initial=0)


def _fits(extent: np.ndarray, size: np.ndarray) -> bool:
    return bool((extent <= size + 1).all())


def _same_shape(size: np.ndarray, other: np.ndarray) -> bool:
    """Return whether one picture is the other made larger or smaller, give or take a pixel."""
    (width, height), (other_width, other_height) = size.tolist(), other.tolist()
    difference = abs(width * other_height - height * other_width)
    return difference <= max(other_width + other_height, width + height)
