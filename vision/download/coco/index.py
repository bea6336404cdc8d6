"""COCO's annotations as arrays: 860,000 boxes in 60 MB instead of 450 MB of JSON."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from vision.download.array_cache import load_or_make
from vision.download.coco.archives import damage_as
from vision.download.coco.entries import FIELDS, Columns, append_entry, check_columns, short_address
from vision.download.coco.json_stream import iterate_members

logger = logging.getLogger(__name__)

COCO_INDEX_FORMAT = 3


@dataclass(frozen=True, eq=False)
class CocoImages:
    """The pictures of one split, in the order of its file.

    Attributes:
        ids: (P,) int64.
        sizes: (P, 2) int64, width and height in pixels.
        names: (P,) str, file names.
        addresses: (P,) str, under COCO_URL, or whole where they are elsewhere.
    """

    ids: np.ndarray
    sizes: np.ndarray
    names: np.ndarray
    addresses: np.ndarray


@dataclass(frozen=True, eq=False)
class CocoBoxes:
    """Boxes of one split, in the order of its file.

    Attributes:
        ids: (N,) int64.
        pictures: (N,) int64, place of the picture in `CocoImages`.
        classes: (N,) int64, category id of COCO, or place of the class among chosen ones.
        boxes_xywh: (N, 4) float64, pixels.
        areas: (N,) float64, square pixels inside the object's outline.
        crowds: (N,) bool, the box marks a group.
    """

    ids: np.ndarray
    pictures: np.ndarray
    classes: np.ndarray
    boxes_xywh: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, keep: np.ndarray) -> CocoBoxes:
        """Return the boxes that a mask (N,) bool or an array of places selects."""
        return CocoBoxes(**{name: values[keep] for name, values in vars(self).items()})


def open_coco_index(archive: Path, split: str) -> tuple[CocoImages, CocoBoxes]:
    """Return the pictures and boxes of a split; an index is kept in a file beside the archive.

    Raises:
        ValueError: if the archive is not COCO's.
    """
    kept = archive.with_name(f"instances_{split}2017.index")
    key = f"{COCO_INDEX_FORMAT} {archive.stat().st_size}"
    arrays = load_or_make(kept, key, partial(_read_archive, archive, split))
    old = archive.with_name(f"{kept.name}.npz")  # what it was called, though it never was an npz
    if old.is_file():
        old.unlink()
    images = {name: arrays[f"image_{name}"] for name in CocoImages.__dataclass_fields__}
    boxes = {name: arrays[f"box_{name}"] for name in CocoBoxes.__dataclass_fields__}
    return CocoImages(**images), CocoBoxes(**boxes)


def read_instances(stream: IO[bytes]) -> dict[str, np.ndarray]:
    """Read a COCO file as the columns of `CocoImages` and `CocoBoxes`.

    Raises:
        ValueError: if it is not such a file, saying which entry is wrong; or if a box names a
            picture that the file does not have.
    """
    lists: dict[str, Columns] = {
        key: {field: [] for field in fields} for key, fields in FIELDS.items()
    }
    for key, entry in iterate_members(stream):
        if key in lists:
            append_entry(lists[key], key, entry)
    for key, columns in lists.items():
        check_columns(columns, key)
    images, boxes = lists["images"], lists["annotations"]
    image_ids = np.array(images["id"], np.int64)
    return {
        "image_ids": image_ids,
        "image_sizes": np.array([images["width"], images["height"]], np.int64).T,
        "image_names": np.array(images["file_name"], str),
        "image_addresses": np.array([short_address(url) for url in images["coco_url"]], str),
        "box_ids": np.array(boxes["id"], np.int64),
        "box_pictures": _places(np.array(boxes["image_id"], np.int64), image_ids),
        "box_classes": np.array(boxes["category_id"], np.int64),
        "box_boxes_xywh": np.array(boxes["bbox"], np.float64).reshape(-1, 4),
        "box_areas": np.array(boxes["area"], np.float64),
        "box_crowds": np.array(boxes["iscrowd"], bool),
    }


def _read_archive(archive: Path, split: str) -> dict[str, np.ndarray]:
    member = f"annotations/instances_{split}2017.json"
    logger.info("Read annotation file %s in %s", member, archive)
    damaged = damage_as(ValueError, f"{archive}, {member}", "; remove it and run again")
    with damaged, zipfile.ZipFile(archive) as file, file.open(member) as stream:
        return read_instances(stream)


def _places(wanted: np.ndarray, ids: np.ndarray) -> np.ndarray:
    order = np.argsort(ids)
    found = np.searchsorted(ids[order], wanted)
    known = found < len(ids)
    known[known] = ids[order][found[known]] == wanted[known]
    if not known.all():
        raise ValueError(f"a box lies in the picture {wanted[~known][0]}, which is not listed")
    return order[found]
