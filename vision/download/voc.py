"""A VOC folder of downloaded pictures, for tools that read nothing else."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Mapping, Sequence
from xml.sax.saxutils import escape

import numpy as np

from vision.download.transfer.http import part_path
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)

# Of the splits of a dataset, the names that VOC has for them.
VOC_SPLITS = {"train": "train", "validation": "val", "val": "val", "test": "test"}

PICTURE = """<annotation>
  <filename>{filename}</filename>
  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>
{objects}</annotation>
"""
OBJECT = """  <object>
    <name>{name}</name>
    <truncated>{truncated:d}</truncated>
    <occluded>{occluded:d}</occluded>
    <difficult>0</difficult>
    <bndbox><xmin>{xmin}</xmin><ymin>{ymin}</ymin><xmax>{xmax}</xmax><ymax>{ymax}</ymax></bndbox>
  </object>
"""


@dataclass(frozen=True, eq=False)
class LabelledPicture:
    """A picture on the disk and its N boxes.

    Attributes:
        path: where it is.
        boxes: (N, 4) float64 xyxy, fractions of the picture.
        names: (N,) class names.
        truncated: (N,) bool, the object goes beyond the picture.
        occluded: (N,) bool, something stands before the object.
    """

    path: Path
    boxes: np.ndarray
    names: Sequence[str]
    truncated: np.ndarray
    occluded: np.ndarray


def voc_folder(root: Path) -> Path:
    """Return the VOC folder beside a dataset's own."""
    root = root.resolve()
    return root.with_name(f"{root.name}-voc")


def write_voc(
    folder: Path, splits: Mapping[str, Iterable[LabelledPicture]], class_names: Sequence[str]
) -> None:
    """Write Annotations, ImageSets/Main, JPEGImages and labels.txt.

    Pictures are linked where the disk can, copied elsewhere. The lists of ImageSets come last, so
    that they never name a picture that is not there.
    """
    for name in ("Annotations", "JPEGImages"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    lists: dict[str, list[str]] = {}
    for split, pictures in splits.items():
        stems = lists.setdefault(VOC_SPLITS[split], [])
        for picture in pictures:
            _link_or_copy(picture.path, folder / "JPEGImages" / picture.path.name)
            with atomic_write(folder / "Annotations" / f"{picture.path.stem}.xml") as temporary:
                temporary.write_text(picture_xml(picture), encoding="utf-8")
            stems.append(picture.path.stem)
    lists["trainval"] = [*lists.get("train", []), *lists.get("val", [])]
    _write_lines(folder / "labels.txt", class_names)
    for name, stems in lists.items():
        _write_lines(folder / "ImageSets" / "Main" / f"{name}.txt", stems)
    logger.info("Wrote the VOC folder %s", folder)


def picture_xml(picture: LabelledPicture) -> str:
    """Return the XML text of a picture; its size is read from the file."""
    from PIL import Image

    with Image.open(picture.path) as file:
        width, height = file.size
    objects = [
        OBJECT.format(
            name=escape(name),
            truncated=truncated,
            occluded=occluded,
            **_voc_box(box, width, height),
        )
        for box, name, truncated, occluded in zip(
            picture.boxes, picture.names, picture.truncated, picture.occluded
        )
    ]
    return PICTURE.format(
        filename=escape(picture.path.name), width=width, height=height, objects="".join(objects)
    )


def _voc_box(box: np.ndarray, width: int, height: int) -> dict[str, int]:
    """Return a box in VOC's way: the first and the last pixel that it holds, counted from 1."""
    corners = np.rint(box * (width, height, width, height)).astype(int)
    x1, y1 = min(corners[0], width - 1) + 1, min(corners[1], height - 1) + 1
    return {
        "xmin": x1,
        "ymin": y1,
        "xmax": max(x1, min(corners[2], width)),
        "ymax": max(y1, min(corners[3], height)),
    }


def _link_or_copy(source: Path, target: Path) -> None:
    if target.exists():
        return
    part = part_path(target)
    if part.exists():
        part.unlink()
    try:
        os.link(source, part)
    except OSError:
        shutil.copyfile(source, part)
    part.replace(target)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
