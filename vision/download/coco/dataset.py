"""COCO 2017: from its annotations to a dataset of few classes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterator, Sequence

import numpy as np

from vision.download.choice.choosing import in_clean_pictures
from vision.download.choice.class_names import ClassTable
from vision.download.choice.splits import Split
from vision.download.coco.index import CocoImages, open_coco_index
from vision.download.transfer.lock import locked
from vision.download.transfer.pictures import Picture
from vision.utils.files import path_inside, write_together

if TYPE_CHECKING:
    from vision.datasets.formats.voc_writing import VOCPicture


@dataclass(frozen=True, eq=False)
class CocoSplit(Split):
    """One split, with what is known of its pictures."""

    images: CocoImages

    def pictures(self, root: Path) -> dict[int, Picture]:
        """Return the pictures by their numbers, each with its place under `root`.

        Raises:
            ValueError: if a name leads out of the folder, or is that of two pictures.
        """
        numbers = np.unique(self.boxes.pictures)
        names, counts = np.unique(self.images.names[numbers], return_counts=True)
        if (counts > 1).any():
            raise ValueError(
                f"two pictures of COCO's {self.name} part are called {names[counts > 1][0]}"
            )
        folder = root / f"{self.name}2017"
        return {
            number: Picture(
                str(self.images.addresses[number]),
                path_inside(folder, str(self.images.names[number])),
            )
            for number in numbers.tolist()
        }

    def voc_pictures(self, root: Path, class_names: Sequence[str]) -> Iterator[VOCPicture]:
        """Yield the pictures in the order of COCO's file."""
        from vision.datasets.formats.voc_writing import VOCPicture

        boxes = self.boxes[np.argsort(self.boxes.pictures, kind="stable")]
        corners = boxes.boxes_xywh.copy()
        corners[:, 2:] += corners[:, :2]
        for number, picture in self.pictures(root).items():
            rows = slice(*np.searchsorted(boxes.pictures, [number, number + 1]))
            width, height = self.images.sizes[number].tolist()
            names = [class_names[place] for place in boxes.classes[rows]]
            yield VOCPicture(picture.path, (width, height), corners[rows], names)


def read_coco_split(
    name: str, archive: Path, table: ClassTable, class_names: Sequence[str], exclude_crowd: bool
) -> CocoSplit:
    """Return the boxes of some classes from COCO's archive of annotations.

    With `exclude_crowd`, pictures in which a box marks a group are left out whole.
    """
    with locked(archive.parent):
        images, boxes = open_coco_index(archive, name)
    categories = np.array([int(table.id_of(class_name)) for class_name in class_names])
    place = np.full(max(categories.max(), boxes.classes.max(initial=0)) + 1, -1)
    place[categories] = np.arange(len(categories))
    boxes = boxes[place[boxes.classes] >= 0]
    boxes = replace(boxes, classes=place[boxes.classes])
    if exclude_crowd:
        boxes = boxes[in_clean_pictures(boxes.pictures, boxes.crowds)]
    return CocoSplit(name, boxes, len(images.ids), images)


def write_coco(
    root: Path, splits: Sequence[CocoSplit], table: ClassTable, class_names: Sequence[str]
) -> None:
    """Write annotations/instances_<split>2017.json for each split, all together or none.

    They have COCO's ids and boxes, without the outlines.
    """
    with write_together() as place:
        for split in splits:
            content = json.dumps(_as_coco(split, table, class_names))
            path = root / "annotations" / f"instances_{split.name}2017.json"
            place(path).write_text(content, encoding="utf-8")


def _as_coco(
    split: CocoSplit, table: ClassTable, class_names: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    images, boxes = split.images, split.boxes
    categories = [int(table.id_of(name)) for name in class_names]
    return {
        "images": [
            {
                "id": int(images.ids[number]),
                "file_name": str(images.names[number]),
                "width": int(images.sizes[number, 0]),
                "height": int(images.sizes[number, 1]),
            }
            for number in np.unique(boxes.pictures)
        ],
        "annotations": [
            {
                "id": int(boxes.ids[row]),
                "image_id": int(images.ids[boxes.pictures[row]]),
                "category_id": categories[boxes.classes[row]],
                "bbox": boxes.boxes_xywh[row].tolist(),
                "area": float(boxes.areas[row]),
                "iscrowd": int(boxes.crowds[row]),
            }
            for row in range(len(boxes))
        ],
        "categories": [{"id": id_, "name": name} for id_, name in zip(categories, class_names)],
    }
