"""Video files: whole or absent, like every file that is written here."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np

from vision.utils.files import LITTLE, DiskFullError, atomic_write

# By suffix, what OpenCV can write without further libraries and what players play.
CODECS = {".mp4": "mp4v", ".m4v": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}
DEFAULT_RATE = 25.0  # frames per second, where the source does not say
LONGEST_STILL = 5.0  # seconds that one frame stands in a paced video


class VideoNotWrittenError(OSError):
    """A video that did not come to the disk whole."""


class VideoWriter:
    """Writes frames to a video file; under its name it appears when the block ends well.

    A file is begun with the first frame, whose size it has; without a frame there is none.
    """

    def __init__(self, path: str | Path, rate: float = 0.0) -> None:
        """Say where to and how fast.

        Args:
            path: its suffix, a key of CODECS, says in which format.
            rate: frames per second, 0 where it is not known.

        Raises:
            ValueError: unknown suffix.
        """
        self.path, self.rate = Path(path), rate or DEFAULT_RATE
        self.count = 0  # of frames written
        if self.path.suffix.lower() not in CODECS:
            raise ValueError(f"a video is written as {', '.join(CODECS)}, not as {self.path.name}")
        self._stack = ExitStack()
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)  # (width, height)
        self._part: Path | None = None  # the file that will become `path`

    @property
    def bytes_written(self) -> int:
        """Return how large the file is by now."""
        return self._part.stat().st_size if self._part and self._part.exists() else 0

    def __enter__(self) -> VideoWriter:
        """Wait for the first frame."""
        return self

    def write(self, image: np.ndarray) -> None:
        """Add a (H, W, 3) uint8 RGB frame; one of another size is stretched to that of the first.

        Raises:
            ValueError: this OpenCV cannot write the file.
        """
        if self._writer is None:
            self._writer = self._begin((image.shape[1], image.shape[0]))
        if (image.shape[1], image.shape[0]) != self._size:
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        self._writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        self.count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the file, or remove it where the block failed.

        Raises:
            OSError: it is not whole, on a full disk for example; then there is none.
        """
        # Interrupted by the user, what was written until then is wanted.
        if kind is not None and not issubclass(kind, KeyboardInterrupt):
            self._release()
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            self._release()
            if self._part is not None:
                self._require_whole(self._part)

    def _release(self) -> None:
        if self._writer is not None:
            self._writer.release()
            self._writer = None

    def _require_whole(self, part: Path) -> None:
        """Open what was written: OpenCV says nothing of a write that failed."""
        capture = cv2.VideoCapture(str(part))
        is_video = capture.isOpened() and capture.grab()
        frames = capture.get(cv2.CAP_PROP_FRAME_COUNT) if is_video else 0
        capture.release()
        # Where a container has no count, it is made of the length, and rounded.
        if frames > 0 and frames >= self.count * 0.99 - 1:
            return
        if shutil.disk_usage(part.parent).free < LITTLE:
            raise DiskFullError(self.path)
        raise VideoNotWrittenError(
            f"{self.path} was not written: what came to the disk of {part.parent.absolute()} is "
            f"not a video of {self.count} frames; make room there, or allow larger files "
            "(ulimit -f)"
        )

    def _begin(self, size: tuple[int, int]) -> cv2.VideoWriter:
        self._part = part = self._stack.enter_context(atomic_write(self.path))
        code = cv2.VideoWriter.fourcc(*CODECS[self.path.suffix.lower()])
        writer = cv2.VideoWriter(str(part), code, self.rate, size)
        if not writer.isOpened():
            raise ValueError(
                f"this OpenCV {cv2.__version__} cannot write {self.path}; try another suffix: "
                f"{', '.join(CODECS)}"
            )
        self._size = size
        return writer


class PacedVideo:
    """Gives a video of a fixed rate frames that come when they come: repeats and drops them.

    What stood still for longer than LONGEST_STILL seconds is cut to that.
    """

    def __init__(self, writer: VideoWriter) -> None:
        """Write to an open writer."""
        self._writer = writer
        self._start: float | None = None
        self._last: np.ndarray | None = None

    def write(self, image: np.ndarray, moment: float) -> None:
        """Show a frame from a moment on, in seconds of any clock that runs evenly."""
        if self._start is None:
            self._start = moment
        due = round((moment - self._start) * self._writer.rate)
        still = (due - self._writer.count) / self._writer.rate
        if still > LONGEST_STILL:
            self._start += still - LONGEST_STILL
            due = self._writer.count + round(LONGEST_STILL * self._writer.rate)
        self.fill(due)
        self._last = image

    def fill(self, due: int) -> None:
        """Repeat the last frame until the video has `due` frames."""
        while self._last is not None and self._writer.count < due:
            self._writer.write(self._last)

    def close(self) -> None:
        """Write the last frame, which nothing has followed."""
        self.fill(self._writer.count + 1)
