"""Download a file; what was interrupted goes on where it stopped, also in the next run."""

from __future__ import annotations

import base64
import hashlib
import http.client
import logging
import re
import shutil
from functools import partial
from pathlib import Path
from typing import Callable

from vision.download.transfer.http import (
    HTTP_CHUNK,
    RangeError,
    check_length,
    open_url,
    receive,
    stated_length,
)
from vision.download.transfer.retry import (
    Attempts,
    DownloadError,
    RetryPolicy,
    TransientError,
    ascii_number,
)
from vision.utils.files import naming_file

logger = logging.getLogger(__name__)

ADVICE = "; check the connection and run this again, it goes on where it stopped"

# Called with the number of bytes on the disk, and of the whole file or None if that is not known.
ProgressCallback = Callable[[int, "int | None"], None]


def part_path(path: Path) -> Path:
    """Return where the bytes of an unfinished `path` are kept."""
    return path.with_name(path.name + ".part")


def download_file(
    url: str,
    path: Path,
    policy: RetryPolicy | None = None,
    progress: ProgressCallback | None = None,
) -> Path:
    """Download `url` to `path`, which appears only when it is whole; a whole one is kept as it is.

    Bytes go to a `.part` file beside it, with the server's version tag in a `.part.tag`. An
    interrupted transfer asks for the rest only, and for all of it where the server's file has
    changed meanwhile. The length is checked, and the MD5 sum where the server states one. Only
    failures in a row that bring no new byte count as attempts. Two runs would write into one
    `.part`: who calls this holds `locked(path.parent)`.

    Raises:
        MissingError: if the server does not have the file.
        DownloadError: if it cannot be had within the attempts, or does not fit on the disk.
    """
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path)
    attempts = Attempts(policy or RetryPolicy(), log_level=logging.WARNING, advice=ADVICE)
    furthest = part.size()
    while True:
        try:
            _receive(url, part, attempts.policy, progress)
            break
        except TransientError as error:
            if part.size() > furthest:
                furthest = part.size()
                attempts.reset()
            attempts.failed(error)
    part.finish()
    return path


class _Part:
    """The unfinished file of a transfer, and the tag of the version that it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = part_path(path)
        self.tag_path = self.part.with_name(self.part.name + ".tag")

    def size(self) -> int:
        """Return how many bytes are there."""
        return self.part.stat().st_size if self.part.exists() else 0

    def range_headers(self) -> dict[str, str]:
        """Return the headers that ask for the rest."""
        # Without a tag nothing says that the rest would be of the same version.
        if not self.size() or not self.tag_path.exists():
            return {}
        tag = self.tag_path.read_text(encoding="utf-8", errors="replace")
        return {"Range": f"bytes={self.size()}-", "If-Range": tag} if _fits_header(tag) else {}

    def start(self, headers: http.client.HTTPMessage) -> None:
        """Begin anew with the version that the headers of the answer tell."""
        self.part.write_bytes(b"")
        self._forget_tag()
        tag = headers.get("ETag", "")
        # A weak tag says that two files are alike, not that their bytes are.
        tag = headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
        if tag and _fits_header(tag):
            self.tag_path.write_text(tag, encoding="utf-8")

    def discard(self) -> None:
        """Remove the bytes and the tag."""
        self._forget_tag()
        if self.part.exists():
            self.part.unlink()

    def finish(self) -> None:
        """Give the bytes their name."""
        self.part.replace(self.path)
        self._forget_tag()

    def _forget_tag(self) -> None:
        if self.tag_path.exists():
            self.tag_path.unlink()


def _fits_header(tag: str) -> bool:
    """Return whether a tag can be sent back, in the header of a request for the rest."""
    return tag.isascii() and tag.isprintable()


def _receive(url: str, part: _Part, policy: RetryPolicy, progress: ProgressCallback | None) -> None:
    """Bring the part file to its full length, from where it stands, over one connection."""
    try:
        with open_url(url, policy.timeout, part.range_headers()) as response:
            total = _start_or_resume(url, part, response)
            _check_room(url, part, total)
            done = part.size()
            with naming_file(part.path), part.part.open("ab") as file:
                for chunk in receive(response, url, policy):
                    file.write(chunk)
                    done += len(chunk)
                    if progress:
                        progress(done, total)
            check_length(part.size(), total, url)
            _check_sum(url, part, response.headers)
    except RangeError as error:
        # The last run may have ended after the last byte and before the renaming.
        if part.size() != error.total:
            part.discard()
            raise


def _start_or_resume(url: str, part: _Part, response: http.client.HTTPResponse) -> int | None:
    """Prepare the part file for the body that follows; return the length of the whole."""
    if response.status != http.client.PARTIAL_CONTENT:
        length = stated_length(response.headers, url)
        part.start(response.headers)
        return length
    stated = re.match(r"bytes ([0-9]+)-[0-9]+/([0-9]+)$", response.headers.get("Content-Range", ""))
    first, total = map(ascii_number, stated.groups()) if stated else (None, None)
    if total is None or first != part.size():
        part.discard()
        raise TransientError(f"{url}: the server sent another range than the one asked for")
    logger.info("Going on at %.1f MB of %s", part.size() / 1e6, part.path.name)
    return total


def _check_room(url: str, part: _Part, total: int | None) -> None:
    needed = (total or 0) - part.size()
    free = shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise DownloadError(
            f"{part.path.name} needs {needed / 1e6:.0f} MB more in {part.path.parent}, "
            f"which has {free / 1e6:.0f} MB free; make room or name another folder (it comes "
            f"from {url})"
        )


def _check_sum(url: str, part: _Part, headers: http.client.HTTPMessage) -> None:
    """Compare with the MD5 sum that Google's storage states beside its files."""
    stated = re.search(r"md5=([A-Za-z0-9+/]+=*)", headers.get("x-goog-hash", ""))
    if not stated:
        return
    digest = hashlib.md5()
    with part.part.open("rb") as file:
        for block in iter(partial(file.read, HTTP_CHUNK), b""):
            digest.update(block)
    if base64.b64encode(digest.digest()).decode() != stated.group(1):
        part.discard()
        raise TransientError(f"{url}: the bytes received do not have the MD5 sum stated")
