"""Get the pictures of a dataset that are not there yet, and list those that cannot be had."""

from __future__ import annotations

import logging
import re
import shutil
from pathlib import Path
from typing import Callable, Sequence

from vision.download.choice.splits import SplitT
from vision.download.transfer.pictures import (
    DownloadReport,
    Picture,
    PictureStore,
    download_pictures,
    mean_size,
    split_by_presence,
)
from vision.download.transfer.progress import PictureBar
from vision.download.transfer.retry import DownloadError, RetryPolicy
from vision.utils.files import atomic_write, read_regular

logger = logging.getLogger(__name__)

SAMPLE = 16  # the server is asked for the size of this many pictures
INTERRUPTED = 130  # exit status after Ctrl+C, as shells have it
MARGIN = 1.1  # the mean of the sample may be too low, and files take whole blocks of the disk


def gather_splits(
    splits: Sequence[SplitT],
    open_sources: Callable[[int], Sequence[PictureStore]],
    root: Path,
    policy: RetryPolicy,
    workers: int,
) -> tuple[list[SplitT], DownloadReport]:
    """Get the pictures of some splits; return what is left of each, whole pictures only.

    Parameters and errors are those of `gather_pictures`.

    Raises:
        ValueError: if no picture is wanted, or the name of one leads out of its folder.
    """
    pictures = [split.pictures(root) for split in splits]
    wanted = [picture for group in pictures for picture in group.values()]
    if not wanted:
        raise ValueError("no picture has what is asked for; loosen the options that leave some out")
    report = gather_pictures(wanted, open_sources, root, policy, workers)
    left = [
        split.within([number for number, p in group.items() if p.key in report.whole])
        for split, group in zip(splits, pictures)
    ]
    return left, report


def gather_pictures(
    pictures: Sequence[Picture],
    open_sources: Callable[[int], Sequence[PictureStore]],
    root: Path,
    policy: RetryPolicy,
    workers: int,
) -> DownloadReport:
    """Get the pictures that are not on the disk yet; write missing.txt if some do not come.

    `open_sources(n)` opens n sources, one for each thread. The report counts pictures of earlier
    runs among the whole ones.

    Raises:
        DownloadError: if the source is out of reach, or there is too little room on the disk.
    """
    here, absent = split_by_presence(pictures)
    report = DownloadReport(wanted=len(pictures), whole={picture.key for picture in here})
    if here:
        logger.info("%d of %d images are there already.", len(here), len(pictures))
    if absent:
        sources = open_sources(min(workers, len(absent)))
        mean = mean_size(absent[:: -(-len(absent) // SAMPLE)], sources[0], policy)
        root.mkdir(parents=True, exist_ok=True)
        check_room(root, len(absent), mean or 0.0)
        for folder in {picture.path.parent for picture in absent}:
            folder.mkdir(parents=True, exist_ok=True)
        logger.info("Starting to download %d images.", len(absent))
        with PictureBar(len(absent)) as bar:
            download_pictures(absent, sources, policy, report, bar)
    _write_missing(root / "missing.txt", report)
    return report


def conclude(report: DownloadReport) -> int:
    """Say how a download ended; return the exit status: 0 complete, 130 interrupted.

    Raises:
        OSError: if it is not complete, with the reason and what to do.
    """
    if isinstance(report.stopped, KeyboardInterrupt):
        whole = f"{len(report.whole)} of {report.wanted} images are here, all whole"
        logger.warning("Interrupted: %s; the same command goes on from there.", whole)
        return INTERRUPTED
    if report.stopped:
        raise report.stopped
    if report.failed:
        reason = next(iter(report.failed.values()))
        raise DownloadError(
            f"{len(report.failed)} of {report.wanted} images did not come (missing.txt lists "
            f"them; the first: {reason}); the same command tries them again"
        )
    if report.wanted and not report.whole:
        raise DownloadError(
            f"none of {report.wanted} images is at its place (missing.txt lists them)"
        )
    logger.info("Task Done.")
    return 0


def check_room(root: Path, count: int, mean: float) -> None:
    """Raise DownloadError unless that many pictures of `mean` bytes each fit on root's disk."""
    needed = count * mean * MARGIN
    free = shutil.disk_usage(root).free
    if needed > free:
        raise DownloadError(
            f"{count} images of {mean / 1e3:.0f} kB each (measured) need {needed / 1e6:.0f} MB in "
            f"{root}, which has {free / 1e6:.0f} MB free; make room or set --max-images",
        )
    logger.info("%d images need about %.0f MB, %.0f MB are free", count, needed / 1e6, free / 1e6)


def is_list_of_missing(path: Path) -> bool:
    """Return whether a file is a list of missing pictures that an earlier run has written."""
    lines = read_regular(path).decode("utf-8", "replace").splitlines()
    return all(re.fullmatch(r"[^\t]+\t[^\t]+", line) for line in lines)


def _write_missing(path: Path, report: DownloadReport) -> None:
    """List what did not come, with the reason; an empty list is no file."""
    reasons = {**report.missing, **report.failed}
    if not reasons:
        if path.is_file() and is_list_of_missing(path):
            path.unlink()
        return
    with atomic_write(path) as temporary:
        lines = (f"{key}\t{' '.join(why.split())}\n" for key, why in sorted(reasons.items()))
        temporary.write_text("".join(lines), encoding="utf-8")
    if report.missing:
        logger.warning(
            "Missing: %d of %d images (see %s)", len(report.missing), report.wanted, path
        )
    if report.failed:
        logger.warning("Failed: %d of %d images (see %s)", len(report.failed), report.wanted, path)
