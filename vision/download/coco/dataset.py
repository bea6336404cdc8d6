"""COCO 2017: from its annotations to a dataset of few classes."""

from __future__ import annotations

import json
import logging
import threading
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from vision.download.addresses import COCO_ANNOTATIONS
from vision.download.choice.choosing import in_clean_pictures
from vision.download.choice.class_names import ClassTable
from vision.download.choice.splits import Split
from vision.download.coco.index import CocoImages, open_coco_index
from vision.download.transfer.http import read_url, url_length
from vision.download.transfer.lock import locked
from vision.download.transfer.pictures import Picture
from vision.download.transfer.retry import DamagedError, MissingError, RetryPolicy
from vision.download.voc import LabelledPicture
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class CocoSplit(Split):
    """One split, with what is known of its pictures."""

    images: CocoImages

    def pictures(self, root: Path) -> dict[int, Picture]:
        """Return the pictures by their numbers, each with its place under `root`."""
        folder = root / f"{self.name}2017"
        return {
            number: Picture(str(self.images.addresses[number]), folder / self.images.names[number])
            for number in np.unique(self.boxes.pictures).tolist()
        }


class WebSource:
    """Pictures by their addresses, from COCO's server or a mirror of it."""

    def __init__(self, base_url: str, policy: RetryPolicy) -> None:
        self.base_url = base_url.rstrip("/")
        self.policy = policy

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture in one attempt; errors as in `read_url`."""
        return read_url(self._url(key), self.policy)

    def size(self, key: str) -> int:
        """Return the length of a picture in bytes."""
        return url_length(self._url(key), self.policy)

    def _url(self, key: str) -> str:
        return key if "://" in key else f"{self.base_url}/{key}"


class ArchiveSource:
    """Pictures out of archives, one for each folder; threads may share it.

    zipfile checks the sum of every picture that it reads.
    """

    def __init__(self, archives: Mapping[str, Path]) -> None:
        # Before Python 3.10 threads that read from one archive may get each other's bytes.
        self.lock = threading.Lock()
        try:
            self.archives = {name: zipfile.ZipFile(path) for name, path in archives.items()}
        except zipfile.BadZipFile as error:
            paths = ", ".join(map(str, archives.values()))
            raise ValueError(f"{error}: one of {paths}; remove it and run again") from error

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture.

        Raises:
            MissingError: if its archive does not have it.
            DamagedError: if its bytes do not have their sum.
        """
        archive, member = self._find(key)
        try:
            with self.lock:
                return archive.read(member)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise DamagedError(f"{key} is damaged in {archive.filename}: {error}") from error

    def size(self, key: str) -> int:
        """Return the length of a picture in bytes; MissingError as in `read`."""
        return self._find(key)[1].file_size

    def _find(self, key: str) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        archive = self.archives[key.split("/")[0]]
        try:
            return archive, archive.getinfo(key)
        except KeyError as error:
            raise MissingError(f"{key} is not in {archive.filename}") from error


def read_coco_split(
    name: str, cache: Path, table: ClassTable, class_names: Sequence[str], exclude_crowd: bool
) -> CocoSplit:
    """Return the boxes of some classes from the archive of annotations in the cache.

    With `exclude_crowd`, pictures in which a box marks a group are left out whole.
    """
    with locked(cache):
        images, boxes = open_coco_index(cache / Path(COCO_ANNOTATIONS).name, name)
    categories = np.array([int(table.id_of(class_name)) for class_name in class_names])
    place = np.full(max(categories.max(), boxes.classes.max(initial=0)) + 1, -1)
    place[categories] = np.arange(len(categories))
    boxes = boxes[place[boxes.classes] >= 0]
    boxes = replace(boxes, classes=place[boxes.classes])
    if exclude_crowd:
        boxes = boxes[in_clean_pictures(boxes.pictures, boxes.crowds)]
    return CocoSplit(name, boxes, len(images.ids), images)


def write_coco_split(
    root: Path, split: CocoSplit, table: ClassTable, class_names: Sequence[str]
) -> None:
    """Write annotations/instances_<split>2017.json: COCO's ids and boxes, without the outlines."""
    images, boxes = split.images, split.boxes
    categories = [int(table.id_of(name)) for name in class_names]
    content: dict[str, list[dict[str, Any]]] = {
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
    with atomic_write(root / "annotations" / f"instances_{split.name}2017.json") as temporary:
        temporary.write_text(json.dumps(content), encoding="utf-8")


def labelled_pictures(
    split: CocoSplit, root: Path, class_names: Sequence[str]
) -> Iterator[LabelledPicture]:
    """Yield the pictures of a split with their boxes."""
    boxes = split.boxes[np.argsort(split.boxes.pictures, kind="stable")]
    corners = boxes.boxes_xywh.copy()
    corners[:, 2:] += corners[:, :2]
    corners /= np.tile(split.images.sizes[boxes.pictures], 2)
    names = [class_names[place] for place in boxes.classes]
    for number, picture in split.pictures(root).items():
        rows = slice(*np.searchsorted(boxes.pictures, [number, number + 1]))
        unknown = np.zeros(rows.stop - rows.start, bool)
        yield LabelledPicture(picture.path, corners[rows], names[rows], unknown, unknown)
