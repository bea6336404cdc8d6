"""Read LabelMe folders, which have a JSON file with shapes for each picture."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import file_has, file_matches, some_files
from vision.datasets.files.listing import FileListing
from vision.datasets.files.values import NO_BOX, around, read_json, to_number, to_side, to_text
from vision.datasets.formats.per_picture import AnnotationError, PerPictureFolder
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import Record
from vision.utils.files import file_fault

POINT_TYPES = ("point", "points")
LIST_OF_SHAPES = re.compile(rb'"shapes"\s*:\s*\[')


class LabelMeFolder(PerPictureFolder):
    """Reads ID.json beside ID.jpg or elsewhere, in one folder or in train, valid and test."""

    layout = "LabelMe's *.json beside the pictures"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the JSON files."""
        root = Path(root).resolve()
        self._points = 0  # met so far
        super().__init__(root, FileListing(root, (".json",)), root)
        self.divide_by_folders()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a JSON file is LabelMe's."""
        return any(map(cls.is_annotation, some_files(root, ".json", anywhere=True)))

    @classmethod
    def is_annotation(cls, path: Path) -> bool:
        """Return whether a JSON file has shapes; the picture itself may stand before them."""
        return file_matches(path, LIST_OF_SHAPES) or file_has(path, b'"imagePath"')

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part; marked points have no area and are left out."""
        self._points = 0
        index = super().read(part, problems)
        self.note_points(self._points, self.parts[part])
        return index

    def read_record(self, path: Path) -> Record:
        """Read one JSON file; take the box around every shape that is no point."""
        try:
            data = read_json(path)
        except OSError as error:
            raise AnnotationError(file_fault(error)) from None
        except ValueError as error:
            raise AnnotationError(str(error)) from None
        shapes = data.get("shapes") if isinstance(data, dict) else None
        if not isinstance(shapes, list):
            raise AnnotationError("must be an object with a list of shapes")
        tables = [shape if isinstance(shape, dict) else {} for shape in shapes]
        marked = {
            number: shape
            for number, shape in enumerate(tables, start=1)
            if shape.get("shape_type") not in POINT_TYPES
        }
        self._points += len(shapes) - len(marked)
        return Record(
            to_text(data.get("imagePath")),
            (to_side(data.get("imageWidth")), to_side(data.get("imageHeight"))),
            [_box(shape) for shape in marked.values()],
            [to_text(shape.get("label")) for shape in marked.values()],
            origins=list(marked),
        )


def _box(shape: dict[str, Any]) -> tuple[float, ...]:
    """Return the box xyxy around a shape; a circle has two points, its centre and one on it."""
    points = shape.get("points")
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in points
    ):
        return NO_BOX
    xs, ys = ([to_number(point[axis]) for point in points] for axis in (0, 1))
    if shape.get("shape_type") == "circle" and len(points) == 2:
        radius = math.hypot(xs[1] - xs[0], ys[1] - ys[0])
        xs, ys = [xs[0] - radius, xs[0] + radius], [ys[0] - radius, ys[0] + radius]
    return around(xs, ys)
