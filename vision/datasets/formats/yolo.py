"""Read YOLO folders, as Darknet, Ultralytics, CVAT and Roboflow write them."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from vision.datasets.checks.problems import Problems
from vision.datasets.files.finder import PictureFinder
from vision.datasets.files.folders import has_pictures, part_of_path, read_head, some_files
from vision.datasets.files.listing import FileListing, base_name, split_suffix, strip_suffix
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.formats.yolo_files import (
    NAMES_BELOW,
    NOT_LABELS,
    PART_KEYS,
    LabelLine,
    names_classes,
    place_of_class,
    read_label,
    read_settings,
)
from vision.datasets.formats.yolo_parts import StatedPath, describe_faults, match_parts
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder
from vision.utils.labels import is_background

LABEL_LINE = re.compile(rb"\s*\d+(?:\.0+)?(?:[\s,;]+[-+.\deE]+){4,}[\s,;]*?\s*(?:\r?\n|$)")
WORD_FIRST = re.compile(rb"\s*[^\d\s.+-]")
PICTURE_FOLDER = re.compile(r"(^|.*/)(images|JPEGImages|JPG)(/.*)$", re.IGNORECASE | re.DOTALL)
LABEL_FOLDER = re.compile(r"(^|/)(labels|obj_\w*data)/", re.IGNORECASE)


class YOLOFolder(DatasetFolder):
    """Reads label files beside the pictures, or in labels/ if the pictures are in images/.

    Class names come from data.yaml, obj.names or classes.txt. Parts come from data.yaml or
    obj.data, or else from the folders train, valid and test. A picture without a label file is a
    negative, as for all readers of this format.
    """

    layout = "YOLO's *.txt in labels/ or beside the pictures, and data.yaml"
    numbered_by = "line"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find pictures, labels and class names."""
        super().__init__(root)
        self._finder = PictureFinder(self.root)
        self._labels = FileListing(self.root, (".txt",))
        self._settings = read_settings(self.root, file)
        self.notes += self._settings.notes
        self._met: dict[int, str] = {}  # class names by number, in what was read
        self._pictures: dict[str, list[str]] = {}  # by part
        self._find_parts()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a text file begins with a whole number and four others.

        Of a data.yaml that names classes beside images/ and labels/ it is enough that no text file
        there begins with a word: all of the first ones may be empty.
        """
        texts = some_files(root, ".txt", anywhere=True)
        labels = (path for path in texts if path.stem.lower() not in NOT_LABELS)
        worded = False
        for path in labels:
            head = read_head(path)
            if LABEL_LINE.match(head):
                return True
            worded |= path.parent != root and WORD_FIRST.match(head) is not None
        return not worded and names_classes(root) and cls.may_be(root)

    @classmethod
    def may_be(cls, root: Path) -> bool:
        """Return whether there are pictures, and text files that may be empty labels."""
        return has_pictures(root) and any(
            base_name(stem).lower() not in NOT_LABELS for stem in FileListing(root, (".txt",)).stems
        )

    def class_names(self) -> list[str]:
        """Return the names in the order of their numbers."""
        if self._settings.names:
            self.classes_from = f"of {self._settings.names_from}"
            return usable_names(name for _, name in sorted(self._settings.names.items()))
        self.classes_from = "numbers in the labels, as no data.yaml or classes.txt names them"
        if not self._met:
            self.read(next(iter(self.parts)), Problems())
        return [name for _, name in sorted(self._met.items())]

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part with the boxes of their label files."""
        builder = IndexBuilder(relative=True)
        used: set[str | None] = set()
        negatives = 0
        numbers: set[int] = set()
        for picture in self._pictures[part]:
            file = self._label_of(picture)
            used.add(file)
            negatives += file is None
            objects = read_label(self.root / file, self._settings.pose) if file else []
            self._require_classes(file, objects)
            names = [self._name(one.number) for one in objects]
            numbers.update(one.number for one in objects if one.number is not None)
            builder.add(
                strip_suffix(picture), str(self.root / picture), [one.box for one in objects], names
            )
        self._require_count_from_zero(numbers)
        if negatives:
            self.notes.append(
                f"{negatives:,} pictures ({self.parts[part]}) have no label file and serve as "
                "negatives"
            )
        self._report_without_picture(part, used, problems)
        return builder.build()

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the label file of a picture, relative to the folder."""
        return self._label_of(image_id) or f"{image_id}.txt"

    def _require_classes(self, file: str | None, objects: list[LabelLine]) -> None:
        """Refuse a number whose line in the class list is no class: the list was shifted by it.

        Raises:
            ValueError: the line is BACKGROUND or blank, so that names of neighbours are likely.
        """
        for line, one in enumerate(objects if self._no_classes else (), start=1):
            name = self._no_classes.get(one.number)
            if name is None:
                continue
            place = place_of_class(self.root / self._settings.names_from, one.number or 0, name)
            what, entry = (name, f"the entry {name}") if name else ("blank", "the blank line")
            raise ValueError(
                f"{self.root}: {file}:{line} has class {one.number}, which is {what} in {place}, "
                "so that boxes may have the names of their neighbours: take "
                f"{entry} out if class {one.number} is the name behind it; if such boxes are no "
                "objects, write a name there and leave it out by --class-map NAME=-"
            )

    @cached_property
    def _no_classes(self) -> dict[int | None, str]:
        """The entries of the class list that are no classes, by number: BACKGROUND or blank."""
        names = self._settings.names.items()
        return {number: name for number, name in names if not name or is_background(name)}

    def _require_count_from_zero(self, numbers: set[int]) -> None:
        """Refuse labels that count classes from 1: boxes would get the names of their neighbours.

        Raises:
            ValueError: no label has class 0, and one has the number behind the last class.
        """
        names = self._settings.names
        dense = bool(names) and set(names) == set(range(len(names)))
        if not dense or 0 in numbers or max(numbers, default=0) != len(names):
            return
        pictures = [one for files in self._pictures.values() for one in files]
        for file in filter(None, map(self._label_of, pictures)):  # of the other parts too
            labels = read_label(self.root / file, self._settings.pose)
            numbers |= {one.number for one in labels if one.number is not None}
        if 0 not in numbers and max(numbers) == len(names):
            raise ValueError(
                f"{self.root} numbers its classes from 1 (no label has class 0, some have "
                f"{len(names)}), but {self._settings.names_from} names {len(names)} classes, which "
                "YOLO numbers from 0: subtract 1 from the first number of every line of the labels"
            )

    def _name(self, number: int | None) -> str:
        if number is None:
            return ""
        name = self._settings.names.get(number, f"class {number}")
        if number >= 0:
            self._met[number] = name
        return name

    def _find_parts(self) -> None:
        listed = self._finder.listing.files
        settings = self._settings
        stated = match_parts(settings.parts, settings.base, self._finder)
        chosen: dict[str, list[str]] = {}
        for part, matches in stated.items():
            files = dict.fromkeys(file for match in matches for file in match.files)
            if files:
                chosen[part] = list(files)
        where = {part: f"as {settings.source_of(part)} says" for part in chosen}
        self._take_folders(stated, chosen, where)
        self._take_others(chosen, where)
        if "train" not in chosen:
            others = {file for files in chosen.values() for file in files}
            name = "train" if chosen else "all"
            where[name] = "every picture" if name == "all" else "all other pictures"
            chosen[name] = [file for file in listed if file not in others]
        for part in ("train", "val", "test", "all"):
            if chosen.get(part):
                self.parts[part], self._pictures[part] = where[part], chosen[part]
        if not self.parts and any(map(self._finder.explain_unreadable, self._labels.stems)):
            self.parts["all"], self._pictures["all"] = "every picture", []  # to report them

    def _take_folders(
        self,
        stated: dict[str, list[StatedPath]],
        chosen: dict[str, list[str]],
        where: dict[str, str],
    ) -> None:
        """Take folders called train, valid and test where no part is stated, or in a wrong way."""
        wrong = {
            part: describe_faults(part, matches, self._settings.source_of(part))
            for part, matches in stated.items()
        }
        used = {file for files in chosen.values() for file in files}
        open_parts = {part for part, fault in wrong.items() if fault and part not in chosen}
        mistaken = set(open_parts)
        if "train" not in chosen:
            open_parts |= set(PART_KEYS) - set(stated)
        for file in self._finder.listing.files if open_parts else ():
            part = part_of_path(file)
            if part in open_parts and not (part in mistaken and file in used):
                where[part] = f"the folders called {part}"
                chosen.setdefault(part, []).append(file)
        for part, fault in wrong.items():
            if fault:
                found = part in mistaken and part in chosen
                instead = f"the folders called {part} are used" if found else "correct the path"
                self.notes.append(f"{fault}; {instead}")

    def _take_others(self, chosen: dict[str, list[str]], where: dict[str, str]) -> None:
        """Train on labelled pictures outside of the folders; say how many no list states."""
        if "train" not in chosen:
            return
        used = {file for files in chosen.values() for file in files}
        left = [f for f in self._finder.listing.files if f not in used and self._label_of(f)]
        if left and "train" not in self._settings.parts:
            chosen["train"] += left
            where["train"] += f" and {len(left):,} labelled pictures elsewhere"
        elif left:
            stated = self._settings.parts_from or "the lists"
            self.notes.append(
                f"{len(left):,} labelled pictures are in no part of {stated} and are not used, "
                f"such as {left[0]}"
            )

    def _label_of(self, picture: str) -> str | None:
        """Return the label file of a picture or id: in labels/ instead of images/, or beside it.

        Some tools put `.txt` behind the whole name of a picture.
        """
        label = self._label_called(strip_suffix(picture))
        if label is None:
            label = self._label_called(self._finder.listing.find(picture) or picture)
        return label

    def _label_called(self, name: str) -> str | None:
        inside = PICTURE_FOLDER.match(name)
        turned = [f"{inside[1]}labels{inside[3]}"] if inside else []
        folder, _, last = name.rpartition("/")
        below = f"{folder}/labels/{last}" if folder else f"labels/{last}"
        found = (
            self._labels.find(f"{one}.txt") for one in (*turned, name, below, f"labels/{name}")
        )
        return next(filter(None, found), None)

    def _report_without_picture(self, part: str, used: set[str | None], problems: Problems) -> None:
        first = next(iter(self.parts))
        left = []
        for file in self._labels.files:
            stem = split_suffix(file)[0]
            known = file in used or base_name(file) in NAMES_BELOW
            if known or self._finder.listing.find(stem):
                continue
            stated = part_of_path(file)
            if LABEL_FOLDER.search(file) and part in ("all", stated):
                fault = self._finder.explain_unreadable(stem)
                left.append((fault or "labels a picture that is not there", file, None))
            elif part == (stated if stated in self.parts else first):
                # Any text may lie here, so that it counts only if there is such a picture.
                fault = self._finder.explain_unreadable(stem)
                if fault and file not in self._labels_of_all:
                    left.append((fault, file, None))
        problems.add_each("picture missing", left, lambda case: case)

    @cached_property
    def _labels_of_all(self) -> set[str | None]:
        """The label files of the pictures of all parts, looked for when one is left over."""
        pictures = (one for files in self._pictures.values() for one in files)
        return set(map(self._label_of, pictures))
