"""Read lists of class names in the forms that people and tools write."""

from __future__ import annotations

import re
from pathlib import Path

from vision.datasets.files.values import decode
from vision.utils.files import read_regular
from vision.utils.labels import BACKGROUND, MAX_CLASSES
from vision.utils.text import printable

NUMBER_FIRST = re.compile(r"(\d+)\s*[\s:;,=.)]\s*(\S.*)")
NUMBER_LAST = re.compile(r"(.*\S)\s*[:;,=\t]\s*(\d+)")
# CVAT's labelmap.txt: name:red,green,blue:parts:actions
CVAT_LINE = re.compile(r"(.+?):(?:\d+,\d+,\d+)?:[^:]*:[^:]*")
BACKGROUNDS = {BACKGROUND, "__BACKGROUND__", "_BACKGROUND_", "__IGNORE__"}


def read_class_list(path: Path) -> list[str]:
    """Return the class names of a file in their order, without BACKGROUND under any name.

    It may have one name a line, with numbers counted from 0 or 1 before or behind the names; one
    line of names with commas between them; or be CVAT's labelmap.txt.

    Raises:
        ValueError: it is not text, names more than MAX_CLASSES or a class twice, or its form
            cannot be told.
    """
    numbered = enumerate(decode(read_regular(path), path).splitlines(), start=1)
    lines = [(number, line.strip()) for number, line in numbered if line.strip()]
    if len(lines) > MAX_CLASSES:
        raise ValueError(f"{path} must name at most {MAX_CLASSES} classes, it has {len(lines):,}")
    seen: dict[str, int] = {}
    for number, name in _names_in(lines, path):
        if name.upper() in BACKGROUNDS:
            continue
        if name in seen:
            raise ValueError(
                f"{path}:{number}: names the class '{printable(name)}' twice; remove one of the "
                "lines"
            )
        seen[name] = number
    return list(seen)


def _names_in(lines: list[tuple[int, str]], path: Path) -> list[tuple[int, str]]:
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
        found = [form.fullmatch(line) for _, line in lines]
        if not lines or not all(found):
            continue
        stated = [int(match[place_of_number]) for match in found if match]
        expected = list(range(stated[0], stated[0] + len(stated)))
        if stated[0] in (0, 1) and stated == expected:
            names = [match[place_of_name] for match in found if match]
            return [(number, name) for (number, _), name in zip(lines, names)]
        if len(lines) > 1 and stated[0] in (0, 1):
            wrong = next(row for row, number in enumerate(stated) if number != expected[row])
            raise ValueError(
                f"{path}:{lines[wrong][0]}: must have number {expected[wrong]}, as the lines "
                f"before it count from {stated[0]}, it has {stated[wrong]}; write one class name a "
                "line, without numbers"
            )
    return lines
