"""Reading and writing labels.txt: one class name a line, BACKGROUND first.

In a model directory the first line is BACKGROUND, because detectnet takes line n as the name of
class n. In a dataset that line is usually missing. Both files are read into the same list.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Sequence

from vision.utils.files import atomic_write, require_regular
from vision.utils.text import first_few, shown

logger = logging.getLogger(__name__)

BACKGROUND = "BACKGROUND"
IGNORED_PIXELS = "__IGNORE__"  # what LabelMe calls pixels that are to be left out
# What datasets call the background or pixels to leave out; none of it is a class.
BACKGROUNDS = {BACKGROUND, "__BACKGROUND__", "_BACKGROUND_", IGNORED_PIXELS}
MAX_CLASSES = 10_000
MOST_LETTERS = 100  # of the name of a class that is typed


def is_background(name: str) -> bool:
    """Return whether a name in a dataset means no class: BACKGROUND under one of its names."""
    return name.upper() in BACKGROUNDS


def read_labels(path: str | Path) -> list[str]:
    """Read the class names of a labels.txt, with BACKGROUND first exactly once.

    Blank lines, CRLF line ends and blanks around a name are ignored with one warning: other
    readers, detectnet among them, take them for a class or for part of a name.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no file, is not UTF-8, names no class, names a class twice, or has
            more than MAX_CLASSES lines.
    """
    path = Path(path)
    text = _read_text(path)
    lines = text.splitlines()
    if len(lines) > MAX_CLASSES:
        raise ValueError(
            f"{path} must name at most {MAX_CLASSES} classes, it has {len(lines)} lines"
        )
    _warn_about_repairs(path, text, lines)
    names = [line.strip() for line in lines if line.strip()]
    return with_background(names, path)


def read_labels_for(path: str | Path, num_classes: int) -> list[str]:
    """Read the class names of a net with so many classes, BACKGROUND among them.

    The older scripts took a blank line, and a second BACKGROUND, for a class. Where only with these
    lines there are as many names as classes, they are classes that no object has, with a warning.

    Returns:
        the names, BACKGROUND first; another number of them where the file is not the net's.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: as `read_labels` does.
    """
    names = [line.strip() for line in _read_text(Path(path)).splitlines()]
    if names[:1] != [BACKGROUND]:
        names.insert(0, BACKGROUND)
    odd = [i for i, name in enumerate(names) if i and (not name or name.upper() == BACKGROUND)]
    if len(names) != num_classes or not 0 < len(odd) < num_classes - 1:
        return read_labels(path)
    for i in odd:
        names[i] = f"unused class {i}"
    logger.warning(
        "%s has blank lines, or BACKGROUND twice, which the older scripts took for classes, and so "
        "has the net: they are called %s here, and no object is of them",
        path,
        first_few([names[i] for i in odd], 5),
    )
    return with_background(names, path)


def with_background(names: Sequence[str], source: object = "the class list") -> list[str]:
    """Return the names with BACKGROUND first exactly once; `source` is named in errors."""
    classes = [name for name in names if name.upper() != BACKGROUND]
    if not classes:
        raise ValueError(f"{source} must name at least one class beside {BACKGROUND}")
    seen = set()
    for name in classes:
        if name in seen:
            raise ValueError(f"{source} names the class '{name}' twice; remove one of the lines")
        seen.add(name)
    return [BACKGROUND, *classes]


def typed_class_names(names: Sequence[str]) -> list[str]:
    """Return class names that a person has typed, with one blank between words.

    Raises:
        ValueError: one cannot be the name of a class or is there twice, or there are too many.
    """
    cleaned = [" ".join(name.split()) for name in names]
    for name in cleaned:
        if not name or len(name) > MOST_LETTERS or not name.isprintable():
            raise ValueError(
                f"the name of a class must be 1 to {MOST_LETTERS} letters, got {name[:200]!r}"
            )
        if is_background(name):
            raise ValueError(f"{name} is what is no object; leave it out")
    if len(cleaned) > MAX_CLASSES:
        raise ValueError(f"there can be at most {MAX_CLASSES} classes, got {len(cleaned)}")
    most = Counter(cleaned).most_common(1)
    if most and most[0][1] > 1:
        raise ValueError(f"'{most[0][0]}' must be named once, it is named twice; leave one out")
    return cleaned


def require_class_names(names: Sequence[str]) -> tuple[str, ...]:
    """Check the class names of a net, BACKGROUND among them; return them.

    Raises:
        ValueError: if BACKGROUND is not first, there is no other or too many, one comes twice, or
            a name is blank or has a line break in it.
    """
    if list(names[:1]) != [BACKGROUND]:
        raise ValueError(f"the first class name must be {BACKGROUND}, got {shown(names[:1])}")
    if len(names) > MAX_CLASSES + 1:
        raise ValueError(f"there must be at most {MAX_CLASSES} class names, got {len(names) - 1}")
    for number, name in enumerate(names):
        if not name.strip() or name != name.strip() or len(name.splitlines()) != 1:
            raise ValueError(
                f"a class name must be one line without blanks around it, got {name[:60]!r}"
            )
        if name.upper() == BACKGROUND and number:
            raise ValueError(f"only the first class name may be {BACKGROUND}, got {name} again")
    with_background(names)
    return tuple(names)


def write_labels(path: str | Path, class_names: Sequence[str]) -> None:
    """Write a labels.txt as detectnet reads it: BACKGROUND first, LF line ends, no blank line.

    Raises:
        ValueError: if BACKGROUND is not first, or a name is blank or has a line break in it.
    """
    require_class_names(class_names)
    with atomic_write(path) as temporary:
        temporary.write_bytes(labels_text(class_names).encode("utf-8"))


def labels_text(class_names: Sequence[str]) -> str:
    """Return what `write_labels` writes."""
    return "".join(f"{name}\n" for name in class_names)


def _read_text(path: Path) -> str:
    require_regular(path)
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8 text, byte {error.start} is not; save it as UTF-8"
        ) from None


def _warn_about_repairs(path: Path, text: str, lines: list[str]) -> None:
    blank = [number for number, line in enumerate(lines, 1) if not line.strip()]
    repairs = []
    if blank:
        repairs.append(
            "blank line " + ", ".join(map(str, blank[:5])) + (" ..." if len(blank) > 5 else "")
        )
    if "\r" in text:
        repairs.append("Windows line ends")
    if any(line.strip() and line != line.strip() for line in lines):
        repairs.append("blanks around a name")
    if repairs:
        logger.warning("%s: ignored %s", path, " and ".join(repairs))
