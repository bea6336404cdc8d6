"""Read COCO's instances, the JSON that COCO, CVAT, Roboflow and others write."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import (
    file_has,
    file_matches,
    part_of_name,
    part_of_path,
    read_head,
)
from vision.datasets.files.values import (
    NAN,
    NO_BOX,
    around_points,
    around_turned,
    read_json,
    to_number,
    to_side,
    to_text,
)
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record
from vision.utils.text import printable

# Other tools have a key "images", too; in COCO's files it is a list of objects, beside others.
LIST_OF_PICTURES = re.compile(rb'"images"\s*:\s*\[\s*([{\]]|\Z)')
LIST_OF_OTHERS = re.compile(rb'"(annotations|categories)"\s*:\s*\[\s*[{\]]')
WHOLE = re.compile(rb"}\s*\Z")
WHOLE_NUMBER = re.compile(r"-?\d{1,30}")
# How the published files of other tasks are called; their pictures are those of the instances.
OTHER_TASKS = ("captions_", "person_keypoints_", "stuff_", "panoptic_", "image_info_")


class _Mark(NamedTuple):
    """What is kept of an annotation while its file is read, as polygons take most memory."""

    image_id: str
    category_id: str
    box: tuple[float, ...]  # xyxy
    crowd: bool


class COCOFolder(PerPartFolder):
    """Reads one JSON file with images, annotations and categories for every part.

    Categories go by name, whatever their ids are; those that are not listed are no classes, unless
    none is. A picture without annotations is a negative.
    A crowd is many objects under one box: it is left out of training. In measuring it is difficult,
    so that finding it counts neither as right nor as wrong.
    """

    suffix = ".json"
    layout = "annotations/instances_*.json, or _annotations.coco.json beside the pictures"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether a JSON file is an object with COCO's lists, and marks areas."""
        head = read_head(path).lstrip()
        if not head.startswith(b"{") or not file_matches(path, LIST_OF_PICTURES):
            return False
        # Of a download that broke off the other lists are missing; reading it says so.
        if file_matches(path, WHOLE) and not file_matches(path, LIST_OF_OTHERS):
            return False
        return file_has(path, b'"bbox"') or not file_has(path, b'"caption"')

    @classmethod
    def choose(cls, files: list[Path]) -> list[Path]:
        """Leave out COCO's files of other tasks where its instances stand beside them."""
        files = [path for path in files if file_has(path, b'"annotations"')] or files
        if not any(path.name.startswith("instances_") for path in files):
            return files
        return [path for path in files if not path.name.startswith(OTHER_TASKS)]

    @classmethod
    def explain_left(cls, path: Path) -> str:
        """Return that a file has no annotations, unless it is one of COCO's other tasks."""
        is_of_instances = not path.name.startswith(OTHER_TASKS)
        has_no_list = is_of_instances and not file_has(path, b'"annotations"')
        return "as it has no list of annotations" if has_no_list else ""

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a file with their annotations."""
        data = read_json(path, _shrink)
        images, marks, categories = (
            _list_of(data, key, path) for key in ("images", "annotations", "categories")
        )
        categories = [entry for entry in categories if isinstance(entry, dict)]
        _require_own_ids(images, "picture", "file_name", path)
        _require_own_ids(categories, "category", "name", path)
        classes = {_key(entry.get("id")): to_text(entry.get("name")) for entry in categories}
        marks_of: dict[str, list[_Mark]] = {}
        for mark in marks:
            if isinstance(mark, _Mark):
                marks_of.setdefault(mark.image_id, []).append(mark)
            else:
                problems.add("annotation broken", "has no box and picture", path.name)
        used = {mark.category_id for found in marks_of.values() for mark in found}
        _require_same_count(set(classes), used, path)
        names += _without_placeholder(categories, classes, used)
        below = path.relative_to(self.root).as_posix()
        part = part_of_name(path.stem) or part_of_path(below)
        for image in images:
            image = image if isinstance(image, dict) else {}
            found = marks_of.pop(_key(image.get("id")), [])
            yield _to_record(image, found, classes, keep_crowds=part in ("val", "test"))
        for image_id, left in marks_of.items():
            message = f"{len(left)} annotations of picture {image_id}, which is not listed"
            problems.add("picture missing", message, path.name)


def _shrink(entry: dict[str, Any]) -> Any:
    """Replace an annotation by the little of it that is needed."""
    if "image_id" not in entry or not ("bbox" in entry or "segmentation" in entry):
        return entry
    key, crowd = _key(entry["image_id"]), bool(to_number(entry.get("iscrowd", 0)) == 1)
    return _Mark(key, _key(entry.get("category_id")), _box(entry), crowd)


def _box(entry: dict[str, Any]) -> tuple[float, ...]:
    """Return the bbox, which is xywh, as xyxy; without one, the box around the polygons.

    The box is the one around a turned bbox.
    """
    box = entry.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        x, y, width, height = map(to_number, box)
        half = width / 2, height / 2
        angle = _angle(entry)
        turned = around_turned((x + half[0], y + half[1]), half, angle) if angle else None
        return turned or (x, y, x + width, y + height)
    polygons = entry.get("segmentation")
    if box or not isinstance(polygons, list):
        return NO_BOX
    return around_points(
        [value for polygon in polygons if isinstance(polygon, list) for value in polygon]
    )


def _angle(entry: dict[str, Any]) -> float:
    """Return the angle in radians by which CVAT has turned a box behind its bbox, else 0."""
    attributes = entry.get("attributes")
    if not isinstance(attributes, dict) or entry.get("segmentation"):
        return 0.0  # polygons are turned already, and so is the box around them
    angle = math.radians(to_number(attributes.get("rotation", 0)))
    return angle if math.isfinite(angle) else 0.0


def _to_record(
    image: dict[str, Any], marks: list[_Mark], classes: dict[str, str], keep_crowds: bool
) -> Record:
    kept = [number for number, mark in enumerate(marks) if keep_crowds or not mark.crowd]
    return Record(
        to_text(image.get("file_name")),
        (to_side(image.get("width")), to_side(image.get("height"))),
        [marks[number].box for number in kept],
        [
            classes.get(category, category and f"category {category}")
            for category in (marks[number].category_id for number in kept)
        ],
        [marks[number].crowd for number in kept],
        [number + 1 for number in kept],
    )


def _without_placeholder(categories: list, classes: dict[str, str], used: set[str]) -> list[str]:
    """Return the class names without the project name that Roboflow puts before them.

    That is a category without objects, which is the supercategory of all others.
    """
    groups = {to_text(entry.get("supercategory")) for entry in categories}
    first, *others = classes or {"": ""}
    if others and first not in used and groups == {classes[first], "none"}:
        return [classes[key] for key in others]
    return list(classes.values())


def _list_of(data: Any, key: str, path: Path) -> list:
    entries = data.get(key) if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise ValueError(f"{path} must have a list of {key}, as COCO's instances have")
    return entries


def _require_own_ids(entries: list, what: str, name_key: str, path: Path) -> None:
    """Refuse an id of two different names, as nobody can tell whose the annotations are.

    Raises:
        ValueError: naming both; the same entry twice is harmless.
    """
    names: dict[str, str] = {}
    for entry in entries:
        key = _key(entry.get("id")) if isinstance(entry, dict) else ""
        name = to_text(entry.get(name_key)) if key else ""
        first = names.setdefault(key, name)
        if first != name:
            raise ValueError(
                f"{path}: every {what} must have an id of its own, id {printable(key)} is that of "
                f"'{printable(first)}' and of '{printable(name)}'; number them and their "
                "annotations anew, or give the exports that were joined as two datasets"
            )


def _require_same_count(listed: set[str], used: set[str], path: Path) -> None:
    """Refuse annotations that count categories from 1 where the list counts from 0, or the reverse.

    Raises:
        ValueError: the ids that annotations use are those of the list moved by one.
    """
    if not used or not all(WHOLE_NUMBER.fullmatch(key) for key in (*listed, *used)):
        return
    ids, found = {int(key) for key in listed}, {int(key) for key in used}
    first, last = min(ids, default=0), max(ids, default=0)
    for shift, unused, beyond in ((1, first, last + 1), (-1, last, first - 1)):
        moved = found <= {one + shift for one in ids}
        if moved and unused not in found and beyond in found:
            verb = "subtract 1 from" if shift > 0 else "add 1 to"
            raise ValueError(
                f"{path} lists categories with the ids {first} to {last}, but its annotations have "
                f"ids that are moved by one (none has {unused}, some have {beyond}), so that boxes "
                f"would get the names of their neighbours: {verb} every category_id"
            )


def _key(value: Any) -> str:
    """Return an id as text; 7, 7.0 and "7" are the same."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)  # as a float, whole numbers above 2 ** 53 would be rounded
    number = to_number(value) if isinstance(value, (int, float)) else NAN
    return str(int(number)) if number % 1 == 0 else to_text(value)
