"""The last stage: results as JPEGs for viewers, made only while there are viewers."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator, Mapping

import numpy as np

from vision.live.meters import Meter
from vision.live.settings import LiveSettings
from vision.pictures.writing import encode_picture
from vision.structures import Detections
from vision.video.frames import Frame
from vision.video.slot import LatestSlot

STREAM_QUALITY = 80  # of the JPEGs
PATIENCE = 0.5  # seconds between looks whether it is time to end


@dataclass(frozen=True, eq=False)
class Result:
    """A frame and what was found in it."""

    frame: Frame
    detections: Detections  # of all classes, the hidden ones too
    settings: LiveSettings  # with which they were found
    seconds: float  # that finding took


@dataclass(frozen=True, eq=False)
class StreamPicture:
    """A result as viewers see it."""

    result: Result
    image: np.ndarray  # (H, W, 3) uint8 RGB, no wider than the stream
    detections: Detections  # that are shown, in pixels of `image`
    jpeg: bytes
    encoded: float  # when, by time.monotonic


View = Callable[[Result], "tuple[np.ndarray, Detections]"]


class Encoder:
    """Encodes the newest result while someone watches.

    Attributes:
        slot: the newest picture.
    """

    def __init__(
        self, results: LatestSlot[Result], view: View, meters: Mapping[str, Meter]
    ) -> None:
        """Connect with the stage before.

        Args:
            view: makes the picture of a result, and says what is shown in it.
            meters: "draw" and "encode" get the times.
        """
        self.slot: LatestSlot[StreamPicture] = LatestSlot()
        self.on_picture: Callable[[], None] | None = None
        self._results, self._view, self._meters = results, view, meters
        self._stop, self._watched = threading.Event(), threading.Event()
        self._watchers, self._lock = 0, threading.Lock()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have pictures encoded for the time of a block; as many blocks as there are viewers."""
        with self._lock:
            if not self._watchers:
                self._drop_old()
            self._watchers += 1
            self._watched.set()
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers and not self._stop.is_set():
                    self._watched.clear()

    def run(self) -> None:
        """Encode until `stop`."""
        seen = 0
        while not self._stop.is_set():
            if not self._watched.wait(PATIENCE):
                continue
            numbered = self._results.wait(after=seen, timeout=PATIENCE)
            if numbered is None:
                continue
            seen, result = numbered.number, numbered.item
            begun = time.monotonic()
            image, detections = self._view(result)
            between = time.monotonic()
            jpeg = encode_picture(image, quality=STREAM_QUALITY)
            encoded = time.monotonic()
            self._meters["draw"].add(between - begun)
            self._meters["encode"].add(encoded - between)
            self.slot.put(StreamPicture(result, image, detections, jpeg, encoded))
            if self.on_picture:
                self.on_picture()

    def stop(self) -> None:
        """End `run`."""
        self._stop.set()
        self._watched.set()
        self.slot.close()

    def _drop_old(self) -> None:
        """Take out a picture that has lain there since the last viewer left, but a standing one."""
        left, newest = self.slot.newest(), self._results.newest()
        if left and newest and left.item.result is not newest.item:
            self.slot.clear()
