"""Annotation files with quotes, blanks or Windows line ends, written again without them.

The line scanner, which reads 14 million lines in seconds, takes fields as Open Images publishes
them. Programs that people open such a file with write it in other forms.
"""

from __future__ import annotations

import csv
import logging
import re
from pathlib import Path
from typing import Iterator, Sequence, TextIO

from vision.download.open_images.line_scanner import FLAGS
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)

# The line scanner takes each of these characters for the end of a field.
NOT_PLAIN = re.compile("[\x00-,]")
USED = frozenset({"ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", *FLAGS})


def plain_path(path: Path) -> Path:
    """Return where the plain copy of an annotation file is kept."""
    return path.with_suffix(".plain.csv")


def has_plain_copy(path: Path) -> bool:
    """Return whether there is a plain copy that was made after the file."""
    copy = plain_path(path)
    return copy.is_file() and copy.stat().st_mtime_ns >= path.stat().st_mtime_ns


def make_plain_copy(path: Path) -> None:
    """Write the plain copy of an annotation file, one line after the other.

    Raises:
        ValueError: if the file is no CSV, or a value that is used cannot be plain.
    """
    logger.info("%s has quotes, blanks or Windows line ends; a plain copy is made", path)
    with path.open(encoding="utf-8-sig", newline="") as file, atomic_write(
        plain_path(path)
    ) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as copy:
        try:
            for fields in _plain_rows(file, path):
                copy.write(",".join(fields) + "\n")
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(f"{path} must be a CSV file in UTF-8: {error}") from error


def _plain_rows(file: TextIO, path: Path) -> Iterator[Sequence[str]]:
    rows = csv.reader(file, strict=True)
    columns: list[str] = []
    for row in rows:
        fields = [field.strip() for field in row]
        if any(fields):
            columns = columns or fields
            if len(fields) != len(columns):
                counts = f"{len(fields)} fields, {len(columns)} in the header"
                raise ValueError(f"{path}, line {rows.line_num}: {counts}")
            if NOT_PLAIN.search("".join(fields)):
                _make_plain(fields, columns, f"{path}, line {rows.line_num}")
            yield fields


def _make_plain(fields: list[str], columns: Sequence[str], where: str) -> None:
    for place, (field, column) in enumerate(zip(fields, columns)):
        if column in USED and NOT_PLAIN.search(field):
            raise ValueError(
                f"{where}: {column} must have no blanks, quotes or other characters up to the "
                f"comma in ASCII, got {field[:80]!r}"
            )
        fields[place] = NOT_PLAIN.sub("_", field)
