"""Lists of class names: read in the forms that people and tools write, written in one."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Callable, Iterable

from vision.datasets.files.values import decode
from vision.utils.files import read_regular
from vision.utils.labels import BACKGROUND, MAX_CLASSES, is_background
from vision.utils.text import name_as_seen, printable

NUMBER_FIRST = re.compile(r"(\d+)\s*[\s:;,=.)]\s*(\S.*)")
NUMBER_LAST = re.compile(r"(.*\S)\s*[:;,=\t]\s*(\d+)")
# CVAT's labelmap.txt: name:red,green,blue:parts:actions
CVAT_LINE = re.compile(r"(.+?):(?:\d+,\d+,\d+)?:[^:]*:[^:]*")


def read_class_list(
    path: Path,
    used_names: Callable[[], Iterable[str]] = tuple,
    notes: list[str] | None = None,
) -> list[str]:
    """Return the class names of a file in their order, without BACKGROUND under any name.

    The rest is as `class_list_entries` says.
    """
    entries = class_list_entries(path, used_names, notes)
    return [name for _, name in entries if not is_background(name)]


def class_list_entries(
    path: Path,
    used_names: Callable[[], Iterable[str]] = tuple,
    notes: list[str] | None = None,
) -> list[tuple[int, str]]:
    """Return the lines of a file of class names, by number, and the names, BACKGROUND among them.

    It may have one name a line, with numbers counted from 0 or 1 before or behind the names; one
    line of names with commas between them; or be CVAT's labelmap.txt.

    Args:
        used_names: returns the names that objects have. Where those have the numbers too, as `1
            cent` and `2 euro`, or no two names would differ without them, they are part of them.
        notes: get a line, once, if numbers were taken away.

    Raises:
        ValueError: it is not text, names more than MAX_CLASSES or a class twice, or its form
            cannot be told.
    """
    numbered = enumerate(decode(read_regular(path), path).splitlines(), start=1)
    lines = [(number, line.strip()) for number, line in numbered if line.strip()]
    if len(lines) > MAX_CLASSES:
        raise ValueError(f"{path} must name at most {MAX_CLASSES} classes, it has {len(lines):,}")
    seen: dict[str, int] = {}
    entries = _names_in(lines, path, used_names, [] if notes is None else notes)
    for number, name in entries:
        if name in seen and not is_background(name):
            raise ValueError(
                f"{path}:{number}: names the class '{printable(name)}' twice; remove one of the "
                "lines"
            )
        seen[name] = number
    return entries


def class_list_lines(class_names: Iterable[str]) -> list[str]:
    """Return the lines of a labels.txt that every reader of ours takes for these names.

    BACKGROUND is left out, as datasets have it, unless the names would be taken for something else
    without: `1 cent` and `2 euro` for numbered names, the only name `a,b` for two. Behind a line
    that is BACKGROUND, which has neither number nor comma, all lines are names as they stand.
    """
    names = [name for name in class_names if name != BACKGROUND]
    lines = list(enumerate(names, start=1))
    try:
        plain = _names_in(lines, Path("labels.txt"), tuple, []) == lines
    except ValueError:  # numbers that do not count on
        plain = False
    return names if plain else [BACKGROUND, *names]


def _names_in(
    lines: list[tuple[int, str]],
    path: Path,
    used_names: Callable[[], Iterable[str]],
    notes: list[str],
) -> list[tuple[int, str]]:
    """Return line numbers and names."""
    if lines and lines[0][1].startswith("# label:"):
        lines = lines[1:]
    matches = [CVAT_LINE.fullmatch(line) for _, line in lines]
    if lines and all(matches):
        return [(number, match[1]) for (number, _), match in zip(lines, matches) if match]
    if len(lines) == 1 and re.search("[,;]", lines[0][1]):
        names = [name.strip().strip("'\"") for name in re.split("[,;]", lines[0][1].strip("[]"))]
        return [(lines[0][0], name) for name in names if name]
    for form, place_of_number, place_of_name in ((NUMBER_FIRST, 1, 2), (NUMBER_LAST, 2, 1)):
        found = [match for match in (form.fullmatch(line) for _, line in lines) if match]
        if not found or len(found) < len(lines):
            continue
        stated = [int(match[place_of_number]) for match in found]
        names = [match[place_of_name] for match in found]
        if stated[0] not in (0, 1) or _are_whole(lines, names, used_names):
            continue
        _require_counting(lines, stated, path)
        note = (
            f"{path.name} numbers its classes: '{printable(lines[0][1])}' is read as "
            f"'{printable(names[0])}'"
        )
        notes += [note] if note not in notes else []
        return [(number, name) for (number, _), name in zip(lines, names)]
    return lines


def _are_whole(
    lines: list[tuple[int, str]], names: list[str], used_names: Callable[[], Iterable[str]]
) -> bool:
    """Return whether the lines are names as they stand, and not the `names` beside numbers."""
    whole = {name_as_seen(line) for _, line in lines}
    return len(set(names)) < len(names) or not whole.isdisjoint(used_names())


def _require_counting(lines: list[tuple[int, str]], stated: list[int], path: Path) -> None:
    """Refuse numbers that do not count on from the first one.

    Raises:
        ValueError: naming the first of them.
    """
    for (line, _), number, expected in zip(lines, stated, itertools.count(stated[0])):
        if number != expected:
            raise ValueError(
                f"{path}:{line}: must have number {expected}, as the lines before it count from "
                f"{stated[0]}, it has {number}; write one class name a line, without numbers"
            )
