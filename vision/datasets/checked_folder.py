"""Take one dataset folder to an index: recognise its format, read, check and divide it."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Sequence

from vision.datasets.checks.boxes import (
    check_annotations,
    report_class_names,
    report_unknown_classes,
)
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import Problems, explain_unusable, first_losses
from vision.datasets.formats import DATASETS
from vision.datasets.formats.folder import DatasetFolder
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.recognition import ANY_FORMAT, find_dataset
from vision.datasets.selection import EVERYTHING, Selection, new_names, rename_classes
from vision.datasets.splits import draw_split, separate, shared_rows, without_copies_of
from vision.datasets.thumbnails import thumbnails_of
from vision.utils.buckets import bucket_and_key, full_path


class CheckedFolder:
    """Reads and checks a dataset folder, and remembers what there is to say about it."""

    def __init__(
        self,
        root: str | Path,
        kind: str = ANY_FORMAT,
        pictures: PictureChecks | None = None,
        selection: Selection = EVERYTHING,
    ):
        """Find out the format of the folder.

        Args:
            root: the folder; or a data.yaml, an annotation file, or a folder inside it.
            kind: of DATASETS, or "auto".
            pictures: opens and checks all pictures that are read; without it only sizes are read.
            selection: says which classes are renamed, and how much is held out.

        Raises:
            FileNotFoundError: there is no such folder or file.
            ValueError: it is in no known format, or not in the one that `kind` names.
        """
        found = find_dataset(root, kind)
        self.kind, self.file = found.kind, found.file
        # As messages show it; a Path makes one slash of the two of s3://bucket.
        self.root = full_path(found.root) if bucket_and_key(found.root) else str(found.root)
        self.lines: list[str] = list(found.notes)
        self.reader: DatasetFolder = DATASETS[self.kind](found.root, found.file)
        self.problems = Problems(self.root)
        self.pictures = pictures
        self.selection = selection
        self.parts: dict[str, AnnotationIndex] = {}
        self.lost: dict[str, int] = {}  # pictures of the parts that were read
        self.found_classes: dict[str, None] = {}  # as the folder spells them, in their order
        self.drawn: Sequence[str] = ()  # ids of the pictures that `divide` has held out by seed

    def read(self, *alternatives: str) -> str | None:
        """Read and check the first of these parts that has pictures; return its name."""
        for part in alternatives:
            if part not in self.reader.parts:
                continue
            lost = self.problems.count_lost("picture")
            place = partial(self.reader.place, part)
            index = self.reader.read(part, self.problems)
            self.found_classes.update(dict.fromkeys(index.class_names[1:]))
            index = rename_classes(index, self.selection.class_map)
            index = check_annotations(index, place, self.problems, self.pictures)
            self.lost[part] = self.problems.count_lost("picture") - lost
            if len(index) or self.lost[part]:
                self.parts[part] = index
                return part
        return None

    def explain_no_validation(self, val_split: float) -> str:
        """Return why the folder has no picture to validate on though it should, else ""."""
        for part, index in list(self.parts.items())[not self.selection.validation_only :]:
            if not len(index):
                return (
                    f"{self.root} has nothing to validate on, as all {self.lost[part]:,} pictures "
                    f"of {self.reader.parts[part]} are missing or cannot be used: correct it, or "
                    "take it away to have pictures held out by seed"
                )
        if val_split > 0 and len(self.parts) == 1 and sum(map(len, self.parts.values())) == 1:
            return (
                f"{self.root} has one picture and nothing to validate on: two are needed, one to "
                "train on and one to validate on; add pictures (a hundred for each class is a "
                "start)"
            )
        return ""

    def read_for_training(self, validation: Sequence[str] = ("val", "test")) -> None:
        """Read the training part, and the first of the validation parts that has pictures.

        Raises:
            ValueError: there is nothing to train on.
        """
        if self.read("train"):
            self.read(*validation)
        elif not self.read("all"):
            if not self.reader.parts or "all" in self.reader.parts:
                raise ValueError(
                    f"{self.reader.root} has no picture to train on: none lies where its "
                    f"{self.kind} annotation needs it; check the path"
                )
            raise ValueError(
                f"{self.reader.root} must have pictures to train on, found {self._parts_found()}; "
                "add a list of them, or take the lists away to have the folder split by seed"
            )

    def read_for_validation(self) -> str:
        """Read what a folder that is there for validation alone is validated on; return its part.

        Raises:
            ValueError: the folder has no picture at all.
        """
        return self.read_any("val", "test", "all", "train")

    def read_any(self, *alternatives: str) -> str:
        """Read and check the first of these parts that has pictures; return its name.

        Raises:
            ValueError: the folder has none of them.
        """
        part = self.read(*alternatives)
        if part is None:
            raise ValueError(
                f"{self.reader.root} must have a part {' or '.join(alternatives)}, "
                f"found {self._parts_found()}"
            )
        return part

    def read_all(self) -> None:
        """Read every part.

        Raises:
            ValueError: the folder has no picture at all.
        """
        if not [part for part in self.reader.parts if self.read(part)]:
            self.read_any(*self.reader.parts)

    def whole(self) -> AnnotationIndex:
        """Return the pictures of all parts read, each once; add a line about them."""
        indices: list[AnnotationIndex] = []
        for index in self.parts.values():
            for earlier in indices:
                index = index.select(~shared_rows(index, earlier))
            indices.append(index)
        where = ", ".join(self.reader.parts[part] for part in self.parts)
        self.lines.append(
            f"{self.root} ({self.kind}): {sum(map(len, indices)):,} pictures ({where})"
        )
        return concatenate(indices, indices[0].class_names)

    def class_names(self) -> list[str]:
        """Return the classes of the folder under their new names, without BACKGROUND."""
        names = self.reader.class_names()
        self.found_classes.update(dict.fromkeys(names))
        return new_names(names, self.selection.class_map)

    def number_labels(self, class_names: Sequence[str]) -> None:
        """Number all labels by `class_names`; report and leave out the boxes of other classes."""
        report_class_names(class_names, self.problems)
        for part, index in self.parts.items():
            place = partial(self.reader.place, part)
            report_unknown_classes(index, class_names, place, self.problems)
            self.parts[part] = index.with_classes(class_names)

    def keep_classes(self, class_names: Sequence[str]) -> int:
        """Leave out the boxes of other classes; return their number."""
        boxes = sum(index.num_boxes for index in self.parts.values())
        self.parts = {part: index.with_classes(class_names) for part, index in self.parts.items()}
        return boxes - sum(index.num_boxes for index in self.parts.values())

    def require_usable(self) -> None:
        """Refuse a folder of which less than half is left.

        Raises:
            ValueError: less than half of the pictures or of the boxes can be used.
        """
        sentence = explain_unusable(list(self.parts.values()), [self.problems])
        if sentence:
            lost = {**self.problems.lost("picture"), **self.problems.lost("box")}
            kinds = ", ".join(f"{number:,} x {kind}" for kind, number in lost.items())
            raise ValueError(
                f"{self.reader.root} cannot be used: {sentence} ({kinds})"
                f"{first_losses([self.problems])}; check_dataset.py lists all that has to be "
                "repaired"
            )

    def divide(self, val_split: float) -> tuple[AnnotationIndex, AnnotationIndex]:
        """Return what was read as (training, validation); add a line about it.

        If the folder states no validation part, or one that is the training part, `val_split` of
        the pictures is held out, or what a run has held out before.
        """
        cache = self.pictures.scanner.cache_folder if self.pictures else None
        thumbnails = partial(thumbnails_of, root=self.root, cache_folder=cache)
        seed = self.selection.seed
        before = self.selection.held_out.get(os.path.realpath(self.root), ())
        name, *stated = self.parts
        where, train = self.reader.parts[name], self.parts[name]
        if stated:
            validation, how = self.parts[stated[0]], f" ({self.reader.parts[stated[0]]})"
            divided = separate(train, validation, val_split, seed, before, thumbnails)
            train, validation, sentence, self.drawn = divided
        else:
            train, validation, by, self.drawn = draw_split(
                train, val_split, seed, before, thumbnails
            )
            how = f", held out {by}"
            if self.drawn is not before:
                how += " as no split is stated, frames that look alike together"
            train, sentence = without_copies_of(validation, train)
        line = f"{self.root} ({self.kind}): {len(train):,} pictures to train on ({where})"
        if len(validation):
            line += f", {len(validation):,} to validate on{how}"
        self.lines.append(line)
        if sentence:
            self.lines.append(f"{self.root}: {sentence}")
        return train, validation

    def _parts_found(self) -> str:
        parts = self.reader.parts.items()
        return ", ".join(f"{part} ({where})" for part, where in parts) or "none at all"
