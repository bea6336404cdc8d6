"""Read CCPD, the Chinese City Parking Dataset, whose file names hold the boxes."""

from __future__ import annotations

import re
from pathlib import Path

from vision.datasets.checks.problems import Problems
from vision.datasets.files.finder import PictureFinder
from vision.datasets.files.folders import part_of_path
from vision.datasets.files.listing import base_name, find_child, read_list, strip_suffix
from vision.datasets.formats.folder import DatasetFolder
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder

PLATE = "plate"
# A name is area-tilt-x1&y1_x2&y2-corners-plate-brightness-blur.
CCPD_NAME = re.compile(
    r"\d+-\d+_\d+-(\d{1,6})&(\d{1,6})_(\d{1,6})&(\d{1,6})-[\d&_]+-[\d_]+-\d+-\d+"
)
CCPD_FOLDER = "ccpd_*"
CCPD_NEGATIVES = "ccpd_np/"
CCPD_FILES_TO_TRY = 20


class CCPDFolder(DatasetFolder):
    """Reads pictures with one plate each, in folders such as ccpd_base, split by splits/train.txt.

    CCPD2020 has folders train, val and test instead. Pictures in ccpd_np have no plate.
    """

    layout = "CCPD's pictures, whose names hold the box"

    def __init__(self, root: str | Path, file: Path | None = None):
        """List the pictures and find the parts."""
        super().__init__(root)
        self._finder = PictureFinder(self.root)
        self._pictures: dict[str, list[str]] = {}
        lists = find_child(self.root, ("splits", "split"))
        for part in ("train", "val", "test"):
            path = lists / f"{part}.txt" if lists else self.root / f"{part}.txt"
            if path.is_file():
                self._take(part, path.relative_to(self.root).as_posix(), read_list(path))
        if "train" not in self.parts:
            self._divide_by_folders()

    @classmethod
    def detect(cls, root: Path) -> bool:
        """Return whether one of the first pictures has a name with a box in it."""
        folders = [root, *root.glob(CCPD_FOLDER)]
        folders += [child for folder in folders for child in folder.glob("[tv]*")]
        for folder in filter(Path.is_dir, folders):
            names = (name for name, _ in zip(folder.iterdir(), range(CCPD_FILES_TO_TRY)))
            if any(CCPD_NAME.fullmatch(strip_suffix(path.name)) for path in names):
                return True
        return False

    def class_names(self) -> list[str]:
        """Return the one class."""
        self.classes_from = "CCPD's only class"
        return [PLATE]

    def read(self, part: str, problems: Problems) -> AnnotationIndex:
        """Return the pictures of a part with the boxes in their names."""
        builder = IndexBuilder()
        seen = set()
        for listed in self._pictures[part]:
            picture = self._finder.find(listed)
            found = CCPD_NAME.fullmatch(strip_suffix(base_name(listed)))
            if picture is None:
                message = f"there is no picture '{listed}'"
                problems.add("picture missing", message, self.parts[part])
            elif picture in seen:
                problems.add("picture listed twice", f"'{listed}'", self.parts[part])
            elif not found and CCPD_NEGATIVES not in picture.lower():
                problems.add("annotation missing", "its name holds no box", picture)
            else:
                boxes = [[float(value) for value in found.groups()]] if found else []
                path = str(self.root / picture)
                builder.add(strip_suffix(picture), path, boxes, [PLATE] * len(boxes))
            seen.add(picture)
        return builder.build()

    def annotation_file(self, part: str, image_id: str) -> str:
        """Return the picture itself."""
        return self._finder.find(image_id) or image_id

    def _divide_by_folders(self) -> None:
        parts: dict[str, list[str]] = {}
        for file in self._finder.listing.files:
            parts.setdefault(part_of_path(file) or "all", []).append(file)
        if "train" not in parts:
            parts = {"all": self._finder.listing.files}
        elif "all" in parts:
            self.notes.append(f"{len(parts.pop('all')):,} pictures are in no folder of a part")
        for part, files in parts.items():
            self._take(part, "every picture" if part == "all" else f"the folder {part}", files)

    def _take(self, part: str, where: str, files: list[str]) -> None:
        self.parts[part], self._pictures[part] = where, files
