"""The base class of all readers of dataset formats."""

from __future__ import annotations

from pathlib import Path
from typing import Iterable

from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.utils.labels import is_background
from vision.utils.text import names_as_seen


class DatasetFolder:
    """Reads a folder of annotated pictures in one format; each format is a subclass.

    A reader reports what it cannot find or parse. Boxes and classes are checked after reading, in
    the same way for all formats.
    """

    layout = ""  # what such a folder holds, for messages
    # What `AnnotationIndex.origins` counts: every "object" or "line" of an annotation file, or the
    # objects of each "picture" if one file has many pictures.
    numbered_by = "object"
    packs_pictures = False  # into files of the format, so that there need be no picture files

    def __init__(self, root: str | Path, file: Path | None = None):
        """Look at the folder without reading annotations, and fill `parts`.

        Args:
            file: the only annotation file or file of settings to read, where the format has such.
        """
        self.root = Path(root).resolve()
        # Where the pictures of "train", "val" and "test" are listed; "all" if nothing is split.
        self.parts: dict[str, str] = {}
        self.notes: list[str] = []  # what else was understood
        self.classes_from = ""  # where class_names() come from

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether the folder looks like this format; look at a few files only."""
        raise NotImplementedError

    @classmethod
    def may_be(cls, root: Path) -> bool:
        """Return whether a folder that looks like no format can be this, if a person says so."""
        return False

    def class_names(self) -> list[str]:
        """Return the classes of all parts in one list, without BACKGROUND."""
        raise NotImplementedError

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return all annotations of a part, right or wrong, with the class names that they have."""
        raise NotImplementedError

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the file that annotates a picture, relative to the folder; for messages."""
        return self.parts[part]

    def place(self, part: str, image_id: str, origin: int) -> tuple[str, int | None, str]:
        """Return the file and line of an object, and what to call it; for messages."""
        file = self.annotation_file(part, image_id)
        if self.numbered_by == "line":
            return file, origin, ""
        of = f"of '{image_id}' " if self.numbered_by == "picture" else ""
        return file, None, f"object {origin} {of}"

    def note_points(self, count: int, where: str) -> None:
        """Note, once, how many points of a file or part are left out, as they mark no area."""
        note = f"{where}: {count:,} points mark no area and are not read"
        if count and note not in self.notes:
            self.notes.append(note)


def usable_names(names: Iterable[str]) -> list[str]:
    """Return the names that can be classes, each once, spelled as the index spells them."""
    return [name for name in names_as_seen(names) if is_class_name(name)]


def is_class_name(name: str) -> bool:
    """Return whether a name can be a class: it is printable, not empty, and not BACKGROUND."""
    return bool(name) and name.isprintable() and not is_background(name)
