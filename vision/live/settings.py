"""What a viewer may change while the demo runs, checked where it comes in."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Callable, Mapping


@dataclass(frozen=True)
class LiveSettings:
    """Which of the boxes are shown, and whether time stands still; the same for all viewers."""

    threshold: float = 0.5  # least score, 0 to 1
    clustering: float = 0.5  # overlap above which two boxes become one, 0 to 1
    hidden: frozenset[str] = frozenset()  # names of classes that are neither drawn nor recorded
    paused: bool = False

    def changed(
        self, wishes: Mapping[str, object], class_names: list[str], least_threshold: float = 0.0
    ) -> LiveSettings:
        """Return settings with some of the fields replaced.

        Args:
            wishes: field -> value, as JSON has them; `hidden` is a list of names.
            class_names: what may be hidden.

        Raises:
            ValueError: unknown field, or a value of the wrong type or range.
        """
        settings = self
        for name, value in wishes.items():
            if name == "threshold":
                settings = replace(settings, threshold=_fraction(name, value, least_threshold))
            elif name == "clustering":
                settings = replace(settings, clustering=_fraction(name, value))
            elif name == "hidden":
                if not (isinstance(value, list) and all(one in class_names for one in value)):
                    raise ValueError("hidden must be a list of names of classes")
                settings = replace(settings, hidden=frozenset(value))
            elif name == "paused" and isinstance(value, bool):
                settings = replace(settings, paused=value)
            else:
                raise ValueError(f"there is no setting {name!r} that takes {value!r}")
        return settings


def _fraction(name: str, value: object, least: float = 0.0) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 1:
        raise ValueError(f"{name} must be a number from {least:g} to 1, got {value!r}")
    return float(value)


class SharedSettings:
    """Settings that several threads read and viewers change."""

    def __init__(
        self, settings: LiveSettings, class_names: list[str], least_threshold: float = 0.0
    ) -> None:
        """Begin with some settings.

        Args:
            class_names: of the detector; what may be hidden.
            least_threshold: that viewers may choose.
        """
        self.class_names, self.least_threshold = class_names, least_threshold
        self._now = settings
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []

    @property
    def now(self) -> LiveSettings:
        """Return what holds at this moment."""
        return self._now

    def change(self, wishes: Mapping[str, object]) -> LiveSettings:
        """Replace some of the settings and tell everyone; see `LiveSettings.changed`."""
        with self._lock:
            self._now = self._now.changed(wishes, self.class_names, self.least_threshold)
        for listener in self._listeners:
            listener()
        return self._now

    def listen(self, listener: Callable[[], None]) -> None:
        """Call a function after every change, in the thread that makes it."""
        self._listeners.append(listener)
