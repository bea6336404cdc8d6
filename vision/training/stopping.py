"""Stopping in the middle of an epoch when asked to."""

from __future__ import annotations

import logging
import signal
import time
from types import FrameType
from typing import Any, Callable

logger = logging.getLogger(__name__)

SAME_REQUEST = 1.0  # seconds
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """In its `with` block a first Ctrl+C or SIGTERM only asks to stop; a second one interrupts.

    A second signal within one second counts as the first: Ctrl+C reaches every process of a
    terminal, and torchrun's agent passes it on to the processes that it started.
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
