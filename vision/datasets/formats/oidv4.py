"""Read the folders of the OIDv4 ToolKit: SPLIT/CLASS/NAME.jpg and SPLIT/CLASS/Label/NAME.txt."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Iterator

from vision.datasets.checks.problems import Problems
from vision.datasets.files.finder import PictureFinder
from vision.datasets.files.folders import FILES_TO_TRY, folders_in, part_of_path, read_head
from vision.datasets.files.listing import FileListing, strip_suffix
from vision.datasets.files.values import decode, to_number
from vision.datasets.formats.folder import DatasetFolder, usable_names
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder, Record
from vision.datasets.likeness import same_content
from vision.utils.files import file_fault, read_regular

LABEL_FOLDER_NAME = "Label"
OIDV4_LINE = re.compile(rb"\s*[^\d\s][^\r\n]*?(?:[ \t]+[-+.\deE]+){4}[ \t]*(?:\r?\n|$)")


MOST_FOLDERS = 2000  # to look at; Open Images has 600 classes


class OIDv4Folder(DatasetFolder):
    """Reads lines `class x1 y1 x2 y2` in pixels.

    A picture that shows several classes lies in the folder of each, with the boxes of that class;
    it is one picture here, with all of them. Different pictures may have one name.
    """

    layout = "OIDv4's train/CLASS/*.jpg with train/CLASS/Label/*.txt"
    numbered_by = "line"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the label files of every part."""
        super().__init__(root)
        self._finder = PictureFinder(self.root)
        self._names: dict[str, None] = {}
        self._labels: dict[str, dict[str, list[str]]] = {}  # by part: label files by bare name
        self._first_label: dict[str, str] = {}  # by image id, of the parts read
        for label in FileListing(self.root, (".txt",)).files:
            folder, _, name = label.rpartition("/")
            if folder.rpartition("/")[2] == LABEL_FOLDER_NAME:
                part = part_of_path(label) or "train"
                pictures = self._labels.setdefault(part, {})
                pictures.setdefault(strip_suffix(name, (".txt",)), []).append(label)
        if set(self._labels) == {"train"}:
            name = next(iter(self._labels["train"].values()))[0]
            if part_of_path(name) is None:
                self._labels = {"all": self._labels["train"]}
        for part in ("train", "val", "test", "all"):
            if part in self._labels:
                self.parts[part] = f"the Label folders of {part}"

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a Label folder has a file of a class and four numbers."""
        for folder in itertools.islice(_folders_below(root), MOST_FOLDERS):
            if folder.name == LABEL_FOLDER_NAME:
                files = itertools.islice(folder.glob("*.txt"), FILES_TO_TRY)
                if any(OIDV4_LINE.match(read_head(path)) for path in files):
                    return True
        return False

    def class_names(self) -> list[str]:
        """Return all names in the labels, sorted."""
        for part in self.parts if not self._names else ():
            self.read(part, Problems())  # only the names are wanted, so nothing is reported
        self.classes_from = "collected from the Label folders"
        return sorted(usable_names(self._names))

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part, in the order of their names."""
        builder = IndexBuilder()
        for name, labels in sorted(self._labels[part].items()):
            for picture, joined in self._divide_by_pictures(name, labels, part, problems).items():
                objects = [one for label in joined for one in self._read_lines(label, problems)]
                boxes, names, lines = zip(*objects) if objects else ((), (), ())
                record = Record("", (0, 0), boxes, names, None, lines)
                image_id = strip_suffix(picture)
                self._first_label[image_id] = joined[0]
                builder.add_record(image_id, str(self.root / picture), record)
        index = builder.build()
        self._names.update(dict.fromkeys(index.class_names[1:]))
        return index

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the first label file of a picture, relative to the folder."""
        return self._first_label[image_id]

    def _divide_by_pictures(
        self, name: str, labels: list[str], part: str, problems: Problems
    ) -> dict[str, list[str]]:
        """Return the label files of a name by their pictures; copies of one picture are one.

        A class folder may have labels alone, where the picture lies in that of another class.
        """
        found: dict[str, list[str]] = {}
        alone: list[str] = []
        for label in labels:
            folder = label.rpartition(f"{LABEL_FOLDER_NAME}/")[0]
            picture = self._finder.listing.find(folder + name)
            if picture is None:
                alone.append(label)
            else:
                same = (one for one in found if self._is_copy(picture, one))
                found.setdefault(next(same, picture), []).append(label)
        if not found:
            message = self._finder.explain_missing(name, part)
            problems.add("picture missing", message, labels[0])
        if len(found) < 2:
            return dict.fromkeys(found, labels)
        for label in alone:
            message = f"it may be of any of these: {', '.join(found)}"
            problems.add("picture missing", message, label)
        return found

    def _is_copy(self, picture: str, other: str) -> bool:
        return bool(same_content([str(self.root / picture)], [str(self.root / other)])[0])

    def _read_lines(self, label: str, problems: Problems) -> Iterator[tuple[list[float], str, int]]:
        """Yield box, class and number of every line."""
        try:
            text = decode(read_regular(self.root / label), self.root / label)
        except (OSError, ValueError) as error:
            fault = file_fault(error) if isinstance(error, OSError) else str(error)
            problems.add("annotation broken", fault, label)
            return
        for line, words in enumerate(map(str.split, text.splitlines()), start=1):
            if words:
                corners = [to_number(word) for word in words[-4:]]
                yield [*corners, *[float("nan")] * 4][:4], " ".join(words[:-4]), line


def _folders_below(root: Path) -> Iterator[Path]:
    """Yield the folders on the three levels of SPLIT/CLASS/Label, or the two of CLASS/Label."""
    for first in folders_in(root):
        for second in folders_in(first):
            yield second
            yield from folders_in(second)
