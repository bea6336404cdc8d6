"""Pictures without labels, on which a trained detector marks what the net learns from.

The net learns each object as far as the teacher was sure of it: an object of confidence 0.7 counts
as 0.7 of its class and 0.3 of the background, and its box counts 0.7 times (soft targets, Hinton et
al. 2015; from a detector's own answers as in STAC, Sohn et al. 2020).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
from tqdm import tqdm

from vision.checkpoints.detector import open_detector
from vision.datasets.files.listing import FileListing
from vision.datasets.files.values import read_json
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.builder import IndexBuilder
from vision.pictures.reading import PictureError, read_picture
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.structures import Detections
from vision.training.options import TrainOptions

TAUGHT = "taught.json"  # in the model directory

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Taught:
    """What a teacher has marked, as JSON can hold it."""

    facts: dict[str, Any]  # the options that it follows from
    pictures: list[dict[str, Any]]  # those with objects; sizes and boxes in pixels
    empty: int  # pictures in which the teacher found nothing
    unreadable: int

    def index(self, class_names: Sequence[str], upright: bool) -> AnnotationIndex:
        """Return the pictures as an index with labels of `class_names`, and with confidences."""
        builder = IndexBuilder()
        confidences = []
        for picture in self.pictures:
            objects = picture["objects"]
            builder.add(
                Path(picture["path"]).stem,
                picture["path"],
                [one["box"] for one in objects],
                [one["class"] for one in objects],
                size=(picture["width"], picture["height"]),
            )
            confidences += [one["confidence"] for one in objects]
        index = replace(
            builder.build(), confidences=np.array(confidences, np.float32), upright=upright
        )
        return index.with_classes(class_names)

    def summary(self) -> str:
        """Say in one line what was marked."""
        objects = [one for picture in self.pictures for one in picture["objects"]]
        names = dict.fromkeys(one["class"] for one in objects)
        counts = [f"{name} {sum(one['class'] == name for one in objects):,}" for name in names]
        unreadable = f", {self.unreadable:,} could not be read" if self.unreadable else ""
        return (
            f"the teacher {self.facts['teacher']} marked {len(objects):,} objects on "
            f"{len(self.pictures):,} pictures without labels ({', '.join(counts) or 'none'}); on "
            f"{self.empty:,} it found nothing, they are left out{unreadable}"
        )

    def write(self, path: Path) -> None:
        """Write the file that a run which goes on reads."""
        path.write_text(json.dumps(vars(self), ensure_ascii=False, indent=1) + "\n", "utf-8")


def teach(
    options: TrainOptions, class_names: Sequence[str], upright: bool, device: torch.device
) -> Taught:
    """Let the teacher of a run mark its pictures without labels.

    Args:
        options: of the run, which name both.
        class_names: that the net learns, BACKGROUND first. What else the teacher knows is left out.
        upright: turn pictures as EXIF says.
        device: for the teacher, if it is a .pth.

    Raises:
        FileNotFoundError: if there is no teacher, or no folder of that name.
        ValueError: if the teacher knows none of the classes, or no picture can be used.
    """
    teacher = open_detector(str(options.teacher), device=device)
    known = _known_classes(options, teacher.class_names, class_names)
    pictures: list[dict[str, Any]] = []
    empty = unreadable = 0
    for path in tqdm(_pictures_in(options.unlabelled), "teacher", unit="picture", disable=None):
        try:
            image = read_picture(path, upright)
        except PictureError as error:
            logger.warning("%s", error)
            unreadable += 1
            continue
        found = teacher.predictor.predict(image, prob_threshold=options.teacher_threshold)
        objects = _as_objects(found, teacher.class_names, known)
        if objects:
            size = {"width": image.shape[1], "height": image.shape[0]}
            pictures.append({"path": str(path), **size, "objects": objects})
        else:
            empty += 1
    if not pictures:
        raise ValueError(
            f"--teacher {options.teacher} finds nothing on the {empty:,} pictures of --unlabelled "
            f"with a score above {options.teacher_threshold:g} ({unreadable:,} cannot be read); "
            "look at what it finds with run_ssd_example.py, or lower --teacher-threshold"
        )
    return Taught(_facts(options, class_names), pictures, empty, unreadable)


def taught_before(folder: Path, options: TrainOptions, class_names: Sequence[str]) -> Taught | None:
    """Return what the teacher of a run that goes on has marked; None if it must do it again.

    Raises:
        ValueError: if the file cannot be used.
    """
    path = folder / TAUGHT
    if not path.is_file():
        return None
    content = read_json(path)
    if not isinstance(content, dict) or set(content) != {one.name for one in fields(Taught)}:
        raise ValueError(f"{path} is not what a run has written; delete it, and it is made anew")
    taught = Taught(**content)
    return taught if taught.facts == _facts(options, class_names) else None


def _facts(options: TrainOptions, class_names: Sequence[str]) -> dict[str, Any]:
    """Return what the marks follow from, as JSON gives it back."""
    plain = options.plain()
    named = {name: plain[name] for name in ("teacher", "unlabelled", "teacher_threshold")}
    return {**json.loads(json.dumps(named)), "class_names": list(class_names)}


def _known_classes(options: TrainOptions, taught: Sequence[str], wanted: Sequence[str]) -> set[str]:
    """Return the classes that the teacher can mark; say which it cannot."""
    known = set(taught[1:]) & set(wanted[1:])
    if not known:
        raise ValueError(
            f"--teacher {options.teacher} knows none of the classes of the data, which are "
            f"{', '.join(wanted[1:])}; it knows {', '.join(taught[1:])}"
        )
    unknown = [name for name in wanted[1:] if name not in known]
    if unknown:
        logger.warning(
            "The teacher does not know %s; where pictures without labels show such objects, the "
            "net learns that they are background",
            ", ".join(unknown),
        )
    return known


def _pictures_in(folders: Sequence[Path]) -> list[Path]:
    """Return the picture files of folders, those in folders below included.

    Raises:
        FileNotFoundError: if a folder is not there.
        ValueError: if it holds no picture.
    """
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"--unlabelled: there is no folder {folder}; check the path")
        names = FileListing(folder, PICTURE_SUFFIXES).files
        if not names:
            raise ValueError(f"--unlabelled: there is no picture in {folder}")
        found += [(folder / name).resolve() for name in names]
    return list(dict.fromkeys(found))


def _as_objects(
    found: Detections, class_names: Sequence[str], known: set[str]
) -> list[dict[str, Any]]:
    """Return what was found of the known classes, as JSON can hold it."""
    return [
        {
            "class": class_names[label],
            "confidence": round(float(score), 4),
            "box": [round(float(edge), 2) for edge in box],
        }
        for box, label, score in zip(*found)
        if class_names[label] in known and (box[2:] - box[:2] >= 1).all()
    ]
