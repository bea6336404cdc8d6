r"""Reading, finding and encoding, each in a thread of its own, with one slot between two.

    Player --frame--> detect --result--> encoders --picture--> viewers, recorder
                                  \----> window

Each stage takes the newest there is. So the slowest stage sets the rate, and nothing that is shown
is older than one turn of each stage.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Callable

import cv2
import numpy as np

from vision.live.encoder import PATIENCE, Encoder, Result
from vision.live.meters import Meter
from vision.live.player import Player
from vision.live.settings import SharedSettings
from vision.pictures.drawing import draw_detections
from vision.structures import Detections
from vision.video.slot import LatestSlot

if TYPE_CHECKING:
    from vision.live.finders import Finder

logger = logging.getLogger(__name__)

GRACE = 3.0  # seconds for a thread to end


class Pipeline:
    """Runs the stages from a player to encoded pictures.

    Attributes:
        results: the newest result.
        drawn: encodes pictures with their boxes, for programs and the recorder.
        plain: encodes pictures without boxes, for the page, which draws them itself.
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
        self.meters = {name: Meter() for name in ("wait", "detect", "draw", "encode")}
        self.failure: BaseException | None = None
        self.on_result: Callable[[Result], None] | None = None
        self.drawn = Encoder(self.results, self._drawn_view, self.meters)
        self.plain = Encoder(self.results, self._plain_view, self.meters)
        self._stream_width = stream_width
        self._stop = threading.Event()
        stages = (
            ("player", player.run),
            ("detect", self._detect),
            ("encode drawn", self.drawn.run),
            ("encode plain", self.plain.run),
        )
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
        for stage in (self.player, self.drawn, self.plain):
            stage.stop()
        for slot in (self.player.slot, self.results):
            slot.close()
        deadline = time.monotonic() + GRACE
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def over(self) -> bool:
        """Tell whether nothing will come any more."""
        return self._stop.is_set() or self.player.state.over

    def shown(self, result: Result) -> Detections:
        """Return the detections of a result without those of hidden classes."""
        hidden = self.settings.now.hidden
        labels = result.detections.labels
        rows = [row for row, label in enumerate(labels) if self.class_names[label] not in hidden]
        return result.detections.select(rows)

    def draw(self, result: Result) -> np.ndarray:
        """Return the whole frame of a result with its boxes, (H, W, 3) uint8 RGB."""
        return draw_detections(result.frame.image, self.shown(result), self.class_names)

    def _plain_view(self, result: Result) -> tuple[np.ndarray, Detections]:
        image, detections = result.frame.image, self.shown(result)
        height, width = image.shape[:2]
        scale = self._stream_width / width
        if scale >= 1:
            return image, detections
        size = (self._stream_width, max(1, round(height * scale)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        boxes = detections.boxes * np.float32(scale)
        return image, Detections(boxes, detections.labels, detections.scores)

    def _drawn_view(self, result: Result) -> tuple[np.ndarray, Detections]:
        image, detections = self._plain_view(result)
        return draw_detections(image, detections, self.class_names), detections

    def _detect(self) -> None:
        seen = 0
        while not self._stop.is_set():
            numbered = self.player.slot.wait(after=seen, timeout=PATIENCE)
            if numbered is None:
                continue
            seen, frame = numbered.number, numbered.item
            settings, begun = self.settings.now, time.monotonic()
            detections = Detections.none()
            if self.finder:
                detections = self.finder.find(frame.image, settings.threshold, settings.clustering)
            seconds = time.monotonic() - begun
            self.meters["wait"].add(max(0.0, begun - frame.captured))
            self.meters["detect"].add(seconds)
            result = Result(frame, detections, settings, seconds)
            self.results.put(result)
            if self.on_result:
                self.on_result(result)

    def _guarded(self, run: Callable[[], None]) -> None:
        try:
            run()
        except (ValueError, OSError, RuntimeError, cv2.error) as error:
            self.failure = self.failure or error
        finally:
            # What is a fault of ours also keeps its traceback.
            self.failure = self.failure or sys.exc_info()[1]
