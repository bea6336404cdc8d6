"""What a reader of one dataset format is."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.utils.labels import BACKGROUND


class DatasetFolder:
    """A folder of annotated pictures in one format; each format is a subclass in a file of its own.

    A reader reports what it cannot find or parse. Whether a box makes sense and a class is known is
    checked after reading, for all formats alike.
    """

    layout = ""  # what such a folder holds, for the message when none fits
    # What `AnnotationIndex.origins` counts: the "object"s of an annotation file, its "line"s, or
    # the objects of a "picture", where one file has many.
    numbered_by = "object"

    def __init__(self, root: str | Path):
        """Look at the folder without reading annotations, and fill `parts`."""
        self.root = Path(root).resolve()
        # "train", "val", "test", or "all" where nothing is split -> where its pictures are listed
        self.parts: dict[str, str] = {}
        self.notes: list[str] = []  # what was understood and is not plain from `parts`
        self.classes_from = ""  # where class_names() have come from

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether the folder looks like this format, in a moment."""
        raise NotImplementedError

    def class_names(self) -> list[str]:
        """Return the classes of the folder without BACKGROUND: one list for all its parts."""
        raise NotImplementedError

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return all that is annotated in a part, good or bad, with class names as they occur."""
        raise NotImplementedError

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the file that annotates a picture, relative to the folder, for messages."""
        return self.parts[part]

    def place(self, part: str, image_id: str, origin: int) -> tuple[str, int | None, str]:
        """Return the file and line of an object, for messages, and how to call it."""
        file = self.annotation_file(part, image_id)
        if self.numbered_by == "line":
            return file, origin, ""
        of = f"of '{image_id}' " if self.numbered_by == "picture" else ""
        return file, None, f"object {origin} {of}"


def usable_names(names: Iterable[str]) -> list[str]:
    """Return the names that can be classes, each once: a line of labels.txt, but not BACKGROUND."""
    return [name for name in dict.fromkeys(names) if is_class_name(name)]


def is_class_name(name: str) -> bool:
    """Return whether a name can be a class: not empty, nor unprintable, nor BACKGROUND."""
    return bool(name) and name.isprintable() and name.upper() != BACKGROUND
