"""Read folders with one annotation file for each picture."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.files.finder import PictureFinder, agreement
from vision.datasets.files.folders import part_of_path
from vision.datasets.files.listing import FileListing, base_name, fold_name, strip_suffix
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder, Record


class AnnotationError(ValueError):
    """An annotation file that cannot be read, and perhaps the line of the fault."""

    def __init__(self, message: str, line: int | None = None):
        super().__init__(message)
        self.line = line


class _Found(NamedTuple):
    """An annotation whose picture was found."""

    row: int  # in the index
    image_id: str
    filename: str  # of the picture, as the annotation says


class PerPictureFolder(DatasetFolder):
    """Pairs annotations and pictures by name; a subclass reads one annotation file."""

    def __init__(self, root: str | Path, annotations: FileListing, pictures: Path):
        """List the pictures; the subclass fills `parts` and the ids of each part."""
        super().__init__(root)
        self._annotations = annotations
        self._finder = PictureFinder(pictures)
        self._ids: dict[str, list[str]] = {}  # by part, as they are listed
        self._names: dict[str, list[str]] = {}  # of the classes in every part read

    def read_record(self, path: Path) -> Record:
        """Read one annotation file.

        Raises:
            AnnotationError: it is not one.
        """
        raise NotImplementedError

    @classmethod
    def is_annotation(cls, path: Path) -> bool:
        """Return whether a file that no picture is called like looks like an annotation."""
        return True

    def class_names(self) -> list[str]:
        """Return all names in the annotations of all parts, sorted."""
        self.classes_from = f"collected from the {self._annotations.suffixes[0][1:]} files"
        for part in self.parts:
            if part not in self._names:
                self.read(part, Problems())  # only the names are wanted, so nothing is reported
        return sorted(usable_names(name for names in self._names.values() for name in names))

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part, in the order of its list."""
        builder = IndexBuilder()
        seen, used = set(), set()
        found: dict[str, list[_Found]] = {}
        for listed in self._ids[part]:
            image_id = strip_suffix(listed)
            if image_id in seen:
                problems.add("picture listed twice", f"'{image_id}'", self.parts[part])
                continue
            seen.add(image_id)
            picture, record = self._find(image_id, part, problems)
            used.add(picture)
            if picture is not None and record is not None:
                one = _Found(len(builder), image_id, record.filename)
                found.setdefault(picture, []).append(one)
                builder.add_record(image_id, str(self._finder.folder / picture), record)
        self._report_not_annotated(part, used, problems)
        index = builder.build()
        self._names[part] = index.class_names
        return self._without_strangers(index, found, part, problems)

    def _without_strangers(
        self, index: AnnotationIndex, found: dict[str, list[_Found]], part: str, problems: Problems
    ) -> AnnotationIndex:
        """Leave the picture to the annotation that fits it best where several have found it.

        The pictures of the others are missing, and one of the same name lies in another folder.
        """
        kept = np.ones(len(index), dtype=bool)
        for picture, several in found.items():
            if len(several) == 1:
                continue
            fits = [self._fit(picture, one) for one in several]
            best = several[fits.index(max(fits))]
            for one in several:
                if one is not best:
                    kept[one.row] = False
                    file = self.annotation_file(part, one.image_id)
                    message = f"its picture is not there: '{picture}' is that of '{best.image_id}'"
                    problems.add("picture missing", message, file)
        return index if kept.all() else index.select(kept)

    def _fit(self, picture: str, found: _Found) -> tuple[bool, tuple[int, int, int]]:
        """Return how well a picture is that of an annotation: the greater, the better."""
        named = max(agreement(picture, name) for name in (found.image_id, found.filename))
        return self._finder.listing.find(found.image_id) == picture, named

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the annotation of a picture, relative to the folder."""
        file = self.find_annotation(image_id) or image_id + self._annotations.suffixes[0]
        folder = self._annotations.folder
        return file if folder == self.root else f"{folder.name}/{file}"

    def find_annotation(self, image_id: str) -> str | None:
        """Return the annotation of a picture, p.xml or p.jpg.xml as some tools call it, or None."""
        return self._annotations.find(image_id) or self._suffixed.get(fold_name(image_id))

    @cached_property
    def _suffixed(self) -> dict[str, str]:
        """Annotations called p.jpg.xml, by the id p."""
        return {
            fold_name(strip_suffix(stem)): self._annotations.file_of(stem)
            for stem in reversed(self._annotations.stems)
            if strip_suffix(stem) != stem
        }

    def divide_by_folders(self) -> None:
        """Take the folders train, valid and test as parts; without train, all is one part.

        What lies elsewhere is trained on too, so that nothing that is annotated is left out.
        """
        stems = [stem for stem in self._annotations.stems if self._is_meant(stem)]
        others = []
        for stem in stems:
            part = part_of_path(stem)
            if part:
                self.parts.setdefault(part, f"the folder {stem.rpartition('/')[0]}")
                self._ids.setdefault(part, []).append(stem)
            else:
                others.append(stem)
        if "train" in self.parts and others:
            kind = self._annotations.suffixes[0]
            self.parts["train"] += f" and {len(others):,} {kind} files elsewhere"
            self._ids["train"] += others
        if "train" not in self.parts:
            self.parts = {"all": f"every {self._annotations.suffixes[0][1:]} file"}
            self._ids = {"all": stems}

    def _is_meant(self, stem: str) -> bool:
        """Return whether a file is an annotation, perhaps a broken one, and not settings or notes.

        In a folder of their own all are. Those that are called as a picture need not be opened.
        """
        if self._annotations.folder != self.root or self._finder.named(stem):
            return True
        return self.is_annotation(self._annotations.folder / self._annotations.file_of(stem))

    def _find(
        self, image_id: str, part: str, problems: Problems
    ) -> tuple[str | None, Record | None]:
        """Return the file of a picture in the picture folder, and its record; report what fails."""
        picture = self._finder.listing.find(image_id)
        file = self.find_annotation(image_id)
        if file is None:
            suffix = self._annotations.suffixes[0]
            message = f"there is no {suffix} file of '{image_id}' (from {self.parts[part]})"
            problems.add("annotation missing", message, self.annotation_file(part, image_id))
            return picture, None
        try:
            record = self.read_record(self._annotations.folder / file)
        except AnnotationError as error:
            file = self.annotation_file(part, image_id)
            problems.add("annotation broken", str(error), file, error.line)
            return picture or self._find_otherwise(image_id, "", part), None
        picture = picture or self._find_otherwise(image_id, record.filename, part)
        if picture and self._is_of_another_part(picture, image_id, part):
            owner = strip_suffix(picture)
            message = f"its picture is not there: '{picture}' is that of '{owner}'"
            problems.add("picture missing", message, self.annotation_file(part, image_id))
            return None, None
        if picture is None:
            several = self._finder.explain_several(record.filename, part)
            message = several or self._finder.explain_missing(image_id, part)
            problems.add("picture missing", message, self.annotation_file(part, image_id))
        return picture, record

    def _is_of_another_part(self, picture: str, image_id: str, part: str) -> bool:
        """Return whether a picture is called as an annotation of another part, and not as this."""
        parts = self._parts_of.get(fold_name(strip_suffix(picture)), {part})
        return part not in parts and self._finder.listing.find(image_id) != picture

    @cached_property
    def _parts_of(self) -> dict[str, set[str]]:
        """The parts of every annotation, by its id as it is compared."""
        found: dict[str, set[str]] = {}
        for part, ids in self._ids.items():
            for one in ids:
                found.setdefault(fold_name(strip_suffix(one)), set()).add(part)
        return found

    def _find_otherwise(self, image_id: str, filename: str, part: str) -> str | None:
        """Find a picture by the file name that its annotation states, else by its name anywhere."""
        beside = image_id.rpartition("/")[0]
        # The stated folder counts last, as it is often that of another computer.
        names = [name for name in (base_name(filename), base_name(image_id), filename) if name]
        found = (self._finder.find(name, beside, part) for name in names)
        return next(filter(None, found), None)

    def _report_not_annotated(self, part: str, used: set, problems: Problems) -> None:
        left = [
            file
            for file in self._finder.listing.files
            if file not in used and part in ("all", part_of_path(file))
        ]
        folder = self._finder.folder
        prefix = "" if folder == self.root else f"{folder.name}/"
        problems.add_each(
            "picture not annotated", left, lambda file: ("has no annotation", prefix + file, None)
        )
