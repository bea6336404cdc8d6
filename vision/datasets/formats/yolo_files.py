"""The text files of a YOLO folder: labels, class names, settings."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from vision.datasets.files.listing import read_list
from vision.datasets.files.values import NO_BOX, around_points, decode, to_number
from vision.datasets.files.yaml_subset import Value, read_yaml
from vision.utils.labels import MAX_CLASSES

_YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
_NAMES_FILES = ("obj.names", "classes.txt", "labels/classes.txt", "train/classes.txt")
_PARTS = {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}
_LARGEST_NUMBER = 1 << 31


class YOLOSettings(NamedTuple):
    """What a YOLO folder says of itself."""

    names: dict[int, str]  # of the classes, by number
    names_from: str  # the file
    parts: dict[str, list[str]]  # folders or lists of pictures of train, val and test, as written
    parts_from: str
    pose: bool  # the labels have key points after their box, and no polygons


class LabelLine(NamedTuple):
    """A line of a label file."""

    number: int | None  # of the class; None where there is none
    box: tuple[float, ...]  # xyxy as fractions of the picture; nan where there is no number


def read_settings(root: Path) -> YOLOSettings:
    """Read data.yaml, or obj.data and obj.names, or classes.txt, whichever there is.

    Raises:
        ValueError: one of them is not UTF-8, or names too many classes.
    """
    yaml = _find_yaml(root)
    if yaml is not None:
        values = read_yaml(yaml)
        names = _number(values.get("names", []), yaml)
        if names:
            return YOLOSettings(names, yaml.name, _parts(values), yaml.name, "kpt_shape" in values)
    data = next(iter(sorted(root.glob("*.data"))), None)
    values = _read_darknet(data) if data else {}
    named = [str(values.get("names", "")).rsplit("/", 1)[-1], *_NAMES_FILES]
    found = [name for name in named if name and (root / name).is_file()]
    found += [path.name for path in sorted(root.glob("*.names"))]
    names = read_class_names(root / found[0]) if found else {}
    return YOLOSettings(
        names, found[0] if found else "", _parts(values), data.name if data else "", False
    )


def read_class_names(path: Path) -> dict[int, str]:
    """Return the names of a file with one class a line, by their numbers from 0.

    Raises:
        ValueError: if it is not UTF-8, or names more than MAX_CLASSES.
    """
    return _number(decode(path.read_bytes(), path).splitlines(), path)


def read_label(path: Path, pose: bool = False) -> list[LabelLine]:
    """Return the lines that are not blank; bytes that are no text are no numbers."""
    text = path.read_bytes().decode("utf-8-sig", "replace")
    return [_parse(line.split(), pose) for line in text.splitlines() if line.strip()]


def _parse(words: list[str], pose: bool) -> LabelLine:
    """Read `class x y width height`, or `class x1 y1 x2 y2 x3 y3 ...` for a polygon.

    A fifth number after the class is the score of a detection.
    """
    number = to_number(words[0])
    whole = number % 1 == 0 and abs(number) < _LARGEST_NUMBER
    values = [to_number(word) for word in words[1:]]
    box: tuple[float, ...] = NO_BOX
    if len(values) in (4, 5) or (pose and len(values) > 4):
        x, y, width, height = values[:4]
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
    elif len(values) >= 6 and len(values) % 2 == 0:
        box = around_points(values)
    return LabelLine(int(number) if whole else None, box)


def _find_yaml(root: Path) -> Path | None:
    known = [root / name for name in _YAML_NAMES]
    others = sorted([*root.glob("*.yaml"), *root.glob("*.yml")])
    return next((path for path in (*known, *others) if path.is_file()), None)


def _number(names: Value, path: Path) -> dict[int, str]:
    """Return class names by number: of a list, whose blank lines count, or of a table."""
    if isinstance(names, str):
        return {}
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    numbered = {int(to_number(n)): name.strip() for n, name in pairs if 0 <= to_number(n) < 1e9}
    numbered = {number: name for number, name in numbered.items() if name}
    if len(numbered) > MAX_CLASSES:
        raise ValueError(
            f"{path} must name at most {MAX_CLASSES} classes, it has {len(numbered):,}"
        )
    return numbered


def _parts(values: dict[str, Value]) -> dict[str, list[str]]:
    """Return what is stated as train, val and test, each a list."""
    parts = {}
    for part, keys in _PARTS.items():
        entry = next((values[key] for key in keys if values.get(key)), None)
        if entry and not isinstance(entry, dict):
            parts[part] = [entry] if isinstance(entry, str) else entry
    return parts


def _read_darknet(path: Path) -> dict[str, Value]:
    """Return the settings `key = value` of an obj.data."""
    pairs = (line.partition("=") for line in read_list(path))
    return {key.strip(): value.strip() for key, _, value in pairs}
