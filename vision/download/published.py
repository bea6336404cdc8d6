"""Weights of whole detectors that upstream has published, to start training from."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import NamedTuple

from vision.download.transfer.lock import locked
from vision.download.transfer.retry import RetryPolicy
from vision.download.transfer.whole_file import download_file

logger = logging.getLogger(__name__)

# A training can start without these weights, so nobody should wait long for a missing network.
OFFLINE_AT_ONCE = RetryPolicy(name_lookups=2)


class Published(NamedTuple):
    """A file, its address, and its checksum, which is "" where none is known."""

    file_name: str
    address: str
    git_blob: str  # SHA-1 over "blob SIZE\0" and the bytes


PUBLISHED = {
    "mb1-ssd": Published(
        "mobilenet-v1-ssd-mp-0_675.pth",
        "https://nvidia.box.com/shared/static/djf5w54rjvpqocsiztzaandq1m3avr7c.pth",
        "b98c4b0e076c2413e453ad4a8767906d39820215",
    ),
    "mb2-ssd-lite": Published(
        "mb2-ssd-lite-mp-0_686.pth",
        "https://storage.googleapis.com/models-hao/mb2-ssd-lite-mp-0_686.pth",
        "5142c114e60e2b409be35de6e603993c9ea99c08",
    ),
    "vgg16-ssd": Published(
        "vgg16-ssd-mp-0_7726.pth",
        "https://storage.googleapis.com/models-hao/vgg16-ssd-mp-0_7726.pth",
        "",
    ),
}


def is_as_published(path: Path, published: Published) -> bool:
    """Return whether a file is the published one; where no checksum is known, any file is."""
    if not published.git_blob:
        return True
    content = path.read_bytes()
    header = b"blob %d\0" % len(content)
    return hashlib.sha1(header + content).hexdigest() == published.git_blob


def require_as_published(path: Path, published: Published) -> None:
    """Check a file that has just been downloaded, and delete it if it is not the published one.

    Raises:
        ValueError: if it is not, saying where to get the right one, and how to go on without it.
    """
    if is_as_published(path, published):
        return
    size = path.stat().st_size
    path.unlink()
    raise ValueError(
        f"what {published.address} sent ({size} bytes) is not {published.file_name} as published "
        f"and was deleted; {how_to_go_on(path, published)}"
    )


def how_to_go_on(path: Path, published: Published) -> str:
    """Return what to do without the file."""
    return (
        f"get it from {published.address} by other means and put it at {path}, or start from a "
        "backbone with --base-net FILE, or from scratch with --pretrained-ssd none"
    )


def fetch_published(net: str, folder: Path) -> Path | None:
    """Return the published weights of a net in `folder`, fetched if they are not there.

    Returns:
        None for a net that has none.

    Raises:
        ValueError: if they cannot be had, or other bytes came, saying how to go on.
    """
    published = PUBLISHED.get(net)
    if published is None:
        return None
    path = folder / published.file_name
    if not path.is_file():
        try:
            _fetch(published, path)
        except OSError as error:
            raise ValueError(f"{error}; {how_to_go_on(path, published)}") from error
    return path


def _fetch(published: Published, path: Path) -> None:
    """Fetch and check a file, unless another process has done it while this one waited for it."""
    with locked(path.parent):
        if not path.is_file():
            logger.info("Fetching %s from %s", path, published.address)
            download_file(published.address, path, OFFLINE_AT_ONCE)
            require_as_published(path, published)
