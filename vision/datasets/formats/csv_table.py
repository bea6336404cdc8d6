"""CSV tables with one box a line, as Roboflow and TensorFlow's tutorials write them."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Iterator

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.folders import read_head
from vision.datasets.files.tables import read_blocks, read_column_names
from vision.datasets.files.values import to_side
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record

# What the columns are called, in lower case and without all but letters and digits.
_TEXTS = {
    "filename": ("filename", "file", "image", "imagename", "imagepath", "filepath", "path", "img"),
    "class": ("class", "classname", "label", "labelname", "name", "category", "object"),
}
_CORNERS = {
    "xmin": ("xmin", "x1", "left", "xtl"),
    "ymin": ("ymin", "y1", "top", "ytl"),
    "xmax": ("xmax", "x2", "right", "xbr"),
    "ymax": ("ymax", "y2", "bottom", "ybr"),
}
_SIZE = {
    "width": ("width", "imagewidth", "imgwidth"),
    "height": ("height", "imageheight", "imgheight"),
}


class CSVFolder(PerPartFolder):
    """A table for every part; a line with a file name alone is a picture without objects."""

    suffix = ".csv"
    layout = "a .csv with columns filename, class, xmin, ymin, xmax, ymax"
    numbered_by = "line"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether the first line of a CSV file names the columns."""
        lines = read_head(path).decode("utf-8-sig", "replace").splitlines()
        try:
            header = next(csv.reader(lines[:1]), [])
        except csv.Error:
            return False
        return len(_find_columns(header, {**_TEXTS, **_CORNERS})) == len(_TEXTS) + len(_CORNERS)

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Return the pictures of a table, each once, with the lines of all its boxes."""
        header = read_column_names(path)
        texts = _find_columns(header, _TEXTS)
        numbers = _find_columns(header, {**_CORNERS, **_SIZE})
        pictures: dict[str, Record] = {}
        for (files, labels), values, lines in read_blocks(path, texts, numbers):
            sizes = values[:, 4:] if values.shape[1] == 6 else np.zeros((len(values), 2))
            for file, label, box, size, line in zip(
                files, labels, values[:, :4].tolist(), sizes.tolist(), lines.tolist()
            ):
                size = to_side(size[0]), to_side(size[1])
                record = pictures.setdefault(
                    file.strip(), Record(file.strip(), size, [], [], [], [])
                )
                if label.strip() or not np.isnan(box).all():
                    record.boxes.append(box)
                    record.names.append(label.strip())
                    record.difficult.append(False)
                    record.origins.append(line)
        return iter(pictures.values())


def _find_columns(header: list[str], wanted: dict[str, tuple[str, ...]]) -> list[str]:
    """Return the names, as the header spells them, of the wanted columns that it has."""
    spelled = {re.sub("[^a-z0-9]", "", name.lower()): name.strip() for name in reversed(header)}
    found = (next((spelled[n] for n in names if n in spelled), None) for names in wanted.values())
    return [name for name in found if name is not None]
