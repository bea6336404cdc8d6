"""From the word for a source to frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

from vision.pictures.reading import read_picture
from vision.video.frames import Frame, FrameSource
from vision.video.grammar import PictureSource
from vision.video.http_stream import open_http
from vision.video.opencv_capture import open_camera, open_csi, open_file, open_stream


@dataclass(frozen=True)
class CameraWishes:
    """What to ask a camera for; it gives what it has."""

    size: tuple[int, int] | None = None  # (width, height), pixels
    rate: float = 0.0  # frames per second, 0 for the camera's own


class PictureFrames:
    """Picture files one after another."""

    live = False
    rate = 0.0
    fault = ""

    def __init__(self, sources: Sequence[PictureSource]) -> None:
        """Start before the first."""
        self._sources = list(sources)
        self.frames = len(self._sources)
        self._next = 0

    def read(self) -> Frame | None:
        """Return the next picture; None after the last.

        Raises:
            PictureError: it cannot be read; the one after it can be all the same.
        """
        number = self._next
        if number >= len(self._sources):
            return None
        self._next += 1
        path = self._sources[number].path
        return Frame(read_picture(path), number, 0.0, path.name)

    def seek(self, number: int) -> None:
        """Go to the picture of a number; past either end it goes round."""
        self._next = number % len(self._sources)

    def interrupt(self) -> None:
        """Do nothing: reading a file does not wait."""

    def close(self) -> None:
        """Do nothing: files are opened one by one."""


def open_source(source: PictureSource, wishes: CameraWishes | None = None) -> FrameSource:
    """Open one source.

    Raises:
        SourceError: nothing is there or answers; asking again may help.
        ValueError: it cannot be read, whatever one does.
    """
    wishes = wishes or CameraWishes()
    if source.kind == "picture":
        return PictureFrames([source])
    if source.kind == "video":
        if not source.path.is_file():
            raise FileNotFoundError(f"there is no video {source.path.absolute()}")
        return open_file(source.address)
    if source.kind == "camera":
        return open_camera(int(source.address), str(source), wishes.size, wishes.rate)
    if source.kind == "csi":
        return open_csi(int(source.address), wishes.size, wishes.rate)
    camera = open_http(source.address, str(source)) if source.kind == "http" else None
    return camera or open_stream(source.address, str(source))
