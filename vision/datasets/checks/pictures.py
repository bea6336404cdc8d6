"""Check pictures against their annotation: which can be used, and which frame the boxes mean."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

import numpy as np

from vision.datasets.checks.picture_scan import PictureFacts, PictureScanner
from vision.datasets.checks.problems import Problems
from vision.datasets.checks.resizing import same_shape, tell_resized
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.options import EXIF, DataOptions
from vision.pictures.headers import FORMATS, KINDS_OF_PIXELS
from vision.pictures.suffixes import SUFFIXES_OF
from vision.pictures.turning import turn_back, turn_upright


@dataclass
class PictureChecks:
    """Opens every picture of a dataset once; makes its boxes those of the picture as it is read.

    Pictures are read upright, as their EXIF orientation says, which cameras and most labelling
    tools do too; with `exif` "ignore" they are read as they are stored, which detectnet does to a
    file. Which of the two the boxes were marked on is told by the size that the annotation states,
    or by what the boxes fit. Where neither tells, the picture goes with most others of its part,
    and if none tells, boxes are taken as those of the picture as it is read. "apply" and "stored"
    say instead that they were marked on the upright or stored one; pictures are upright then. Where
    the index itself states the view of its boxes, as that of shards does, that counts.
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
        part = _OpenedPictures(index, facts, problems, os.path.realpath(problems.source))
        part.report_kinds()
        index.sizes[:] = part.move_boxes(part.decide_turned(self.exif), self.reads_upright)
        index = replace(index, upright=self.reads_upright)
        usable = facts.records["width"] > 0
        return index if usable.all() else index.select(usable)

    @property
    def reads_upright(self) -> bool:
        """Return whether pictures are turned as EXIF says."""
        return self.exif != "ignore"


