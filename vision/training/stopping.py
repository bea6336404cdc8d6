"""Saving in the middle of an epoch, and stopping there when asked to."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import Any, Callable

from vision.training.loop import LossMeter

logger = logging.getLogger(__name__)

SAME_REQUEST = 1.0  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Within its block, a first Ctrl+C or SIGTERM only asks to stop; a second one interrupts.

    What comes within a second is the first once more: Ctrl+C reaches every process of a terminal,
    and the agent of torchrun passes it on to those that it started.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.requested = False
        self.clock, self._requested_at = clock, 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignals:
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.requested and self.clock() - self._requested_at > SAME_REQUEST:
            raise KeyboardInterrupt
        if self.requested:
            return
        self.requested, self._requested_at = True, self.clock()
        logger.warning("%s: finishing this step, then saving", signal.Signals(number).name)


class Autosave:
    """Called after every step: saves from time to time, and when the run shall stop.

    Args:
        save: writes the state, given the meter of the epoch so far.
        stop: says whether to stop; all processes that train together must hear the same.
        seconds: between two saves, 0 for none; what an epoch's end saves counts as well.
        clock: returns seconds.
    """

    def __init__(
        self,
        save: Callable[[LossMeter], None],
        stop: Callable[[], bool],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.save, self.stop, self.seconds, self.clock = save, stop, seconds, clock
        self.saved_at = clock()

    def __call__(self, meter: LossMeter) -> bool:
        """Save if it is time; return whether to stop."""
        due = self.seconds > 0 and self.clock() - self.saved_at >= self.seconds
        stops = self.stop()
        if due or stops:
            self.save(meter)
            self.saved_at = self.clock()
        return stops
