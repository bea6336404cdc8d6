"""Download many pictures at once; a file that gets its final name here is whole."""

from __future__ import annotations

import queue
import threading
from dataclasses import dataclass, field, replace
from logging import WARNING
from pathlib import Path
from typing import Callable, Iterator, Protocol, Sequence, TypeVar

from vision.download.transfer.retry import (
    Attempts,
    DamagedError,
    DownloadError,
    MissingError,
    RetryPolicy,
    TransientError,
)
from vision.download.transfer.whole_file import part_path
from vision.pictures.whole_jpeg import is_whole_jpeg, jpeg_fault
from vision.utils.files import naming_file

FAILURES_IN_A_ROW = 20  # after these the source must be out of reach
JOIN_SECONDS = 2.0  # time that all threads together get to end

T = TypeVar("T")


class PictureStore(Protocol):
    """Where pictures come from; each thread has one of its own."""

    def read(self, key: str) -> bytes:
        """Return the bytes of a picture in one attempt."""

    def size(self, key: str) -> int:
        """Return the length of a picture in bytes in one attempt."""


@dataclass(frozen=True)
class Picture:
    """One picture to get: its key at the source, and its place on the disk."""

    key: str
    path: Path


@dataclass
class DownloadReport:
    """What became of the pictures. Keys of the three groups are disjoint.

    `missing` and `failed` give a reason for each key. Missing ones are not to be had at all: the
    source does not have them, or has them damaged. Failed ones may come another time. Where the
    run was stopped early, the pictures in no group were not tried.
    """

    wanted: int = 0
    whole: set[str] = field(default_factory=set)
    missing: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    stopped: BaseException | None = None


def split_by_presence(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return the pictures that lie whole on the disk, and the others.

    What lies damaged at a picture's place stays there until a whole one comes.
    """
    here: list[Picture] = []
    absent: list[Picture] = []
    for picture in pictures:
        whole = picture.path.is_file() and is_whole_jpeg(picture.path)
        (here if whole else absent).append(picture)
    return here, absent


def download_pictures(
    pictures: Sequence[Picture],
    sources: Sequence[PictureStore],
    policy: RetryPolicy,
    report: DownloadReport,
    on_picture: Callable[[], None] | None = None,
) -> None:
    """Download pictures with one thread for each source; enter what became of each.

    What would hit every other picture too ends it early: Ctrl+C, a full disk, a source out of
    reach. Then `report.stopped` says what it was. `on_picture` is called, in this thread, after
    each picture.
    """
    team = _Team(pictures, sources, policy)
    most = max(FAILURES_IN_A_ROW, 2 * len(sources))
    failures = 0
    try:
        for picture, error in team.results():
            _enter(report, picture.key, error)
            failures = failures + 1 if picture.key in report.failed else 0
            if failures >= most:
                raise DownloadError(f"the last {most} pictures failed, so did {error}")
            if on_picture:
                on_picture()
    except (KeyboardInterrupt, OSError) as error:
        report.stopped = error
    finally:
        team.stop()


def mean_size(
    pictures: Sequence[Picture], source: PictureStore, policy: RetryPolicy
) -> float | None:
    """Ask the source for the lengths of some pictures; return their mean in bytes.

    None where it gives none of them.

    Raises:
        DownloadError: if two pictures fail and none comes; the source must be out of reach.
    """
    sizes: list[int] = []
    failures = 0
    for picture in pictures:
        try:
            sizes.append(_insist(source.size, picture.key, Attempts(policy, log_level=WARNING)))
        except MissingError:
            continue
        except DownloadError:
            failures += 1
            if failures > 1 and not sizes:
                raise
            # The second is asked only to tell a bad picture from a bad connection.
            policy = replace(policy, attempts=1)
    return sum(sizes) / len(sizes) if sizes else None


def fetch_picture(
    source: PictureStore, picture: Picture, policy: RetryPolicy, pause: Callable[[float], object]
) -> None:
    """Get one picture onto the disk, whole, whatever the network does meanwhile.

    Raises:
        MissingError: if the source does not have it.
        DamagedError: if the source keeps giving the same bytes, and they are no whole JPEG.
        DownloadError: if it cannot be had within the attempts.
        OSError: if it cannot be written.
    """
    data = _insist(_Reader(source), picture.key, Attempts(policy, pause))
    part = part_path(picture.path)
    file = part.open("wb")
    try:
        with naming_file(picture.path), file:
            file.write(data)
        part.replace(picture.path)
    except OSError:
        part.unlink()
        raise


class _Reader:
    """Reads whole pictures only; what comes damaged in the same way twice is so at its source."""

    def __init__(self, source: PictureStore) -> None:
        self.source = source
        self.damaged: bytes | None = None

    def __call__(self, key: str) -> bytes:
        data = self.source.read(key)
        fault = jpeg_fault(data)
        if fault is None:
            return data
        if data == self.damaged:
            raise DamagedError(f"{key} is damaged at its source: {fault}")
        self.damaged = data
        raise TransientError(f"{key}: {fault}")


def _insist(action: Callable[[str], T], key: str, attempts: Attempts) -> T:
    while True:
        try:
            return action(key)
        except TransientError as error:
            attempts.failed(error)


def _enter(report: DownloadReport, key: str, error: OSError | None) -> None:
    """Enter one result into the report; raise what would hit every other one too."""
    if error is None:
        report.whole.add(key)
    elif isinstance(error, (MissingError, DamagedError)):
        report.missing[key] = str(error)
    elif isinstance(error, DownloadError):
        report.failed[key] = str(error)
    else:
        raise error


class _Team:
    """Threads that take pictures from one list and put what became of them into one queue."""

    def __init__(
        self, pictures: Sequence[Picture], sources: Sequence[PictureStore], policy: RetryPolicy
    ) -> None:
        self.count = len(pictures)
        self.policy = policy
        self.outcomes: queue.Queue[tuple[Picture, OSError | None] | None] = queue.Queue()
        self.stopping = threading.Event()
        self.left = iter(pictures)
        self.lock = threading.Lock()
        self.threads = [
            # A thread that hangs in a read must not keep an interrupted program alive.
            threading.Thread(target=self._work, args=(source,), daemon=True)
            for source in sources[: self.count]
        ]

    def results(self) -> Iterator[tuple[Picture, OSError | None]]:
        """Yield each picture with what kept it from coming, None if it is on the disk."""
        for thread in self.threads:
            thread.start()
        delivered, running = 0, len(self.threads)
        while running:
            outcome = self.outcomes.get()
            if outcome is None:
                running -= 1
                continue
            delivered += 1
            yield outcome
        if delivered < self.count:
            raise RuntimeError("a download thread broke down; its own error stands above")

    def stop(self) -> None:
        """Have every thread end after the picture in hand; wait for them, but not for long."""
        self.stopping.set()
        for thread in self.threads:
            if thread.ident is not None:
                thread.join(JOIN_SECONDS / len(self.threads))

    def _work(self, source: PictureStore) -> None:
        try:
            while not self.stopping.is_set():
                with self.lock:
                    picture = next(self.left, None)
                if picture is None:
                    return
                try:
                    fetch_picture(source, picture, self.policy, self.stopping.wait)
                    self.outcomes.put((picture, None))
                except OSError as error:
                    self.outcomes.put((picture, error))
        finally:
            self.outcomes.put(None)