@dataclass
class _OpenedPictures:
    """The pictures of a part and what was found when they were opened."""

    index: AnnotationIndex
    facts: PictureFacts
    problems: Problems
    root: str  # of the dataset; messages show paths below it

    def shown(self, row: int) -> str:
        """Return the path of a picture as messages show it."""
        path = self.index.paths[row]
        return path[len(self.root) + 1 :] if path.startswith(self.root + os.sep) else path

    def report_kinds(self) -> None:
        """Report pictures that cannot be used, or whose suffix or pixels are unusual."""
        for number, name in enumerate(KINDS_OF_PIXELS[1:], start=1):
            rows = np.flatnonzero(self.facts.records["pixels"] == number)
            self.problems.add_each(f"{name} picture", rows, lambda row: ("", self.shown(row), None))
        formats = [FORMATS[number] for number in self.facts.records["format"]]
        wrong = [
            row
            for row, path in enumerate(self.index.paths)
            if not path.lower().endswith(SUFFIXES_OF.get(formats[row], ""))
        ]
        self.problems.add_each(
            "picture of another format",
            wrong,
            lambda row: (f"is a {formats[row].upper()} file", self.shown(row), None),
        )
        faults = self.facts.faults
        self.problems.add_each(
            "picture unreadable", list(faults), lambda row: (faults[row], self.shown(row), None)
        )

    def decide_turned(self, exif: str) -> np.ndarray:
        """Return, and report, for which pictures the boxes mean the upright one, (N,) bool."""
        orientations = self.facts.records["orientation"]
        rows = np.flatnonzero((orientations > 1) & (self.facts.records["width"] > 0)).tolist()
        guesses: dict[int, bool | None]
        if self.index.view_is_stated:  # by those who have moved the boxes, with any `exif`
            guesses = dict.fromkeys(rows, self.index.upright)
        elif exif in ("apply", "stored"):
            guesses = dict.fromkeys(rows, exif == "apply")
        else:
            guesses = {row: self.guess_turned(row) for row in rows}
        sure = [guess for guess in guesses.values() if guess is not None]
        usual = 2 * sum(sure) > len(sure) if sure else exif != "ignore"
        turned = np.zeros(len(self.index), dtype=bool)
        for row, guess in guesses.items():
            turned[row] = usual if guess is None else guess
            width, height = self.facts.sizes[row]
            words = f"has EXIF orientation {orientations[row]}, is {width} x {height}"
            if (self.index.sizes[row] > 0).all():
                words += " and annotated as {} x {}".format(*self.index.sizes[row])
            if guess is None:
                words += ", which does not tell"
            kind = "EXIF turn, boxes marked " + ("upright" if turned[row] else "as stored")
            self.problems.add(kind if sure else "EXIF turn unclear", words, self.shown(row))
        return turned

    def guess_turned(self, row: int) -> bool | None:
        """Return whether the boxes of a picture mean the upright one, None if nothing tells."""
        if self.facts.records["orientation"][row] < 5:  # neither its sides nor boxes tell
            return None
        stored, stated = self.facts.sizes[row], self.index.sizes[row]
        if (stated > 0).all():
            as_stored = bool(same_shape(stated, stored))
            as_upright = bool(same_shape(stated, stored[::-1]))
        elif self.index.relative[row]:
            return None
        else:
            extent = self.extent(row)
            as_stored, as_upright = _fits(extent, stored), _fits(extent, stored[::-1])
        return None if as_stored == as_upright else as_upright

    def move_boxes(self, turned: np.ndarray, upright: bool) -> np.ndarray:
        """Move the boxes in place from the frame that they mean to the picture as it is read.

        Args:
            turned: (N,) bool, for which pictures they mean the upright one.
            upright: whether pictures are read upright, not as stored.

        Returns:
            width and height (N, 2) int32 of the pictures as they are read.
        """
        index, stored = self.index, self.facts.sizes
        orientations = self.facts.records["orientation"]
        swapped = np.where(orientations[:, None] >= 5, stored[:, ::-1], stored)
        frames = np.where(turned[:, None], swapped, stored)
        stated = (index.sizes > 0).all(axis=1) & (stored > 0).all(axis=1)
        differs = stated & (index.sizes != frames).any(axis=1)
        moved = (orientations > 1) & (turned != upright)
        resized = self.decide_resized(differs, frames, int((stated & ~differs).sum()))
        for row in np.flatnonzero(moved | differs).tolist():
            objects = slice(index.offsets[row], index.offsets[row + 1])
            if resized[row] and not index.relative[row]:
                index.boxes[objects] *= np.tile(frames[row] / index.sizes[row], 2)
            if moved[row]:
                size = [1, 1] if index.relative[row] else stored[row].tolist()
                turn = turn_upright if upright else turn_back
                index.boxes[objects] = turn(index.boxes[objects], int(orientations[row]), size)
        return swapped if upright else stored

    def decide_resized(self, differs: np.ndarray, frames: np.ndarray, agreeing: int) -> np.ndarray:
        """Return, and report, which pictures were resized after their boxes were marked, (N,) bool.

        Args:
            differs: (N,) bool, of which pictures the stated size is not the real one.
            frames: (N, 2), width and height of the pictures that the boxes mean.
            agreeing: the number of those whose stated size is right.
        """
        rows = np.flatnonzero(differs)
        extents = np.array([self.extent(row) for row in rows.tolist()]).reshape(-1, 2)
        told = tell_resized(self.index.sizes[rows], frames[rows], extents, agreeing)
        for row, is_resized, unclear in zip(rows.tolist(), *told):
            stated, frame = self.index.sizes[row], frames[row]
            kind = "picture resized after labelling" if is_resized else "stated size wrong"
            kind = "picture resized or not" if unclear else kind
            words = f"is {frame[0]} x {frame[1]}, annotated as {stated[0]} x {stated[1]}"
            self.problems.add(kind, words, self.shown(row))
        resized = np.zeros(len(differs), dtype=bool)
        resized[rows] = told.resized
        if resized.sum() > agreeing:
            self.report_without_size(frames)
        return resized

    def report_without_size(self, frames: np.ndarray) -> None:
        """Report pictures that may have been resized too, but whose annotation states no size.

        Args:
            frames: as for `decide_resized`.
        """
        unknown = (self.index.sizes <= 0).any(axis=1) & (frames > 0).all(axis=1)
        has_boxes = np.diff(self.index.offsets) > 0
        rows = np.flatnonzero(unknown & has_boxes & ~self.index.relative)
        words = "no size is stated, and most other pictures were resized after labelling"
        self.problems.add_each(
            "picture resized or not", rows, lambda row: (words, self.shown(row), None)
        )

    def extent(self, row: int) -> np.ndarray:
        """Return the largest x and y (2,) of the boxes of a picture, 0 without boxes."""
        boxes = self.index.boxes[self.index.offsets[row] : self.index.offsets[row + 1]]
        boxes = boxes[np.isfinite(boxes).all(axis=1)]
        return boxes.reshape(-1, 2).max(axis=0, initial=0)


def _fits(extent: np.ndarray, size: np.ndarray) -> bool:
    return bool((extent <= size + 1).all())
