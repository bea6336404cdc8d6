"""Read CSV tables with one box a line, as Roboflow and TensorFlow's tutorials write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, Mapping

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import part_of_name
from vision.datasets.files.tables import first_row, read_blocks, read_column_names
from vision.datasets.files.values import to_side
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record
from vision.utils.text import printable

# Possible names of the columns, as lower-case letters and digits only.
TEXT_COLUMNS = {
    "filename": ("filename", "file", "image", "imagename", "imagepath", "filepath", "path", "img"),
    "class": ("class", "classname", "label", "labelname", "name", "category", "object"),
}
CORNER_COLUMNS = {
    "xmin": ("xmin", "x1", "left", "xtl"),
    "ymin": ("ymin", "y1", "top", "ytl"),
    "xmax": ("xmax", "x2", "right", "xbr"),
    "ymax": ("ymax", "y2", "bottom", "ybr"),
}
# Of the part, train, val or test, that a picture belongs to.
PART_COLUMNS = {"part": ("split", "subset", "partition", "datasplit", "part", "usage", "set")}
SURE_PART_COLUMNS = ("split", "subset")  # which cannot mean much else
SIZE_COLUMNS = {
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}


class CSVFolder(PerPartFolder):
    """Reads one table for every part; a line with only a file name is a picture without objects."""

    suffix = ".csv"
    layout = "a .csv with columns filename, class, xmin, ymin, xmax, ymax"
    numbered_by = "line"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the tables; or take `file` only."""
        self._divided: set[Path] = set()  # tables whose column of parts counts
        super().__init__(root, file)

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether the first line of a CSV file names the columns."""
        header = first_row(path)
        wanted = {**TEXT_COLUMNS, **CORNER_COLUMNS}
        return len(_find_columns(header, wanted)) == len(wanted)

    def stated_parts(self, path: Path) -> dict[str, str]:
        """Return the parts that a column of the table states; note what it says of no part."""
        columns = _find_columns(read_column_names(path), PART_COLUMNS)
        found: dict[str, int] = {}
        for (values,), _, _ in read_blocks(path, columns, ()) if columns else ():
            for value in values:
                found[value.strip()] = found.get(value.strip(), 0) + 1
        parts = {part_of_name(value): f"{columns[0]} {value}" for value in reversed(list(found))}
        unknown = [value for value in found if value and not part_of_name(value)]
        where = path.relative_to(self.root).as_posix()
        if unknown and (any(parts) or columns[0].lower() in SURE_PART_COLUMNS):
            lines = sum(found[value] for value in unknown)
            self.notes.append(
                f"{where}: {lines:,} lines have a {columns[0]} such as '{printable(unknown[0])}', "
                "which is none of train, val and test; "
                + ("they are trained on" if any(parts) else "the column is not used")
            )
        stated = {part: f"the {of}" for part, of in parts.items() if part}
        if stated:
            self._divided.add(path)
            if None in parts:
                stated.setdefault("train", "other lines")
        return stated

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a table, each once with all its boxes."""
        header = read_column_names(path)
        texts = _find_columns(header, TEXT_COLUMNS)
        numbers = _find_columns(header, {**CORNER_COLUMNS, **SIZE_COLUMNS})
        if path in self._divided:
            texts += _find_columns(header, PART_COLUMNS)
        parts: dict[str, str] = {}
        sizes: dict[str, tuple[int, int]] = {}
        objects: dict[str, list[tuple[list[float], str, int]]] = {}
        for (files, labels, *stated), values, lines in read_blocks(path, texts, numbers):
            for file, part in zip(files, stated[0] if stated else ()):
                parts.setdefault(file.strip(), part_of_name(part) or "train")
            has_sizes = values.shape[1] == 6
            for file, label, row, line in zip(files, labels, values.tolist(), lines.tolist()):
                width, height = row[4:] if has_sizes else (0, 0)
                sizes.setdefault(file.strip(), (to_side(width), to_side(height)))
                found = objects.setdefault(file.strip(), [])
                if label.strip() or not np.isnan(row[:4]).all():
                    found.append((row[:4], label.strip(), line))
        for file, found in objects.items():
            boxes, classes, origins = zip(*found) if found else ((), (), ())
            part = parts.get(file, "")
            yield Record(file, sizes[file], boxes, classes, None, origins, part)


def _find_columns(header: list[str], wanted: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the wanted columns that the header has, as it spells them."""
    spelled = {re.sub("[^a-z0-9]", "", name.lower()): name.strip() for name in reversed(header)}
    found = (next((spelled[n] for n in names if n in spelled), None) for names in wanted.values())
    return [name for name in found if name is not None]
