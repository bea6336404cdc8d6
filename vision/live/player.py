"""The first stage: a thread that reads frames from a source, through pauses and losses."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Sequence

from vision.live.meters import Meter
from vision.live.settings import SharedSettings
from vision.pictures.reading import PictureError
from vision.video.frames import Frame, FrameSource, SourceError
from vision.video.grammar import PictureSource
from vision.video.opening import CameraWishes, PictureFrames, open_source
from vision.video.slot import LatestSlot

RETRY_SECONDS = (0.5, 1.0, 2.0, 4.0)  # before a lost camera is tried again; then always the last
SILENT_AFTER = 3.0  # without a frame, after which the viewers are told


@dataclass(frozen=True)
class PlayerState:
    """What the source does."""

    phase: str = "opening"  # or playing, lost, ended, failed
    message: str = ""  # for people: why it was lost, or is over
    number: int = 0  # of the present frame
    frames: int = 0  # how many there are, 0 where that is unknown

    @property
    def over(self) -> bool:
        """Tell whether no frame will come any more."""
        return self.phase in ("ended", "failed")


class Player:
    """Reads one source into a slot, where the newest frame lies.

    A camera sets its own pace; a file is played at its rate, pictures stand until `step`. A camera
    that is lost is opened again and again.
    """

    def __init__(
        self,
        sources: Sequence[PictureSource],
        settings: SharedSettings,
        repeat: bool = True,
        wishes: CameraWishes | None = None,
    ) -> None:
        """Open the source, so that a wrong one fails at once.

        Args:
            sources: one video or camera, or any number of pictures.
            repeat: whether a video begins again at its end.
            wishes: what to ask a camera for.

        Raises:
            ValueError: several videos or cameras, or one that cannot be read.
            OSError: nothing is there.
        """
        self.pictures = all(source.kind == "picture" for source in sources)
        if not self.pictures and len(sources) > 1:
            raise ValueError(
                "the live demo plays pictures, or one video or camera; the source names "
                f"{len(sources)} of them"
            )
        self.name = ", ".join(map(str, sources[:1])) + (" ..." if len(sources) > 1 else "")
        self.live = sources[0].live
        self.slot: LatestSlot[Frame] = LatestSlot()
        self.meter = Meter()
        self.state = PlayerState()
        self._sources, self._wishes = list(sources), wishes
        self._settings, self._repeat = settings, repeat
        self._stop, self._wake = threading.Event(), threading.Event()
        self._position = 0
        self._last_seen = 0.0  # when a frame came that was not wanted, as time stood still
        self._retry: Sequence[float] = RETRY_SECONDS
        self._opened: FrameSource | None = self._open()
        self._playing: FrameSource | None = None
        settings.listen(self._wake.set)

    def run(self) -> None:
        """Play until `stop`, until a file ends that is not to be repeated, or it cannot be read."""
        tries = 0
        while not self._stop.is_set():
            before = self.meter.count
            try:
                if self._opened is None:
                    self._opened = self._open()
                self._playing, self._opened = self._opened, None
                with closing(self._playing):
                    self._play(self._playing)
                if not self._repeat and not self._stop.is_set():
                    self._say("ended", "The video has ended.")
                    return
            except SourceError as error:
                tries = 1 if self.meter.count > before else tries + 1
                self._say("lost", str(error))
                self._stop.wait(self._retry[min(tries, len(self._retry)) - 1])
            except (ValueError, OSError) as error:  # a file that has gone
                self._say("failed", str(error))
                return

    def stop(self) -> None:
        """End `run` as soon as the source lets go of it."""
        self._stop.set()
        self._wake.set()
        if self._playing is not None:
            self._playing.interrupt()

    def step(self, by: int) -> None:
        """Go to another picture, forwards or backwards; of a video or camera nothing happens.

        Raises:
            ValueError: it is no whole number, with which the thread that plays could not go on.
        """
        if type(by) is not int:
            raise ValueError(f"a step must be a whole number of pictures, got {by!r}")
        if self.pictures:
            self._position = (self._position + by) % len(self._sources)
            self._wake.set()

    def silence(self) -> float:
        """Return for how many seconds a camera that should play has given nothing, else 0."""
        newest = self.slot.newest()
        if not self.live or self.state.phase != "playing" or newest is None:
            return 0.0
        silence = time.monotonic() - max(newest.item.captured, self._last_seen)
        return silence if silence > SILENT_AFTER else 0.0

    def _open(self) -> FrameSource:
        if self.pictures:
            return PictureFrames(self._sources)
        return open_source(self._sources[0], self._wishes)

    def _play(self, frames: FrameSource) -> None:
        if isinstance(frames, PictureFrames):
            self._show_pictures(frames)
        elif frames.live:
            self._follow(frames)
        else:
            self._keep_time(frames)

    def _follow(self, frames: FrameSource) -> None:
        """Take what a camera gives; while time stands still it is read all the same, or it lags."""
        while not self._stop.is_set():
            frame = frames.read()
            if frame is None:
                raise SourceError(f"{self.name} has ended")
            if self._settings.now.paused:
                self._last_seen = frame.captured
            else:
                self._put(frame, 0)

    def _keep_time(self, frames: FrameSource) -> None:
        """Show each frame of a file when it is due; what comes too late is not made up for."""
        start = None
        while not self._stop.is_set():
            if self._settings.now.paused:
                self._wait_for_change()
                start = None
                continue
            frame = frames.read()
            if frame is None:
                return
            if start is None:
                start = time.monotonic() - frame.seconds
            due = start + frame.seconds
            late = time.monotonic() - due
            if late > 1.0:  # the file cannot be read this fast: go on from here
                start += late
            self._stop.wait(max(0.0, -late))
            self._put(Frame(frame.image, frame.number, frame.seconds, frame.name), frames.frames)

    def _show_pictures(self, frames: PictureFrames) -> None:
        shown = None
        while not self._stop.is_set():
            if shown != self._position:
                shown = self._position
                frames.seek(shown)
                try:
                    frame = frames.read()
                except PictureError as error:
                    self.state = PlayerState("playing", str(error), shown, frames.frames)
                else:
                    if frame is not None:
                        self._put(frame, frames.frames)
            self._wait_for_change()

    def _wait_for_change(self) -> None:
        self._wake.wait()
        self._wake.clear()

    def _put(self, frame: Frame, frames: int) -> None:
        self.state = PlayerState("playing", "", frame.number, frames)
        self.slot.put(frame)
        self.meter.add()

    def _say(self, phase: str, message: str) -> None:
        self.state = PlayerState(phase, message, self.state.number, self.state.frames)
