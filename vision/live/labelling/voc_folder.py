"""What single labelled pictures need of a VOC folder beside what the dataset formats write."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Iterable, Sequence

import numpy as np

from vision.datasets.files.class_lists import class_list_lines, read_class_list
from vision.datasets.files.listing import read_list
from vision.datasets.formats import voc_writing
from vision.datasets.formats.voc_writing import VOC_PARTS, VOCPicture
from vision.datasets.recognition import find_dataset
from vision.utils.files import atomic_write
from vision.utils.text import names_as_seen

logger = logging.getLogger(__name__)

PICTURES, ANNOTATIONS = "JPEGImages", "Annotations"
LISTS = (*VOC_PARTS, "trainval")


def require_label_folder(folder: Path) -> None:
    """Refuse a folder whose dataset would be lost to its readers once labels are written to it.

    A folder that is new, empty, without any annotation, or laid out as labels are may be used.

    Raises:
        ValueError: it is a dataset of another layout, or a part of a dataset.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    try:
        found = find_dataset(folder)
    except ValueError:  # of no known format, as a folder of pictures
        return
    what = f"the annotation of a {found.kind} dataset"
    if found.root.resolve() != folder.resolve():
        what = f"a part of the {found.kind} dataset {found.root}"
    elif found.kind == "voc":
        annotations, pictures = folder / ANNOTATIONS, folder / PICTURES
        if any(annotations.glob("*.xml")) and pictures.is_dir():
            return
        what = f"a voc dataset without {PICTURES}/ or with its XML files elsewhere"
    raise ValueError(
        f"{folder} must be a new folder or one with {ANNOTATIONS}/*.xml and {PICTURES}/ to label "
        f"into, it holds {what}; name a new folder, or make a copy that can be labelled: "
        f"python3 check_dataset.py {found.root} --write-voc=NEW_FOLDER"
    )


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


def parts_in_lists(folder: Path) -> dict[str, str]:
    """Return picture -> the first of VOC_PARTS whose list names it, of those that a list names."""
    lists = read_lists(folder)
    return {name: part for part in reversed(VOC_PARTS) for name in lists.get(part, ())}


def drop_from_lists(folder: Path, name: str) -> None:
    """Take a picture out of all lists; each list is whole at any time."""
    for one, names in read_lists(folder).items():
        if name in names:
            _write_lines(_list_path(folder, one), [other for other in names if other != name])


def write_class_names(folder: Path, class_names: Sequence[str]) -> None:
    """Write labels.txt as a dataset has it."""
    _write_lines(folder / "labels.txt", class_list_lines(class_names))


def listed_class_names(folder: Path, used: Iterable[str]) -> list[str]:
    """Return the classes of labels.txt as a dataset has them; say so where it numbers them.

    Args:
        used: the names that objects have.

    Raises:
        ValueError: it cannot be read.
    """
    notes: list[str] = []
    listed = read_class_list(folder / "labels.txt", lambda: used, notes)
    for note in notes:
        logger.info("%s: %s", folder, note)
    return names_as_seen(listed)


def _list_path(folder: Path, name: str) -> Path:
    return folder / "ImageSets" / "Main" / f"{name}.txt"


def _write_lines(path: Path, lines: Sequence[str]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
