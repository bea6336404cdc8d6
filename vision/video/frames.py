"""One picture out of a stream of them, and what every source of such pictures can do."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


class SourceError(OSError):
    """A source that cannot be opened, or that stopped giving pictures; asking again may help."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and where it comes from."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    number: int  # from 0, counted since the source was opened
    seconds: float  # its place in a video file; elsewhere the time since the source was opened
    name: str = ""  # of the picture file; empty for a video or a camera
    captured: float = field(default_factory=time.monotonic)  # when it came in


class FrameSource(Protocol):
    """An open source: read frames until there are none, then close it."""

    live: bool  # whether frames come at their own pace and are gone if no one takes them
    rate: float  # frames per second as far as the source says; 0 where it does not
    frames: int  # how many there are; 0 where that is unknown or without end

    def read(self) -> Frame | None:
        """Return the next frame; None at the end of a file.

        Raises:
            SourceError: a live source gives nothing any more.
        """

    @property
    def fault(self) -> str:
        """Return what is wrong with a file that has been read to its end, "" if nothing is."""

    def interrupt(self) -> None:
        """Make a `read` that waits in another thread end soon, where that is possible."""

    def close(self) -> None:
        """Let go of the device, file or connection."""
