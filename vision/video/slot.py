"""What lies between two threads that need not be equally fast: the newest item, never a queue."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, TypeVar

Held = TypeVar("Held")


@dataclass(frozen=True)
class Numbered(Generic[Held]):
    """An item and its number, which rises with everything that is put into the slot."""

    number: int
    item: Held


class LatestSlot(Generic[Held]):
    """Room for one item. Who puts never waits; who takes gets the newest and misses the others."""

    def __init__(self) -> None:
        """Start empty; numbers begin at 1."""
        self._changed = threading.Condition()
        self._held: Numbered[Held] | None = None
        self._number = 0
        self._closed = False

    def put(self, item: Held) -> int:
        """Replace what is there; return the number of the new item."""
        with self._changed:
            self._number += 1
            self._held = Numbered(self._number, item)
            self._changed.notify_all()
            return self._number

    def clear(self) -> None:
        """Take out what is there; numbers go on from it."""
        with self._changed:
            self._held = None

    def renew(self) -> None:
        """Give the present item a new number, so that everyone takes it once more."""
        with self._changed:
            if self._held is not None:
                self._number += 1
                self._held = Numbered(self._number, self._held.item)
                self._changed.notify_all()

    def newest(self, after: int = 0) -> Numbered[Held] | None:
        """Return the item if its number is above `after`, else None; do not wait."""
        with self._changed:
            return self._held if self._is_above(after) else None

    def wait(self, after: int = 0, timeout: float | None = None) -> Numbered[Held] | None:
        """Wait for an item whose number is above `after`; None at the time-out or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._is_above(after), timeout)
            return None if self._closed or not self._is_above(after) else self._held

    def close(self) -> None:
        """Wake up everyone who waits; nothing is handed out by `wait` any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_above(self, number: int) -> bool:
        return self._held is not None and self._held.number > number
