"""What single labelled pictures need of a VOC folder beside what the dataset formats write."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import numpy as np

from vision.datasets.files.listing import read_list
from vision.datasets.formats import voc_writing
from vision.datasets.formats.voc_writing import VOC_PARTS, VOCPicture
from vision.utils.files import atomic_write

PICTURES, ANNOTATIONS = "JPEGImages", "Annotations"
LISTS = (*VOC_PARTS, "trainval")


def write_objects(
    folder: Path, filename: str, size: tuple[int, int], boxes: np.ndarray, names: Sequence[str]
) -> None:
    """Write the XML of a picture in JPEGImages.

    Args:
        filename: of the picture.
        size: (width, height) of the picture.
        boxes: (N, 4) xyxy, pixels of it.
        names: N class names.
    """
    picture = VOCPicture(folder / PICTURES / filename, size, boxes, names)
    voc_writing.write_annotation(folder / ANNOTATIONS / f"{Path(filename).stem}.xml", picture)


def read_lists(folder: Path) -> dict[str, list[str]]:
    """Return the names in the lists of ImageSets/Main, of those that are there."""
    paths = {name: _list_path(folder, name) for name in LISTS}
    return {name: read_list(path) for name, path in paths.items() if path.is_file()}


def drop_from_lists(folder: Path, name: str) -> None:
    """Take a picture out of all lists; each list is whole at any time."""
    for one, names in read_lists(folder).items():
        if name in names:
            _write_lines(_list_path(folder, one), [other for other in names if other != name])


def write_class_names(folder: Path, class_names: Sequence[str]) -> None:
    """Write labels.txt as a dataset has it, without BACKGROUND."""
    _write_lines(folder / "labels.txt", class_names)


def _list_path(folder: Path, name: str) -> Path:
    return folder / "ImageSets" / "Main" / f"{name}.txt"


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
