"""Files over HTTP that go on where they stopped, in this run or in the next."""

from __future__ import annotations

import base64
import hashlib
import http.client
import logging
import re
import shutil
import ssl
import urllib.error
import urllib.request
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Callable, Iterator, Mapping

from vision.download.transfer.retry import (
    Attempts,
    DownloadError,
    RateGuard,
    RetryPolicy,
    TransientError,
    error_for_status,
)

logger = logging.getLogger(__name__)

HTTP_CHUNK = 1 << 18  # bytes
USER_AGENT = "pytorch-ssd-downloader"
REQUEST_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}

ADVICE = "; check the connection and run this again, it goes on where it stopped"

# Time-outs, resets, no route to the host, TLS (all OSError), and answers that are no HTTP.
CONNECTION_ERRORS = (OSError, http.client.HTTPException)

# Called with the bytes on the disk and the length of the whole, None where the server hides it.
ProgressCallback = Callable[[int, "int | None"], None]


class RangeError(TransientError):
    """The server's file ends where the part file does, or before.

    Attributes:
        total: its length in bytes, None where the server does not say it.
    """

    def __init__(self, url: str, content_range: str) -> None:
        super().__init__(f"{url}: the server has nothing from the end of the part file on")
        length = content_range.rpartition("/")[2]
        self.total = int(length) if length.isdigit() else None


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
    changed meanwhile. The length is checked, and the MD5 sum where the server states one. The
    failures that count are those in a row without a new byte.

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


def read_url(url: str, policy: RetryPolicy) -> bytes:
    """Return the body behind `url` in one attempt, its length checked."""
    with open_url(url, policy.timeout) as response:
        body = b"".join(receive(response, url, policy))
    check_length(len(body), stated_length(response.headers), url)
    if "x-amz-request-id" in response.headers:
        check_tag(body, response.headers.get("ETag", ""), url)
    return body


def url_length(url: str, policy: RetryPolicy) -> int:
    """Return the length of the body behind `url`; 0 where the server hides it."""
    with open_url(url, policy.timeout, method="HEAD") as response:
        return stated_length(response.headers) or 0


def stated_length(headers: Message) -> int | None:
    """Return the Content-Length in bytes, None where there is none."""
    stated = headers.get("Content-Length")
    return int(stated) if stated and stated.isdigit() else None


def check_length(received: int, stated: int | None, what: str) -> None:
    """Raise TransientError unless as many bytes came as the server stated."""
    if stated is not None and received != stated:
        raise TransientError(f"{what}: the connection closed after {received} of {stated} bytes")


def check_tag(body: bytes, tag: str, what: str) -> None:
    """Raise TransientError if the tag that S3 gives an object is an MD5 sum, and not that of body.

    It is one for objects that were stored in one piece.
    """
    tag = tag.strip('"')
    if re.fullmatch("[0-9a-f]{32}", tag) and hashlib.md5(body).hexdigest() != tag:
        raise TransientError(f"{what}: the bytes received do not have the MD5 sum stated")


def open_url(
    url: str, timeout: float, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> http.client.HTTPResponse:
    """Open `url` and return the response, which the caller closes.

    Raises:
        RangeError: if the server has nothing from the first byte asked for on.
        TransientError: if the connection fails, or the server for the moment.
        DownloadError: if the server refuses.
    """
    request = urllib.request.Request(
        url, headers={**REQUEST_HEADERS, **(headers or {})}, method=method
    )
    try:
        return urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise RangeError(url, error.headers.get("Content-Range", "")) from error
        raise error_for_status(error.code, url, error.headers.get("Retry-After")) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"{url}: {error.reason}") from error
        raise TransientError(f"cannot reach {url}: {error.reason}") from error
    except CONNECTION_ERRORS as error:
        raise TransientError(f"{url}: {type(error).__name__}: {error}") from error


def receive(response: http.client.HTTPResponse, url: str, policy: RetryPolicy) -> Iterator[bytes]:
    """Yield the body as it comes, never waiting for more than the next bytes.

    Raises:
        TransientError: if the connection breaks or drips.
    """
    guard = RateGuard(url, policy)
    while True:
        try:
            chunk = response.read1(HTTP_CHUNK)
        except CONNECTION_ERRORS as error:
            raise TransientError(f"{url}: {type(error).__name__}: {error}") from error
        if not chunk:
            return
        guard.count(len(chunk))
        yield chunk


class _Part:
    """The unfinished file of a transfer and the tag of the version that it belongs to."""

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
        return {"Range": f"bytes={self.size()}-", "If-Range": self.tag_path.read_text()}

    def start(self, tag: str) -> None:
        """Begin anew with the version of that tag."""
        self.part.write_bytes(b"")
        self._forget_tag()
        if tag:
            self.tag_path.write_text(tag)

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


def _receive(url: str, part: _Part, policy: RetryPolicy, progress: ProgressCallback | None) -> None:
    """Bring the part file to its full length, from where it stands, over one connection."""
    try:
        with open_url(url, policy.timeout, part.range_headers()) as response:
            total = _start_or_resume(url, part, response)
            _check_room(part, total)
            done = part.size()
            with part.part.open("ab") as file:
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
        part.start(_version_tag(response.headers))
        return stated_length(response.headers)
    match = re.match(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
    if not match or int(match.group(1)) != part.size():
        part.discard()
        raise TransientError(f"{url}: the server sent another range than the one asked for")
    logger.info("Going on at %.1f MB of %s", part.size() / 1e6, part.path.name)
    return int(match.group(2))


def _version_tag(headers: Message) -> str:
    tag = headers.get("ETag", "")
    # A weak tag says that two files are alike, not that their bytes are.
    return headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag


def _check_room(part: _Part, total: int | None) -> None:
    needed = (total or 0) - part.size()
    free = shutil.disk_usage(part.path.parent).free
    if needed > free:
        raise DownloadError(
            f"{part.path.name} needs {needed / 1e6:.0f} MB more in {part.path.parent}, "
            f"which has {free / 1e6:.0f} MB free; make room or name another folder",
        )


def _check_sum(url: str, part: _Part, headers: Message) -> None:
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
