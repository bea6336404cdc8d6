"""Open Images: from its annotations to a dataset of few classes.

Open Images has boxes of 600 classes in 1.9 million pictures; its home is
https://storage.googleapis.com/openimages/web
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

import numpy as np

from vision.download.choice.choosing import covered_by_group, in_clean_pictures
from vision.download.choice.class_names import ClassTable
from vision.download.choice.splits import Split
from vision.download.open_images.box_index import BoxIndex, open_index
from vision.download.open_images.boxes import (
    read_coordinates,
    read_image_ids,
    select_boxes,
    write_boxes,
)
from vision.download.transfer.lock import locked
from vision.download.transfer.pictures import Picture
from vision.utils.files import path_inside, read_regular, write_together

if TYPE_CHECKING:
    from vision.datasets.formats.voc_writing import VOCPicture

logger = logging.getLogger(__name__)

README = """Pictures and boxes from Open Images {version}, chosen by open_images_downloader.py.

sub-SPLIT-annotations-bbox.csv  the boxes of the chosen classes in the pictures of SPLIT/, one a
                                line, in fractions of the picture; the training reads these
class-descriptions-boxable.csv  id and name of every class of Open Images
missing.txt                     pictures that could not be had, if any; no other file names them

The boxes are by Google LLC under CC BY 4.0, the pictures by their authors, listed as CC BY 2.0.
"""


@dataclass(frozen=True)
class Filters:
    """What is wanted.

    Boxes of depictions (drawings, toys) are dropped unless `depictions`, single boxes that a group
    box covers unless `overlapped`. Left out whole are the pictures of `excluded_images`, by their
    ids, and those with a box that has one of `excluded_flags`, or a side shorter than
    `min_box_size`, a fraction of the picture's: without that box its object would be unlabelled.
    """

    depictions: bool = False
    overlapped: bool = True
    excluded_flags: tuple[str, ...] = ()
    min_box_size: float = 0.0
    excluded_images: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class OpenImagesSplit(Split):
    """One split, with the index of the annotation file that its boxes stand in."""

    index: BoxIndex

    def pictures(self, root: Path) -> dict[int, Picture]:
        """Return the pictures by their numbers, each with its place under `root`.

        Raises:
            ValueError: if the id of one leads out of its folder.
        """
        try:
            return {
                number: Picture(
                    f"{self.name}/{image_id}.jpg",
                    path_inside(root / self.name, f"{image_id}.jpg"),
                )
                for number, image_id in read_image_ids(self.index, self.boxes).items()
            }
        except ValueError as error:
            raise ValueError(
                f"{self.index.path} must have ImageIDs of Open Images: {error}; remove the file, "
                "and run again with a server that you trust"
            ) from error

    def voc_pictures(self, root: Path, class_names: Sequence[str]) -> Iterator[VOCPicture]:
        """Yield the pictures in the order of the annotation file; sizes are those of the files."""
        from vision.datasets.formats.voc_writing import VOCPicture
        from vision.pictures.reading import read_picture_size

        boxes = self.boxes[np.argsort(self.boxes.pictures, kind="stable")]
        fractions = read_coordinates(self.index, boxes)
        truncated, occluded = boxes.has("IsTruncated"), boxes.has("IsOccluded")
        for number, picture in self.pictures(root).items():
            rows = slice(*np.searchsorted(boxes.pictures, [number, number + 1]))
            size = read_picture_size(picture.path)
            yield VOCPicture(
                picture.path,
                size,
                fractions[rows] * np.tile(size, 2),
                [class_names[place] for place in boxes.classes[rows]],
                truncated=truncated[rows],
                occluded=occluded[rows],
            )


def read_open_images_split(
    name: str, path: Path, table: ClassTable, class_names: Sequence[str], filters: Filters
) -> OpenImagesSplit:
    """Return the boxes of some classes from an annotation file, filtered."""
    with locked(path.parent):
        index = open_index(path, table.ids)
    codes = [table.names.index(class_name) for class_name in class_names]
    boxes = select_boxes(index, codes, [] if filters.depictions else ["IsDepiction"])
    sizes_count = filters.min_box_size > 0 or not filters.overlapped
    corners = read_coordinates(index, boxes) if sizes_count else np.zeros((len(boxes), 4))
    if not filters.overlapped:
        groups = boxes.has("IsGroupOf")
        keep = ~covered_by_group(boxes.pictures, boxes.classes, groups, corners)
        boxes, corners = boxes[keep], corners[keep]
    unwanted = np.zeros(len(boxes), bool)
    for flag in filters.excluded_flags:
        unwanted |= boxes.has(flag)
    if filters.min_box_size > 0:
        unwanted |= (corners[:, 2:] - corners[:, :2] < filters.min_box_size).any(axis=1)
    if filters.excluded_images:
        ids = read_image_ids(index, boxes)
        numbers = [n for n, image_id in ids.items() if image_id in filters.excluded_images]
        unwanted |= np.isin(boxes.pictures, numbers)
    if unwanted.any():
        boxes = boxes[in_clean_pictures(boxes.pictures, unwanted)]
    return OpenImagesSplit(name, boxes, len(index.runs), index)


def read_image_list(path: Path) -> frozenset[str]:
    """Return the ids in a file with one ImageID, or SPLIT/ImageID.jpg, a line.

    Raises:
        ValueError: if it is no text.
    """
    try:
        lines = read_regular(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must have one ImageID a line, but is no text: {error}") from error
    return frozenset(Path(line.strip()).stem for line in lines if line.strip())


def write_open_images(
    root: Path,
    splits: Sequence[OpenImagesSplit],
    table: ClassTable,
    class_names: Sequence[str],
    version: str,
) -> None:
    """Write what training reads of a dataset, beside its pictures: all files together, or none.

    They are sub-<split>-annotations-bbox.csv for each split; class-descriptions-boxable.csv, id and
    name of every class, as published; and README.txt, so that the folder explains itself. What
    someone else wrote into README.txt stays.
    """
    readme = root / "README.txt"
    classes = sorted(zip(table.ids, table.names))
    with write_together() as place:
        for split in splits:
            path = root / f"sub-{split.name}-annotations-bbox.csv"
            write_boxes(place(path), split.index, split.boxes, class_names)
        place(root / "class-descriptions-boxable.csv").write_text(
            "".join(f"{i},{name}\n" for i, name in classes), encoding="utf-8"
        )
        if not readme.is_file() or readme.read_bytes().startswith(README[:20].encode()):
            place(readme).write_text(README.format(version=version), encoding="utf-8")
