"""Detections in a file, in COCO's notation: written by eval_ssd.py, or collected on the board.

The file is an object of three lists:

    {"images": [{"id": 1, "file_name": "orange_7.jpg", "width": 640, "height": 480}, ...],
     "categories": [{"id": 1, "name": "Apple"}, ...],
     "annotations": [{"image_id": 1, "category_id": 1, "bbox": [x, y, width, height],
                      "score": 0.87}, ...]}

A category's id is the number of its line in labels.txt, where BACKGROUND is 0. A bare list of such
annotations can be read too. There, and wherever `images` is missing, `image_id` is the name of the
picture, with or without its suffix, and the categories are the lines of a labels.txt.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Iterator, Sequence

import numpy as np

from vision.evaluation.collection import Collection, EvaluatedPicture
from vision.structures import Detections
from vision.utils.files import atomic_write
from vision.utils.labels import BACKGROUND, is_background

KEYS = ("image_id", "category_id", "bbox", "score")
COCO_DIGITS = 12  # COCO's pictures are named by their number, filled up with zeros
FOLDERS = 2  # the most folders that a file name may have in front of it
FURTHEST = 1e9  # pixels; a corner beyond is no number of pixels


@dataclass(frozen=True)
class StoredDetections:
    """The content of a file of detections."""

    path: Path
    class_names: list[str]  # BACKGROUND first
    by_picture: dict[str, Detections]  # by name; boxes in pixels of the picture
    seen: frozenset[str] | None  # names of all pictures that were looked at; None: not stated

    def divide(self, pictures: Sequence[EvaluatedPicture]) -> list[Detections | None]:
        """Return the detections in each picture; None where it was not looked at.

        Raises:
            ValueError: the file speaks of none of the pictures, or of two by the same name.
        """
        names = [self._name_of(picture) for picture in pictures]
        counts = Counter(name for name in names if name is not None)
        twice = [name for name, count in counts.items() if count > 1]
        if twice:
            raise ValueError(
                f"{self.path} says '{twice[0]}', and {counts[twice[0]]} pictures of the dataset "
                "have this name; write the folder in front of it, as in train/7.jpg"
            )
        if not counts and (self.by_picture or self.seen):
            example = next(iter(self.by_picture or self.seen or ()))
            raise ValueError(
                f"{self.path} has no detections in the {len(pictures):,} pictures to measure on; "
                f"it speaks of '{example}', the dataset of '{Path(pictures[0].path).name}'"
            )
        nothing = None if self.seen is not None else Detections.none()
        return [
            nothing if name is None else self.by_picture.get(name, Detections.none())
            for name in names
        ]

    def unknown(self, pictures: Sequence[EvaluatedPicture]) -> list[str]:
        """Return the pictures with detections that are not among these."""
        known = {self._name_of(picture) for picture in pictures}
        return [name for name in self.by_picture if name not in known]

    def _name_of(self, picture: EvaluatedPicture) -> str | None:
        names = self.by_picture if self.seen is None else self.seen
        return next((name for name in names_of(picture) if name in names), None)


def names_of(picture: EvaluatedPicture) -> list[str]:
    """Return the names that a file may have for a picture, the most exact one first."""
    parts = PurePosixPath(Path(picture.path).as_posix()).parts
    names = ["/".join(parts[-count:]) for count in range(FOLDERS + 1, 0, -1)]
    names += [picture.image_id, PurePosixPath(names[-1]).stem]
    names += [
        str(int(name)) for name in names[-2:] if name.isdecimal() and len(name) == COCO_DIGITS
    ]
    return [name for name in dict.fromkeys(names) if name]


def write_detections(path: str | Path, collection: Collection) -> None:
    """Write the detections of a collection; one a line, so that a person can look at them."""
    files = _file_names(collection.pictures)
    images = [
        {"id": number, "file_name": name, "width": one.width, "height": one.height}
        for number, (name, one) in enumerate(zip(files, collection.pictures), start=1)
    ]
    categories = [
        {"id": label, "name": name} for label, name in enumerate(collection.class_names) if label
    ]
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write("{")
        for key, rows in (("images", images), ("categories", categories)):
            lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
            file.write(f'"{key}": [\n{lines}\n],\n')
        file.write('"annotations": [\n')
        file.writelines(_annotation_lines(collection))
        file.write("\n]}\n")


def _file_names(pictures: Sequence[EvaluatedPicture]) -> list[str]:
    """Return names that differ, with as few folders in front as that needs."""
    for depth in range(1, FOLDERS + 2):
        parts = [PurePosixPath(Path(one.path).as_posix()).parts[-depth:] for one in pictures]
        names = ["/".join(part) or one.image_id for part, one in zip(parts, pictures)]
        if len(set(names)) == len(names):
            break
    return names


def _annotation_lines(collection: Collection) -> Iterator[str]:
    found = collection.found
    corners = found.boxes.astype(np.float64)
    boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]]).round(5).tolist()
    columns = (found.pictures + 1).tolist(), found.labels.tolist(), boxes
    scores = found.scores.astype(np.float64).round(8).tolist()
    for number, values in enumerate(zip(*columns, scores)):
        yield (",\n" if number else "") + json.dumps(dict(zip(KEYS, values)))


def read_detections(path: str | Path, class_names: Sequence[str] | None = None) -> StoredDetections:
    """Read a file of detections.

    Args:
        class_names: of a labels.txt, BACKGROUND first, for a file without categories.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file; the message names the first entry that is wrong.
    """
    path = Path(path)
    annotations, images, categories = _read_lists(path)
    labels, names = _read_categories(path, categories, class_names)
    files = _read_images(path, images)
    rows: dict[str, list[tuple[list[float], int, float]]] = {}
    for number, one in enumerate(annotations, start=1):
        where = f"annotation {number} of {path}"
        picture, category, box, score = _read_annotation(where, one)
        if category not in labels:
            known = ", ".join(map(str, list(labels)[:3]))
            raise ValueError(f"{where} has the category_id {category!r}, known are {known}, ...")
        if images is not None and picture not in files:
            raise ValueError(f"{where} has the image_id {picture!r}, which images does not list")
        rows.setdefault(files.get(picture, str(picture)), []).append((box, labels[category], score))
    by_picture = {name: _detections(found) for name, found in rows.items()}
    seen = None if images is None else frozenset(files.values())
    return StoredDetections(path, names, by_picture, seen)


def _read_lists(path: Path) -> tuple[list[Any], list[Any] | None, list[Any] | None]:
    """Return the annotations, the images and the categories; None for a list that is not there."""
    form = 'it must be a list of detections, or an object with such a list as "annotations"'
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{path} must be a JSON file of detections: {error}") from None
    if isinstance(content, list):
        return content, None, None
    if not isinstance(content, dict) or not isinstance(content.get("annotations"), list):
        raise ValueError(f"{path} holds no detections; {form}")
    images, categories = content.get("images"), content.get("categories")
    for name, part in (("images", images), ("categories", categories)):
        if part is None:
            continue
        if not isinstance(part, list) or not all(isinstance(one, dict) for one in part):
            raise ValueError(f"{name} of {path} must be a list of objects")
    return content["annotations"], images, categories


def _read_categories(
    path: Path, categories: list[Any] | None, class_names: Sequence[str] | None
) -> tuple[dict[Any, int], list[str]]:
    """Return the labels by category id, and the class names by label."""
    if categories is None:
        if class_names is None:
            raise ValueError(f"{path} does not name its categories; give a labels.txt by --labels")
        return {label: label for label in range(1, len(class_names))}, list(class_names)
    named = [(one.get("id"), one.get("name")) for one in categories]
    if not all(_is_key(key) and isinstance(name, str) and name for key, name in named):
        raise ValueError(f"categories of {path} must each have an id and a name")
    named = [(key, name) for key, name in named if not is_background(name)]
    names = [BACKGROUND, *dict.fromkeys(name for _, name in named)]
    return {key: names.index(name) for key, name in named}, names


def _read_images(path: Path, images: list[Any] | None) -> dict[Any, str]:
    """Return the names of the pictures by their ids."""
    files: dict[Any, str] = {}
    for one in images or []:
        name = one.get("file_name")
        if not _is_key(one.get("id")) or not isinstance(name, str) or not name:
            raise ValueError(f"images of {path} must each have an id and a file_name, got {one}")
        parts = PurePosixPath(name.replace("\\", "/")).parts
        files[one["id"]] = "/".join(parts[-FOLDERS - 1 :])
    twice = [name for name, count in Counter(files.values()).items() if count > 1]
    if twice:
        raise ValueError(f"images of {path} has '{twice[0]}' more than once")
    return files


def _read_annotation(where: str, one: Any) -> tuple[Any, Any, list[float], float]:
    """Return picture, category, box xyxy and score."""
    if not isinstance(one, dict):
        raise ValueError(f"{where} must be an object, got {str(one)[:40]!r}")
    missing = [key for key in KEYS if key not in one]
    if missing:
        hint = ": is it a file of objects, not of detections?" if missing == ["score"] else ""
        raise ValueError(f"{where} has no {' and no '.join(missing)}{hint}")
    picture, category, box, score = (one[key] for key in KEYS)
    if not _is_key(picture) or not _is_key(category):
        raise ValueError(f"{where} must name its picture and category by numbers or texts")
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError(f"{where} must have four numbers as its bbox, got {str(box)[:60]}")
    if not _is_number(score) or not 0 <= score <= 1:
        raise ValueError(f"{where} must have a score from 0 to 1, got {str(score)[:20]}")
    x, y, width, height = box
    return picture, category, [x, y, x + width, y + height], score


def _is_key(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and abs(value) < FURTHEST  # which NaN is not
    )


def _detections(rows: list[tuple[list[float], int, float]]) -> Detections:
    boxes, labels, scores = (np.array(column) for column in zip(*rows))
    best_first = np.argsort(-scores, kind="stable")
    return Detections(
        boxes[best_first].astype(np.float32),
        labels[best_first].astype(np.int64),
        scores[best_first].astype(np.float32),
    )
