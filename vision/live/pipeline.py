r"""Reading, finding and encoding, each in a thread of its own, with one slot between two.

    Player --frame--> detect --result--> encode --picture--> viewers, recorder
                                  \----> window

Each stage takes the newest there is. So the slowest stage sets the rate, and nothing that is shown
is older than one turn of each stage.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable, Iterator

import cv2
import numpy as np

from vision.live.meters import Meter
from vision.live.player import Player
from vision.live.settings import LiveSettings, SharedSettings
from vision.pictures.drawing import draw_detections
from vision.pictures.writing import encode_picture
from vision.structures import Detections
from vision.video.frames import Frame
from vision.video.slot import LatestSlot

if TYPE_CHECKING:
    from vision.live.finders import Finder

logger = logging.getLogger(__name__)

STREAM_QUALITY = 80  # of the JPEGs that viewers get
PATIENCE = 0.5  # seconds between looks whether it is time to end
GRACE = 3.0  # seconds for a thread to end
NOTHING_FOUND = Detections(
    np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32)
)


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
    drawn: np.ndarray  # (H, W, 3) uint8 RGB, no wider than the stream
    jpeg: bytes
    encoded: float  # when, by time.monotonic


class Pipeline:
    """Runs the stages from a player to encoded pictures.

    Attributes:
        results: the newest result.
        pictures: the newest encoded picture; made only while someone watches.
        failure: what ended a thread that should not have ended.
    """

    def __init__(
        self,
        player: Player,
        finder: Finder | None,
        settings: SharedSettings,
        stream_width: int = 1280,
    ) -> None:
        """Connect the stages; `start` begins.

        Args:
            finder: None shows pictures as they are.
            stream_width: viewers get no picture wider than this.
        """
        self.player, self.finder, self.settings = player, finder, settings
        self.class_names = finder.class_names if finder else ["BACKGROUND"]
        self.results: LatestSlot[Result] = LatestSlot()
        self.pictures: LatestSlot[StreamPicture] = LatestSlot()
        self.meters = {name: Meter() for name in ("wait", "detect", "draw", "encode")}
        self.failure: BaseException | None = None
        self.on_result: Callable[[Result], None] | None = None
        self.on_picture: Callable[[], None] | None = None
        self._stream_width = stream_width
        self._stop, self._watched = threading.Event(), threading.Event()
        self._watchers, self._lock = 0, threading.Lock()
        stages = (("player", player.run), ("detect", self._detect), ("encode", self._encode))
        self._threads = [
            threading.Thread(target=self._guarded, args=(run,), name=name, daemon=True)
            for name, run in stages
        ]
        # A change acts at once, also where no new frame comes.
        settings.listen(player.slot.renew)

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> bool:
        """End the threads; return whether all of them did within GRACE seconds."""
        self._stop.set()
        self._watched.set()
        self.player.stop()
        for slot in (self.player.slot, self.results, self.pictures):
            slot.close()
        deadline = time.monotonic() + GRACE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def over(self) -> bool:
        """Tell whether nothing will come any more."""
        return self._stop.is_set() or self.player.state.phase == "ended"

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have pictures encoded for the time of a block; as many blocks as there are viewers."""
        with self._lock:
            self._watchers += 1
            self._watched.set()
        try:
            yield
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers and not self._stop.is_set():
                    self._watched.clear()

    def shown(self, result: Result) -> Detections:
        """Return the detections of a result without those of hidden classes."""
        hidden = self.settings.now.hidden
        boxes, labels, scores = result.detections
        rows = [row for row, label in enumerate(labels) if self.class_names[label] not in hidden]
        return Detections(boxes[rows], labels[rows], scores[rows])

    def draw(self, result: Result, width: int | None = None) -> np.ndarray:
        """Return the frame of a result with its boxes, (H, W, 3) uint8 RGB, no wider than asked."""
        image, detections = result.frame.image, self.shown(result)
        scale = min(1.0, width / image.shape[1]) if width else 1.0
        if scale < 1.0:
            size = (round(image.shape[1] * scale), max(1, round(image.shape[0] * scale)))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            boxes = detections.boxes * np.float32(scale)
            detections = Detections(boxes, detections.labels, detections.scores)
        return draw_detections(image, detections, self.class_names)

    def _detect(self) -> None:
        seen = 0
        while not self._stop.is_set():
            numbered = self.player.slot.wait(after=seen, timeout=PATIENCE)
            if numbered is None:
                continue
            seen, frame = numbered.number, numbered.item
            settings, begun = self.settings.now, time.monotonic()
            detections = NOTHING_FOUND
            if self.finder:
                detections = self.finder.find(frame.image, settings.threshold, settings.clustering)
            seconds = time.monotonic() - begun
            self.meters["wait"].add(max(0.0, begun - frame.captured))
            self.meters["detect"].add(seconds)
            result = Result(frame, detections, settings, seconds)
            self.results.put(result)
            if self.on_result:
                self.on_result(result)

    def _encode(self) -> None:
        seen = 0
        while not self._stop.is_set():
            if not self._watched.wait(PATIENCE):
                continue
            numbered = self.results.wait(after=seen, timeout=PATIENCE)
            if numbered is None:
                continue
            seen, result = numbered.number, numbered.item
            begun = time.monotonic()
            drawn = self.draw(result, self._stream_width)
            between = time.monotonic()
            jpeg = encode_picture(drawn, quality=STREAM_QUALITY)
            encoded = time.monotonic()
            self.meters["draw"].add(between - begun)
            self.meters["encode"].add(encoded - between)
            self.pictures.put(StreamPicture(result, drawn, jpeg, encoded))
            if self.on_picture:
                self.on_picture()

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except (ValueError, OSError, RuntimeError, cv2.error) as error:
            self.failure = self.failure or error
        finally:
            # What is a fault of ours also keeps its traceback.
            self.failure = self.failure or sys.exc_info()[1]
