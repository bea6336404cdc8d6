"""How often something happens, and how long it takes."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Callable

SPAN = 3.0  # seconds that count


class Meter:
    """The rate and the mean duration of what happened in the last SPAN seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing."""
        self._clock, self._lock = clock, threading.Lock()
        self._events: deque[tuple[float, float]] = deque()  # (when, how long)
        self.count = 0  # since the start

    def add(self, seconds: float = 0.0) -> None:
        """Count one event that ends now and took some time."""
        with self._lock:
            self._events.append((self._clock(), seconds))
            self.count += 1
            self._forget()

    @property
    def rate(self) -> float:
        """Return events per second; 0 until there are two."""
        with self._lock:
            self._forget()
            if len(self._events) < 2:
                return 0.0
            # Between n events lie n - 1 intervals; a pause since the last one counts as well.
            first, last = self._events[0][0], self._events[-1][0]
            interval = (last - first) / (len(self._events) - 1)
            silence = self._clock() - last
            return (len(self._events) - 1) / max(last - first + max(0.0, silence - interval), 1e-6)

    @property
    def mean(self) -> float:
        """Return the mean duration in seconds; 0 if nothing happened lately."""
        with self._lock:
            self._forget()
            if not self._events:
                return 0.0
            return sum(seconds for _, seconds in self._events) / len(self._events)

    def _forget(self) -> None:
        while self._events and self._events[0][0] < self._clock() - SPAN:
            self._events.popleft()
