"""Read Open Images folders, as open_images_downloader.py writes them and as they are published."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.listing import find_child, split_suffix, strip_suffix
from vision.datasets.files.tables import numbered_rows, read_blocks, read_column_names
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import BoxTable
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.text import name_as_seen

CSV_NAMES = ("sub-{}-annotations-bbox.csv", "{}-annotations-bbox.csv")
DESCRIPTIONS = ("class-descriptions-boxable.csv", "oidv7-class-descriptions-boxable.csv")
SPLIT_FOLDERS = {"train": ("train",), "val": ("validation", "val"), "test": ("test",)}
OPEN_IMAGES_CORNERS = ("XMin", "YMin", "XMax", "YMax")


class OpenImagesFolder(DatasetFolder):
    """Reads sub-SPLIT-annotations-bbox.csv and the folder SPLIT of pictures for every split.

    Without such a table, the published one is read, whose name has no `sub-`. It names millions of
    pictures, so those that are not there were not downloaded, which is no fault.
    """

    layout = "sub-train-annotations-bbox.csv with train/ beside it"
    numbered_by = "line"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the tables."""
        super().__init__(root)
        self._names: dict[str, list[str]] = {}  # of the classes in every part read
        for part, folders in SPLIT_FOLDERS.items():
            names = [name.format(folder) for name in CSV_NAMES for folder in folders]
            found = [name for name in names if (self.root / name).is_file()]
            if found:
                self.parts[part] = found[0]

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether there is a table of boxes."""
        return bool(cls(root).parts)

    def class_names(self) -> list[str]:
        """Return the classes of the training table, sorted, which are those of all parts."""
        part = "train" if "train" in self.parts else next(iter(self.parts))
        if part not in self._names:
            found = read_boxes(self.root / self.parts[part]).class_names
            self._names[part] = self._class_names(part, found)
        self.classes_from = f"of {self.parts[part]}"
        return sorted(usable_names(self._names[part]))

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part: those of its table, then all others as negatives."""
        table = read_boxes(self.root / self.parts[part])
        annotated = len(table.rows)
        names = SPLIT_FOLDERS[part]
        folder = find_child(self.root, names) or self.root / names[0]
        suffixes = find_pictures(folder, table)
        if len(suffixes) > annotated:
            self.notes.append(
                f"{len(suffixes) - annotated:,} pictures in {folder.name}/ have no row in "
                f"{self.parts[part]} and serve as negatives"
            )
        index = table.build(
            f"{folder}/{image_id}{suffix or '.jpg'}"
            for image_id, suffix in zip(table.rows, suffixes)
        )
        index = replace(index, class_names=self._class_names(part, index.class_names))
        self._names[part] = index.class_names
        return self._without_missing(index, suffixes, part, problems)

    def _class_names(self, part: str, found: list[str]) -> list[str]:
        """Return the class names; translate codes like /m/0k4j if the table has only those."""
        described: dict[str, str] = {}
        if "ClassName" not in read_column_names(self.root / self.parts[part]):
            described = read_descriptions(self.root)
        names = map(str.strip, found)
        return [name_as_seen(described.get(name, name)) for name in names]

    def _without_missing(
        self, index: AnnotationIndex, suffixes: list[str | None], part: str, problems: Problems
    ) -> AnnotationIndex:
        present = np.array([suffix is not None for suffix in suffixes], dtype=bool)

        def describe(row: int) -> tuple[str, str, int | None]:
            line = int(index.origins[index.offsets[row]])
            return f"there is no picture {index.paths[row]}", self.parts[part], line

        complete = self.parts[part].startswith("sub-")
        kind = "picture missing" if complete else "picture not downloaded"
        problems.add_each(kind, np.flatnonzero(~present), describe)
        return index if present.all() else index.select(present)


def read_boxes(path: Path) -> BoxTable:
    """Read a table of boxes; take the classes from ClassName, or without it from LabelName.

    Raises:
        ValueError: if a column is missing, or the file is not CSV.
    """
    name = "ClassName" if "ClassName" in read_column_names(path) else "LabelName"
    table = BoxTable(relative=True, clean_id=_clean_id)
    for block in read_blocks(path, ("ImageID", name), OPEN_IMAGES_CORNERS):
        image_ids, names = block.texts
        table.add(image_ids, names, block.numbers, block.lines)
    return table


def find_pictures(folder: Path, table: BoxTable) -> list[str | None]:
    """Return the suffix of the picture of every row of the table, None if there is no picture.

    Pictures without a row are added to the table. The names are never all in memory at once.
    """
    suffixes: list[str | None] = [None] * len(table.rows)
    others: dict[str, str] = {}
    if not folder.is_dir():
        return suffixes
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = split_suffix(entry.name)
            if suffix.lower() not in PICTURE_SUFFIXES or stem.startswith("."):
                continue
            row = table.rows.get(stem)
            if row is None:
                others[stem] = _preferred(suffix, others.get(stem))
            else:
                suffixes[row] = sys.intern(_preferred(suffix, suffixes[row]))
    for stem in sorted(others):
        table.add_picture(stem)
        suffixes.append(others[stem])
    return suffixes


def read_descriptions(root: Path) -> dict[str, str]:
    """Return class names by their codes, from the published file if the folder has it.

    Raises:
        ValueError: if the file is not CSV.
    """
    path = next((root / name for name in DESCRIPTIONS if (root / name).is_file()), None)
    if path is None:
        return {}
    return {row[0].strip(): row[1].strip() for _, row in numbered_rows(path) if len(row) >= 2}


def _clean_id(image_id: str) -> str:
    return strip_suffix(image_id.strip())


def _preferred(suffix: str, other: str | None) -> str:
    if other is None:
        return suffix
    return min(suffix, other, key=lambda one: (PICTURE_SUFFIXES.index(one.lower()), one))
