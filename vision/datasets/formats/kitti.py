"""Read KITTI's labels, one text file a picture, as KITTI, NVIDIA TAO and CVAT write them."""

from __future__ import annotations

import re
from pathlib import Path

from vision.datasets.files.folders import read_head, some_files
from vision.datasets.files.listing import FileListing, strip_suffix
from vision.datasets.files.values import decode, to_number
from vision.datasets.formats.per_picture import AnnotationError, PerPictureFolder
from vision.datasets.index.builder import Record
from vision.utils.files import file_fault, read_regular

# Class, truncated, occluded, alpha, then left, top, right, bottom, then seven numbers of a box in
# space, and perhaps a score. Only the class may hold letters, and a blank.
KITTI_LINE = re.compile(rb"\s*[^\d\s][^\r\n]*?(?:[ \t]+[-+.\deE]+){14,15}[ \t]*(?:\r?\n|$)")
NUMBERS_BEHIND_CLASS = (14, 15)
IGNORED = "dontcare"  # an area where nothing was marked


class KITTIFolder(PerPictureFolder):
    """Reads labels/ID.txt or label_2/ID.txt, with data/ID.png, image_2/ID.png or ID anywhere."""

    layout = "KITTI's *.txt in labels/ or label_2/ with the pictures in data/ or image_2/"
    numbered_by = "line"

    def __init__(self, root: str | Path, file: Path | None = None):
        """Find the label files: all text files that begin as KITTI's, or are empty.

        Beside those, a text file that is called as a picture is a label that begins otherwise.
        """
        root = Path(root).resolve()
        labels = FileListing(root, (".txt",))
        super().__init__(root, labels, root)
        begun = {name for name in labels.files if _begins_as_kitti(root / name)}
        folders = {name.rpartition("/")[0] for name in begun}

        def is_label(name: str) -> bool:
            """Return whether a file begins as a label, is empty, or lies among labels."""
            if name in begun or not read_head(root / name).strip():
                return True
            folder, _, file = name.rpartition("/")
            return folder in folders and bool(self._finder.named(strip_suffix(file, (".txt",))))

        labels.keep(is_label)
        self.divide_by_folders()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether a text file begins with a class and 14 numbers."""
        return any(map(_begins_as_kitti, some_files(root, ".txt", anywhere=True)))

    def read_record(self, path: Path) -> Record:
        """Read one label file."""
        boxes, names, lines = [], [], []
        for line, text in enumerate(_read(path).splitlines(), start=1):
            words = text.split()
            if not words:
                continue
            count = next((n for n in NUMBERS_BEHIND_CLASS if _ends_in_numbers(words, n)), 0)
            if not count:
                raise AnnotationError("must be a class and 14 numbers behind it", line)
            name = " ".join(words[:-count])
            if name.lower() != IGNORED:
                boxes.append([to_number(word) for word in words[-count:][3:7]])
                names.append(name)
                lines.append(line)
        return Record("", (0, 0), boxes, names, None, lines)


def _read(path: Path) -> str:
    try:
        return decode(read_regular(path), path)
    except OSError as error:
        raise AnnotationError(file_fault(error)) from None
    except ValueError as error:
        raise AnnotationError(str(error)) from None


def _begins_as_kitti(path: Path) -> bool:
    return KITTI_LINE.match(read_head(path)) is not None


def _ends_in_numbers(words: list[str], count: int) -> bool:
    """Return whether a class of words that are no numbers is followed by `count` numbers."""
    numbers = [to_number(word) == to_number(word) for word in words]
    return len(words) > count and all(numbers[-count:]) and not numbers[-count - 1]
