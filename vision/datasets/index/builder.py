"""Build an annotation index, picture by picture or from tables with one box a row."""

from __future__ import annotations

from array import array
from typing import Callable, Iterable, NamedTuple, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import StringTable, as_array
from vision.utils.labels import BACKGROUND
from vision.utils.text import name_as_seen


class ClassNumbers:
    """Numbers class names from 1, in the order in which they are met."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __getitem__(self, name: str) -> int:
        # A class called BACKGROUND gets a number too: the checks report it and leave it out.
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers.setdefault(name_as_seen(name), len(self._numbers) + 1)
        return number

    @property
    def class_names(self) -> list[str]:
        """Return the names by their numbers, BACKGROUND first."""
        return [BACKGROUND, *self._numbers]


class Record(NamedTuple):
    """What an annotation says about one picture with N objects, right or wrong."""

    filename: str  # of the picture, as the annotation says
    size: tuple[int, int]  # (width, height); 0 if not stated
    boxes: Sequence[Sequence[float]]  # N times xyxy; nan if it is not a number
    names: Sequence[str]
    difficult: Sequence[bool] | None = None  # None: nothing is difficult
    origins: Sequence[int] | None = None  # lines of the objects; None: they count from 1
    part: str = ""  # that the annotation states, if it states one


class IndexBuilder:
    """Takes annotated pictures one at a time.

    Objects are taken as they are, as the checks repair and report them for all formats: a missing
    name is "", a missing coordinate is nan.
    """

    def __init__(self, relative: bool = False):
        """Take boxes in pixels, or in fractions of their picture if `relative`."""
        self._relative = relative
        self._classes = ClassNumbers()
        self._ids: list[str] = []
        self._paths: list[str] = []
        self._sizes, self._offsets = array("i"), array("q", [0])
        self._boxes, self._labels = array("f"), array("i")
        self._difficult, self._origins = array("b"), array("i")

    def __len__(self) -> int:
        return len(self._ids)

    def add(
        self,
        image_id: str,
        path: str,
        boxes: Sequence[Sequence[float]],
        names: Sequence[str],
        difficult: Sequence[bool] | None = None,
        size: tuple[int, int] = (0, 0),
    ) -> None:
        """Add one picture; messages number its objects from 1.

        Args:
            boxes: N times xyxy.
            names: N class names.
            difficult: N flags; without them nothing is difficult.
            size: (width, height) as the annotation states it, 0 if it does not.
        """
        self.add_record(image_id, path, Record("", size, boxes, names, difficult))

    def add_record(self, image_id: str, path: str, record: Record) -> None:
        """Add one picture with what was read of it."""
        boxes, names = record.boxes, record.names
        self._ids.append(image_id)
        self._paths.append(path)
        self._sizes.extend(record.size)
        self._offsets.append(self._offsets[-1] + len(names))
        with np.errstate(over="ignore"):  # too large becomes inf, which the checks report
            corners = np.asarray(boxes, dtype=np.float64).reshape(len(names), 4).astype(np.float32)
        self._boxes.frombytes(corners.tobytes())
        self._labels.extend(self._classes[name] for name in names)
        self._difficult.extend(map(bool, record.difficult or [False] * len(names)))
        self._origins.extend(record.origins or range(1, len(names) + 1))

    def build(self) -> AnnotationIndex:
        """Return the index of all pictures added."""
        return AnnotationIndex(
            self._classes.class_names,
            StringTable.from_strings(self._ids),
            StringTable.from_strings(self._paths),
            sizes=as_array(self._sizes, np.int32).reshape(-1, 2),
            relative=np.full(len(self._ids), self._relative),
            offsets=as_array(self._offsets, np.int64),
            boxes=as_array(self._boxes, np.float32).reshape(-1, 4),
            labels=as_array(self._labels, np.int32).astype(np.int16),
            difficult=as_array(self._difficult, np.bool_),
            origins=as_array(self._origins, np.int32),
        )


class BoxTable:
    """Takes tables with one box a row, block by block, and groups the boxes by picture.

    The arrays grow in place, so that memory never holds two copies of 14 million boxes.
    """

    def __init__(self, relative: bool, clean_id: Callable[[str], str] = str.strip):
        """Take boxes in pixels, or in fractions of their picture if `relative`.

        Ids that `clean_id` makes equal are one picture.
        """
        self._relative = relative
        self._clean_id = clean_id
        self._classes = ClassNumbers()
        self._rows: dict[str, int] = {}
        self._pictures, self._labels = array("i"), array("i")
        self._boxes, self._lines = array("f"), array("i")

    def add(
        self, image_ids: np.ndarray, names: np.ndarray, boxes: np.ndarray, lines: np.ndarray
    ) -> None:
        """Add K rows: ids and names (K,) str, boxes (K, 4) float32 xyxy, lines (K,) int32."""
        for buffer, strings, number_of in (
            (self._pictures, image_ids, self.add_picture),
            (self._labels, names, self._classes.__getitem__),
        ):
            codes, uniques = _factorize(strings)
            numbers = np.fromiter(map(number_of, uniques), dtype=np.int32, count=len(uniques))
            _append(buffer, numbers[codes])
        _append(self._boxes, boxes.astype(np.float32))
        _append(self._lines, lines.astype(np.int32))

    def add_picture(self, image_id: str) -> int:
        """Return the row of a picture; add it if it is new."""
        return self._rows.setdefault(self._clean_id(image_id), len(self._rows))

    @property
    def rows(self) -> dict[str, int]:
        """Return the rows of all pictures by id, in their order."""
        return self._rows

    @property
    def class_names(self) -> list[str]:
        """Return the class names met so far, BACKGROUND first."""
        return self._classes.class_names

    def build(self, paths: Iterable[str]) -> AnnotationIndex:
        """Return the index; `paths` are the picture files in the order of `rows`."""
        pictures = as_array(self._pictures, np.int32)
        boxes = as_array(self._boxes, np.float32).reshape(-1, 4)
        labels = as_array(self._labels, np.int32).astype(np.int16)
        lines = as_array(self._lines, np.int32)
        if (np.diff(pictures) < 0).any():  # published files are grouped already
            order = np.argsort(pictures, kind="stable")
            boxes, labels, lines = boxes[order], labels[order], lines[order]
        counts = np.bincount(pictures, minlength=len(self._rows))
        return AnnotationIndex(
            self._classes.class_names,
            StringTable.from_strings(self._rows),
            StringTable.from_strings(paths),
            sizes=np.zeros((len(self._rows), 2), dtype=np.int32),
            relative=np.full(len(self._rows), self._relative),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=boxes,
            labels=labels,
            difficult=np.zeros(len(labels), dtype=bool),
            origins=lines,
        )


def _append(buffer: array, values: np.ndarray) -> None:
    buffer.frombytes(np.ascontiguousarray(values).tobytes())


def _factorize(strings: np.ndarray) -> tuple[np.ndarray, Sequence[str]]:
    """Return codes (K,) and the strings that they stand for, in the order they are met."""
    import pandas

    codes, uniques = pandas.factorize(strings)
    return codes, list(uniques)
