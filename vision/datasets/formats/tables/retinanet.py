"""Read RetinaNet's tables: path, x1, y1, x2, y2, class, without a line of column names."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator

from vision.datasets.checks.problems import Problems
from vision.datasets.files.tables import first_row, numbered_rows
from vision.datasets.files.values import to_number
from vision.datasets.formats.per_part import PerPartFolder
from vision.datasets.index.builder import Record

CELLS = 6


class RetinaNetFolder(PerPartFolder):
    """Reads one table for every part; a line with only a path is a picture without objects."""

    suffix = ".csv"
    layout = "a .csv of lines path,x1,y1,x2,y2,class"
    numbered_by = "line"

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return whether the first line of a CSV file is a path, four corners and a class."""
        row = [cell.strip() for cell in first_row(path)]
        if len(row) != CELLS or not row[0]:
            return False
        corners = [to_number(cell) for cell in row[1:5]]
        all_numbers = all(value == value for value in corners)
        return not any(row[1:]) or (all_numbers and to_number(row[5]) != to_number(row[5]))

    def read_file(self, path: Path, names: list[str], problems: Problems) -> Iterator[Record]:
        """Yield the pictures of a table, each once with all its boxes."""
        found: dict[str, list[tuple[list[float], str, int]]] = {}
        for line, row in numbered_rows(path):
            cells = [cell.strip() for cell in (*row, *[""] * CELLS)][:CELLS]
            objects = found.setdefault(cells[0], [])
            if any(cells[1:]):
                objects.append(([to_number(cell) for cell in cells[1:5]], cells[5], line))
        for filename, objects in found.items():
            boxes, classes, lines = zip(*objects) if objects else ((), (), ())
            yield Record(filename, (0, 0), boxes, classes, None, lines)
