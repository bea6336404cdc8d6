"""The folder that labelled pictures go to: a VOC dataset at every moment.

It has the layout of NVIDIA's camera-capture: JPEGImages/ID.jpg, Annotations/ID.xml, ImageSets/Main
and labels.txt. Names of files are made here and looked up here; none comes from a browser.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Callable, Sequence

import numpy as np

from vision.datasets.files.listing import FileListing
from vision.datasets.formats.per_picture import AnnotationError
from vision.datasets.formats.voc import read_annotation
from vision.datasets.formats.voc_writing import VOC_PARTS, add_to_lists, safe_name
from vision.live.labelling.voc_folder import (
    ANNOTATIONS,
    PICTURES,
    drop_from_lists,
    listed_class_names,
    parts_in_lists,
    write_class_names,
    write_objects,
)
from vision.live.saving import Budget
from vision.pictures.reading import read_picture_size
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.files import atomic_write, path_inside
from vision.utils.labels import is_background, typed_class_names, with_background

logger = logging.getLogger(__name__)


class LabelError(ValueError):
    """What a viewer asks for cannot be done; the text says why."""


class GoneError(LabelError, LookupError):
    """A picture that is asked for is there no more."""

    def __init__(self) -> None:
        super().__init__("there is no such picture any more")


@dataclass(frozen=True)
class LabelledObject:
    """One object that a person has marked."""

    name: str  # of its class
    box: tuple[int, int, int, int]  # xyxy, pixels of the picture


@dataclass(frozen=True)
class SavedPicture:
    """A picture of the folder and what is marked on it."""

    name: str  # of its files, without suffix
    part: str  # train, val or test; "" if no list has it
    size: tuple[int, int]  # (width, height)
    objects: tuple[LabelledObject, ...]
    revision: str  # changes with every save


@dataclass
class _Action:
    """A save that can be taken back: what the annotation was before."""

    name: str
    revision: str  # after the save
    annotation: bytes | None  # before it; None for a new picture
    part: str


class LabelStore:
    """Writes, reads and takes back labelled pictures; one lock makes every change whole."""

    def __init__(
        self,
        folder: str | Path,
        class_names: Sequence[str],
        budget: Budget,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        """Open a folder, new or in use.

        Args:
            class_names: where the folder has no labels.txt; BACKGROUND does not matter.

        Raises:
            ValueError: labels.txt or an annotation cannot be read, or a class is given twice.
        """
        self.folder, self._budget, self._now = Path(folder), budget, now
        self._lock = threading.RLock()
        self.class_names = [name for name in class_names if not is_background(name)]
        if self.class_names:
            with_background(self.class_names)  # refuses what is there twice
        self._files = _top_files(self.folder / PICTURES, PICTURE_SUFFIXES)
        # An annotation may have lost its picture, or hold what this program cannot read.
        self._annotated = set(_top_files(self.folder / ANNOTATIONS, (".xml",)))
        self._actions: list[_Action] = []
        self._parts = parts_in_lists(self.folder)  # picture -> the set that it is in
        self.names: list[str] = []  # of all pictures with an annotation, oldest first
        self._counts: dict[str, Counter[str]] = {}  # picture -> class -> objects
        for path in sorted((self.folder / ANNOTATIONS).glob("*.xml")):
            if path.stem in self._files:
                try:
                    self._note(path.stem, read_annotation(path).names)
                except AnnotationError as error:
                    logger.warning("%s is left out: it is %s", path, error)
        used = sorted({name for counts in self._counts.values() for name in counts})
        if (self.folder / "labels.txt").is_file():
            self.class_names = listed_class_names(self.folder, used)
        # Names that are on pictures but not in the list belong to it all the same.
        self.class_names += [name for name in used if name not in self.class_names]

    @property
    def begun(self) -> bool:
        """Tell whether there is a labelled picture, after which classes can only be added."""
        return bool(self.names)

    def counts(self) -> dict[str, int]:
        """Return class -> how many objects are marked, in the order of the classes."""
        with self._lock:
            total: Counter[str] = Counter()
            for counts in self._counts.values():
                total.update(counts)
            return {name: total[name] for name in self.class_names}

    def set_sizes(self) -> dict[str, int]:
        """Return how many pictures each of VOC_PARTS has."""
        with self._lock:
            sizes = Counter(map(self.part_of, self.names))
            return {part: sizes[part] for part in VOC_PARTS}

    def part_of(self, name: str) -> str:
        """Return which set a picture is in, "" if none."""
        return self._parts.get(name, "")

    def add_class_names(self, names: Sequence[str]) -> list[str]:
        """Add those names to the end of the list that it lacks, in their order; return them.

        labels.txt has them from the first save on.
        """
        with self._lock:
            new = [name for name in names if name not in self.class_names]
            self.class_names = [*self.class_names, *new]
            return new

    def set_class_names(self, names: Sequence[str]) -> None:
        """Replace the list of classes; once there are pictures, only add to its end.

        Raises:
            ValueError: a name that cannot be or is there twice, or one in use that is missing.
        """
        with self._lock:
            cleaned = typed_class_names(names)
            kept = cleaned[: len(self.class_names)] == self.class_names
            if self.begun and not kept:
                raise LabelError(
                    "pictures are labelled already: classes can be added, not changed or removed"
                )
            self.class_names = cleaned
            write_class_names(self.folder, cleaned)

    def save(
        self, jpeg: bytes, size: tuple[int, int], objects: Sequence[LabelledObject], part: str,
        wish: str = "",
    ) -> SavedPicture:  # fmt: skip
        """Write a new picture with its annotation, and add it to the lists.

        Args:
            jpeg: the picture as a file.
            size: its (width, height).
            part: one of VOC_PARTS.
            wish: the name to give it, if that is free; else it is named after the time.
        """
        with self._lock:
            self._check(size, objects, part)
            with self._budget.taking(len(jpeg), self.folder):
                name = self._new_name(wish)
                path = path_inside(self.folder / PICTURES, f"{name}.jpg")
                with atomic_write(path) as temporary:
                    temporary.write_bytes(jpeg)
                self._files[name] = path.name
                try:
                    return self._write(name, size, objects, part, before=None)
                except OSError:  # as of a disk that is full now: no picture without its objects
                    for written in (path, self._xml(name)):
                        written.unlink(missing_ok=True)
                    del self._files[name]
                    raise

    def replace(
        self, name: str, revision: str, objects: Sequence[LabelledObject], part: str
    ) -> SavedPicture:
        """Write the annotation of a picture anew.

        Args:
            revision: of the picture when it was read; if it was saved since, nothing is done.
        """
        with self._lock:
            old = self.read(name)
            if old.revision != revision:
                raise LabelError(
                    "this picture was saved in another window meanwhile; open it again"
                )
            self._check(old.size, objects, part)
            return self._write(name, old.size, objects, part, before=self._xml(name).read_bytes())

    def read(self, name: str) -> SavedPicture:
        """Return a picture of the folder and what is marked on it."""
        with self._lock:
            if name not in self._counts or not self._xml(name).is_file():
                raise GoneError
            record = read_annotation(self._xml(name))
            size = record.size
            if not all(size):
                size = read_picture_size(self.picture_path(name))
            # camera-capture writes boxes that reach out of the picture.
            boxes = np.array(record.boxes, float).reshape(-1, 4)
            boxes = np.clip(np.round(np.nan_to_num(boxes)), 0, [*size, *size]).astype(int)
            objects = tuple(
                LabelledObject(label, (x1, y1, x2, y2))
                for label, (x1, y1, x2, y2) in zip(record.names, boxes.tolist())
                if x1 < x2 and y1 < y2
            )
            return SavedPicture(name, self.part_of(name), size, objects, self._revision(name))

    def picture_path(self, name: str) -> Path:
        """Return the file of a picture of the folder.

        Raises:
            GoneError: it is there no more, as when someone deleted it by hand.
        """
        with self._lock:
            path = self._picture(name) if name in self._counts else None
            if path is None or not path.is_file():
                raise GoneError
            return path

    def undo(self, name: str) -> None:
        """Take back the last save of a picture; a new one is removed.

        Only what this run saved and no one has changed since is taken back. Files that someone
        deleted by hand are not missed.
        """
        with self._lock:
            action = next((one for one in reversed(self._actions) if one.name == name), None)
            if action is None or name not in self._counts:
                raise LabelError("there is no save of this picture to take back")
            if self._xml(name).is_file() and self._revision(name) != action.revision:
                raise LabelError("this picture was saved in another window meanwhile")
            if action.annotation is None:
                self._remove(name)
            else:
                with atomic_write(self._xml(name)) as temporary:
                    temporary.write_bytes(action.annotation)
                self._list(name, action.part)
                self._note(name, read_annotation(self._xml(name)).names)
            # Last: what failed on the way can be tried again.
            self._actions.remove(action)

    def _remove(self, name: str) -> None:
        """Delete a picture and its annotation, and forget them once they are gone."""
        path = self._picture(name)
        size = path.stat().st_size if path.is_file() else 0
        self._list(name, "")
        self._xml(name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        self._budget.give_back(size)
        self.names.remove(name)
        del self._counts[name], self._files[name]

    def _write(
        self, name: str, size: tuple[int, int], objects: Sequence[LabelledObject], part: str,
        before: bytes | None,
    ) -> SavedPicture:  # fmt: skip
        """Write labels.txt, the annotation and the lists, in this order: no list names a gap."""
        write_class_names(self.folder, self.class_names)
        boxes = np.array([one.box for one in objects], np.float32).reshape(-1, 4)
        names = [one.name for one in objects]
        write_objects(self.folder, self._files[name], size, boxes, names)
        action = _Action(name, self._revision(name), before, self.part_of(name))
        self._list(name, part)
        self._note(name, names)
        self._actions.append(action)
        return SavedPicture(name, part, size, tuple(objects), self._revision(name))

    def _list(self, name: str, part: str) -> None:
        """Move a picture to the list of a set; "" takes it out of all."""
        # Lists are read anew each time: another program may have added to them.
        if part:
            add_to_lists(self.folder, part, name)
        else:
            drop_from_lists(self.folder, name)
        self._parts = parts_in_lists(self.folder)

    def _note(self, name: str, class_names: Sequence[str]) -> None:
        if name not in self._counts:
            self.names.append(name)
        self._counts[name] = Counter(class_names)

    def _check(
        self, size: tuple[int, int], objects: Sequence[LabelledObject], part: str
    ) -> None:  # fmt: skip
        if part not in VOC_PARTS:
            raise LabelError(f"the set must be {', '.join(VOC_PARTS)}, got {part!r}")
        if not self.class_names:
            raise LabelError("name the classes first")
        for one in objects:
            x1, y1, x2, y2 = one.box
            if one.name not in self.class_names:
                raise LabelError(f"there is no class {one.name!r} in the list")
            if not (0 <= x1 < x2 <= size[0] and 0 <= y1 < y2 <= size[1]):
                raise LabelError(f"the box {one.box} must lie in the picture, {size}")

    def _new_name(self, wish: str) -> str:
        taken = {name.casefold() for name in (*self._files, *self._annotated, *self._counts)}
        name = safe_name(wish or f"{self._now():%Y%m%d-%H%M%S}", taken)
        while self._is_there(name):  # by another program
            name = safe_name(name, taken)
        return name

    def _is_there(self, name: str) -> bool:
        pictures = (self.folder / PICTURES / f"{name}{suffix}" for suffix in PICTURE_SUFFIXES)
        annotation = self.folder / ANNOTATIONS / f"{name}.xml"
        return any(path.exists() for path in (annotation, *pictures))

    def _picture(self, name: str) -> Path:
        return path_inside(self.folder / PICTURES, self._files[name])

    def _xml(self, name: str) -> Path:
        return path_inside(self.folder / ANNOTATIONS, f"{name}.xml")

    def _revision(self, name: str) -> str:
        return hashlib.sha256(self._xml(name).read_bytes()).hexdigest()[:16]


def _top_files(folder: Path, suffixes: Sequence[str]) -> dict[str, str]:
    """Return the files of a folder itself, not of those below it, by name without suffix."""
    return {
        Path(file).stem: file for file in FileListing(folder, suffixes).files if "/" not in file
    }
