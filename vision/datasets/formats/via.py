"""Read what the VGG Image Annotator (VIA) saves: its projects, and its exports as JSON and CSV."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Tuple

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import file_has
from vision.datasets.files.tables import first_row, numbered_rows
from vision.datasets.files.values import (
    NO_BOX,
    around,
    around_ellipse,
    read_json,
    to_number,
    to_text,
)
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record

VIA_PICTURES = "_via_img_metadata"
VIA_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")
# Which attribute of a region is its class; without any of these it is the first one.
CLASS_ATTRIBUTES = ("class", "label", "name", "category", "type", "object")


class _Entry(NamedTuple):
    """By what VIA tells pictures apart: two of one name differ in their size."""

    filename: str
    size: int  # of the picture file in bytes, -1 if it is not stated


Regions = Dict[_Entry, List[Tuple[Dict[str, Any], Dict[str, Any]]]]  # shapes and attributes


class VIAFolder(PerPartFolder):
    """Reads one file for every part: the box around each rectangle, ellipse, circle or polygon."""

    suffix = (".json", ".csv")
    layout = "a .json or .csv of the VGG Image Annotator"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether a file has VIA's columns or keys."""
        if path.suffix.lower() == ".csv":
            return set(VIA_COLUMNS) <= set(first_row(path))
        return file_has(path, b'"shape_attributes"', b'"region_attributes"')

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a file; marked points have no area and are left out."""
        read = _read_csv if path.suffix.lower() == ".csv" else _read_json
        points = 0
        entries = read(path)
        counts = Counter(entry.filename for entry in entries)
        for entry, regions in entries.items():
            file = self._file_of(entry, alone=counts[entry.filename] == 1)
            if file is None:
                message = (
                    f"{counts[entry.filename]} entries are called '{entry.filename}', and there is "
                    f"not one picture of that name with the {entry.size:,} bytes of this one; put "
                    "the pictures back as they were marked, or write their folders into the entries"
                )
                problems.add("picture missing", message, path.relative_to(self.root).as_posix())
                continue
            marked = [(shape, name) for shape, name in regions if shape.get("name") != "point"]
            points += len(regions) - len(marked)
            boxes = [_box(shape) for shape, _ in marked]
            yield Record(file, (0, 0), boxes, [_class_of(name) for _, name in marked])
        self.note_points(points, path.relative_to(self.root).as_posix())

    def _file_of(self, entry: _Entry, alone: bool) -> str | None:
        """Return the picture of an entry; several of one name are told apart by their sizes.

        Args:
            alone: there is no other entry of that name, which is then enough.
        """
        named = self._finder.named(entry.filename)
        named = [one for one in named if f"/{one}".endswith(f"/{entry.filename}")] or named
        if alone and len(named) < 2:
            return entry.filename
        paths = {one: self.root / one for one in named}
        fitting = [
            one
            for one, path in paths.items()
            if path.is_file() and path.stat().st_size == entry.size
        ]
        if len(fitting) == 1:
            return fitting[0]
        return entry.filename if alone else None


def _read_json(path: Path) -> Regions:
    data = read_json(path)
    data = data.get(VIA_PICTURES, data) if isinstance(data, dict) else data
    if not isinstance(data, dict):
        raise ValueError(f"{path} must be an object with an entry for each picture, as VIA's are")
    found: Regions = {}
    for picture in filter(_is_table, data.values()):
        regions = picture.get("regions")
        regions = list(regions.values()) if _is_table(regions) else regions
        objects = found.setdefault(_entry(picture.get("filename"), picture.get("size")), [])
        for region in filter(_is_table, regions if isinstance(regions, list) else ()):
            objects.append(
                (_table(region.get("shape_attributes")), _table(region.get("region_attributes")))
            )
    return found


def _read_csv(path: Path) -> Regions:
    found: Regions = {}
    rows = (row for _, row in numbered_rows(path))
    header = [name.strip() for name in next(rows, [])]
    for cells in rows:
        row = dict(zip(header, cells))
        objects = found.setdefault(_entry(row.get("filename"), row.get("file_size")), [])
        shape, name = (_table(row.get(column)) for column in VIA_COLUMNS[1:])
        if shape or name:
            objects.append((shape, name))
    return found


def _entry(filename: Any, size: Any) -> _Entry:
    number = to_number(size)
    return _Entry(to_text(filename), int(number) if math.isfinite(number) else -1)


def _box(shape: dict[str, Any]) -> tuple[float, ...]:
    """Return the box xyxy around a shape; nan for one that is not known."""
    kind = shape.get("name")
    if kind == "rect":
        x, y, width, height = (to_number(shape.get(key)) for key in ("x", "y", "width", "height"))
        return x, y, x + width, y + height
    if kind in ("circle", "ellipse"):
        keys = ("cx", "cy", "r", "r") if kind == "circle" else ("cx", "cy", "rx", "ry")
        x, y, rx, ry = (to_number(shape.get(key)) for key in keys)
        return around_ellipse((x, y), (rx, ry), to_number(shape.get("theta")))  # in radians
    xs, ys = (shape.get(key) for key in ("all_points_x", "all_points_y"))
    if not isinstance(xs, list) or not isinstance(ys, list):
        return NO_BOX
    return around([to_number(x) for x in xs], [to_number(y) for y in ys])


def _class_of(attributes: dict[str, Any]) -> str:
    """Return the class that the attributes state, which may be ticked as `{"cat": true}`."""
    lowered = {key.lower(): value for key, value in attributes.items()}
    known = [lowered[key] for key in CLASS_ATTRIBUTES if key in lowered]
    value = next(iter([*known, *lowered.values()]), "")
    if isinstance(value, dict):
        value = next((key for key, ticked in value.items() if ticked), "")
    return to_text(value)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict)


def _table(value: Any) -> dict[str, Any]:
    """Return a table of attributes, which a CSV file has as JSON; {} if it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}
