"""Files that viewers ask for: pictures and videos, under names made here, never without limit."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Callable, Iterator

from vision.live.encoder import Result
from vision.live.pipeline import Pipeline
from vision.pictures.writing import encode_picture
from vision.utils.files import atomic_write, path_inside
from vision.video.writing import PacedVideo, VideoWriter

logger = logging.getLogger(__name__)

GIGABYTE = 1 << 30
LEFT_FREE = GIGABYTE // 2  # of the disk, for everyone else
RECORDING_RATE = 25.0  # frames per second


class LimitReachedError(ValueError):
    """Nothing more may be saved."""


class Budget:
    """How many bytes this run may still write, to all of its folders together."""

    def __init__(self, limit: int) -> None:
        """Begin with nothing written, of `limit` bytes."""
        self.limit, self.written = limit, 0
        self._lock = threading.Lock()

    def take(self, count: int, folder: str | Path) -> None:
        """Claim bytes before they are written.

        Args:
            folder: they go to, on a disk that must not fill up; it need not exist yet.

        Raises:
            LimitReachedError: they would go over the limit, or fill the disk.
        """
        with self._lock:
            if self.written + count > self.limit:
                raise LimitReachedError(
                    f"this run has saved {self.written / GIGABYTE:.2f} GB, and its limit is "
                    f"{self.limit / GIGABYTE:.2f} GB; restart it with a larger --max-saved-gb"
                )
            folder = Path(folder).absolute()
            there = next(one for one in (folder, *folder.parents) if one.exists())
            if shutil.disk_usage(there).free - count < LEFT_FREE:
                raise LimitReachedError(f"the disk of {folder} is full; make room on it")
            self.written += count

    @contextmanager
    def taking(self, count: int, folder: str | Path) -> Iterator[None]:
        """Claim bytes, as `take` does, for a block that writes them; not if the block fails."""
        self.take(count, folder)
        try:
            yield
        except BaseException:
            self.give_back(count)
            raise

    def give_back(self, count: int) -> None:
        """Return bytes that were deleted again."""
        with self._lock:
            self.written -= count


class Keeper:
    """Saves snapshots and one recording at a time into a folder.

    Attributes:
        names: of the files that this run made and that may be fetched, oldest first.
    """

    def __init__(
        self, pipeline: Pipeline, folder: Path, budget: Budget,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:  # fmt: skip
        """Say where to; the folder is made with the first file."""
        self.folder, self.budget = folder, budget
        self.names: list[str] = []
        self.message = ""  # why the last recording ended by itself
        self._pipeline, self._now = pipeline, now
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._end = threading.Event()
        self._recording = ""

    @property
    def recording(self) -> str:
        """Return the name of the video that is being written, "" if none is."""
        return self._recording

    def snapshot(self, result: Result) -> str:
        """Save a result at full size, drawn as it is shown; return the name of the file."""
        data = encode_picture(self._pipeline.draw(result))
        with self._lock, self.budget.taking(len(data), self.folder):
            name = self._new_name("snapshot", ".jpg")
            with atomic_write(path_inside(self.folder, name)) as temporary:
                temporary.write_bytes(data)
            self.names.append(name)
        return name

    def start_recording(self) -> str:
        """Begin to write what viewers see to a video; return its name."""
        with self._lock:
            if not self._recording:
                self.budget.take(0, self.folder)
                self.message = ""
                self._recording = self._new_name("recording", ".mp4")
                self._end.clear()
                self._thread = threading.Thread(target=self._record, daemon=True, name="record")
                self._thread.start()
            return self._recording

    def stop_recording(self) -> None:
        """Finish the video; it is whole when this returns."""
        thread = self._thread
        self._end.set()
        if thread is not None:
            thread.join(10)

    def _record(self) -> None:
        path, seen, counted = path_inside(self.folder, self._recording), 0, 0
        begun = time.monotonic()
        try:
            with self._pipeline.drawn.watching(), VideoWriter(path, RECORDING_RATE) as video:
                paced = PacedVideo(video)
                while not (self._end.is_set() or self._pipeline.over):
                    numbered = self._pipeline.drawn.slot.wait(after=seen, timeout=0.2)
                    if numbered is None:
                        continue
                    seen, picture = numbered.number, numbered.item
                    # Of a picture that stood before, only what stands from now on is recorded.
                    paced.write(picture.image, max(begun, picture.result.frame.captured))
                    grown, counted = video.bytes_written - counted, video.bytes_written
                    try:
                        self.budget.take(grown, self.folder)
                    except LimitReachedError as error:
                        self.message = f"The recording was ended: {error}"
                        break
                paced.close()
        except (ValueError, OSError) as error:
            self.message = f"The recording failed: {error}"
            logger.warning("%s", self.message)
        finally:
            if path.is_file():
                self.names.append(path.name)
            self._recording = ""

    def _new_name(self, kind: str, suffix: str) -> str:
        stem = f"{kind}-{self._now():%Y%m%d-%H%M%S}"
        name, number = f"{stem}{suffix}", 1
        while (self.folder / name).exists() or name in self.names:
            number += 1
            name = f"{stem}-{number}{suffix}"
        return name
