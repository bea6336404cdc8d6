"""Read CSV tables with one box a line, as Roboflow and TensorFlow's tutorials write them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.tables import first_row, read_blocks, read_column_names
from vision.datasets.files.values import to_side
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record

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
SIZE_COLUMNS = {
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}


class CSVFolder(PerPartFolder):
    """Reads one table for every part; a line with only a file name is a picture without objects."""

    suffix = ".csv"
    layout = "a .csv with columns filename, class, xmin, ymin, xmax, ymax"
    numbered_by = "line"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether the first line of a CSV file names the columns."""
        header = first_row(path)
        wanted = {**TEXT_COLUMNS, **CORNER_COLUMNS}
        return len(_find_columns(header, wanted)) == len(wanted)

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a table, each once with all its boxes."""
        header = read_column_names(path)
        texts = _find_columns(header, TEXT_COLUMNS)
        numbers = _find_columns(header, {**CORNER_COLUMNS, **SIZE_COLUMNS})
        sizes: dict[str, tuple[int, int]] = {}
        objects: dict[str, list[tuple[list[float], str, int]]] = {}
        for (files, labels), values, lines in read_blocks(path, texts, numbers):
            has_sizes = values.shape[1] == 6
            for file, label, row, line in zip(files, labels, values.tolist(), lines.tolist()):
                width, height = row[4:] if has_sizes else (0, 0)
                sizes.setdefault(file.strip(), (to_side(width), to_side(height)))
                found = objects.setdefault(file.strip(), [])
                if label.strip() or not np.isnan(row[:4]).all():
                    found.append((row[:4], label.strip(), line))
        for file, found in objects.items():
            boxes, classes, origins = zip(*found) if found else ((), (), ())
            yield Record(file, sizes[file], boxes, classes, None, origins)


def _find_columns(header: list[str], wanted: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the wanted columns that the header has, as it spells them."""
    spelled = {re.sub("[^a-z0-9]", "", name.lower()): name.strip() for name in reversed(header)}
    found = (next((spelled[n] for n in names if n in spelled), None) for names in wanted.values())
    return [name for name in found if name is not None]
