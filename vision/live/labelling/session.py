"""Frames that were frozen to be labelled, and how they get into the folder."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Mapping, Sequence

import cv2
import numpy as np

from vision.live.labelling.store import LabelError, LabelledObject, LabelStore, SavedPicture
from vision.live.pipeline import Pipeline
from vision.pictures.reading import read_picture
from vision.pictures.writing import encode_picture

MOST_FROZEN = 12  # frames that wait to be saved; the oldest goes first
MOST_OBJECTS = 1000  # on one picture
FARTHEST = 1 << 31  # pixels that a corner may lie from 0 to count as a number
THUMBNAIL_WIDTH = 200  # pixels
LINE, RIM = (255, 220, 0), (0, 0, 0)  # RGB of boxes on thumbnails


@dataclass
class FrozenFrame:
    """A frame that someone labels."""

    key: str
    jpeg: bytes  # what will be saved, to the byte
    size: tuple[int, int]  # (width, height)
    objects: tuple[LabelledObject, ...]  # what the detector found
    left_out: int  # objects of classes that are not in the list
    wish: str  # for the name of the saved picture
    saved: str = ""  # the name of the saved picture
    saving: bool = False  # at this moment


class LabelSession:
    """Freezes frames of a pipeline and saves them into a store."""

    def __init__(self, pipeline: Pipeline, store: LabelStore) -> None:
        """Begin without frozen frames."""
        self.store, self._pipeline = store, pipeline
        self._frozen: OrderedDict[str, FrozenFrame] = OrderedDict()
        self._lock = threading.Lock()

    def freeze(self) -> FrozenFrame:
        """Keep the newest frame and what was found in it.

        Raises:
            LabelError: there is no frame yet.
        """
        newest = self._pipeline.results.newest()
        if newest is None:
            raise LabelError("there is no picture yet")
        image = newest.item.frame.image
        size = (image.shape[1], image.shape[0])
        detections = self._pipeline.shown(newest.item)
        boxes = np.clip(np.round(detections.boxes), 0, [*size, *size]).astype(int).tolist()
        names = [self._pipeline.class_names[label] for label in detections.labels]
        found = [
            LabelledObject(name, (x1, y1, x2, y2))
            for name, (x1, y1, x2, y2) in zip(names, boxes)
            if x1 < x2 and y1 < y2
        ]
        known = tuple(one for one in found if one.name in self.store.class_names)
        frozen = FrozenFrame(
            secrets.token_hex(8), encode_picture(image), size, known, len(found) - len(known),
            newest.item.frame.name,
        )  # fmt: skip
        with self._lock:
            self._frozen[frozen.key] = frozen
            while len(self._frozen) > MOST_FROZEN:
                self._frozen.popitem(last=False)
        return frozen

    def frozen(self, key: str) -> FrozenFrame:
        """Return a frozen frame.

        Raises:
            LabelError: it is there no more.
        """
        with self._lock:
            if key not in self._frozen:
                raise LabelError("this frozen picture is gone; freeze another")
            return self._frozen[key]

    def save(self, key: str, objects: object, part: object) -> SavedPicture:
        """Save a frozen frame with the objects that a browser sent.

        Raises:
            LabelError: it is saved already, or just now, or what was sent cannot be.
        """
        marked = parse_objects(objects)
        frozen = self.frozen(key)
        with self._lock:
            if frozen.saved:
                raise LabelError(f"this picture was saved already, as {frozen.saved}")
            if frozen.saving:
                raise LabelError("this picture is being saved already; wait for it")
            frozen.saving = True
        try:
            saved = self.store.save(frozen.jpeg, frozen.size, marked, str(part), frozen.wish)
            frozen.saved = saved.name
            return saved
        finally:
            frozen.saving = False

    def undo(self, name: str) -> None:
        """Take back the last save of a picture; its frozen frame can be saved again."""
        self.store.undo(name)
        with self._lock:
            for frozen in self._frozen.values():
                if frozen.saved == name and name not in self.store.names:
                    frozen.saved = ""

    def thumbnail(self, name: str) -> bytes:
        """Return a small JPEG of a picture of the folder with its boxes."""
        picture = self.store.read(name)
        image = read_picture(self.store.picture_path(name))
        scale = min(1.0, THUMBNAIL_WIDTH / image.shape[1])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        for one in picture.objects:
            x1, y1, x2, y2 = (round(value * scale) for value in one.box)
            for colour, thickness in ((RIM, 4), (LINE, 2)):
                cv2.rectangle(small, (x1, y1), (x2 - 1, y2 - 1), colour, thickness)
        return encode_picture(small, quality=80)


def parse_objects(objects: object) -> list[LabelledObject]:
    """Return objects that came as JSON: [{"name": "apple", "box": [x1, y1, x2, y2]}, ...].

    Raises:
        LabelError: it is something else, or too many.
    """
    if not isinstance(objects, list) or len(objects) > MOST_OBJECTS:
        raise LabelError(f"objects must be a list of at most {MOST_OBJECTS}")
    return [_parse_object(one) for one in objects]


def _parse_object(one: object) -> LabelledObject:
    if isinstance(one, Mapping) and isinstance(one.get("name"), str):
        box = one.get("box")
        if isinstance(box, Sequence) and len(box) == 4 and all(map(_is_number, box)):
            x1, y1, x2, y2 = (round(value) for value in box)
            return LabelledObject(one["name"], (x1, y1, x2, y2))
    raise LabelError('an object must be {"name": ..., "box": [x1, y1, x2, y2]}')


def _is_number(value: object) -> bool:
    # Not NaN, nor whole numbers that no float holds.
    return type(value) in (int, float) and abs(value) < FARTHEST  # type: ignore[arg-type]
