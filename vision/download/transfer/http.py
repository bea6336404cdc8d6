"""Requests over HTTP and HTTPS: one attempt each, whatever the server answers."""

from __future__ import annotations

import hashlib
import http.client
import logging
import re
import socket
import ssl
import urllib.error
import urllib.request
from typing import IO, Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from vision.download.transfer.retry import (
    DownloadError,
    NameLookupError,
    RateGuard,
    RetryPolicy,
    TransientError,
    ascii_number,
    error_for_status,
)

logger = logging.getLogger(__name__)

HTTP_CHUNK = 1 << 18  # bytes
LARGEST_PICTURE = 1 << 26  # bytes; what is larger is no picture, and would only fill the memory
USER_AGENT = "pytorch-ssd-downloader"
REQUEST_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
WEB = ("http", "https")

# Time-outs, resets, no route to the host and TLS (all OSError), and answers that are no HTTP.
CONNECTION_ERRORS = (OSError, http.client.HTTPException)
# What Python raises for an address that is none, and for a port that no computer has.
BAD_ADDRESS_ERRORS = (ValueError, OverflowError, http.client.InvalidURL)


class RangeError(TransientError):
    """The server's file ends where the part file does, or before.

    Attributes:
        total: its length in bytes, None where the server does not say it.
    """

    def __init__(self, url: str, content_range: str) -> None:
        super().__init__(f"{url}: the server has nothing from the end of the part file on")
        self.total = ascii_number(content_range.rpartition("/")[2])


class WebRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to web addresses only, and from https to https only."""

    def http_error_302(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
    ) -> http.client.HTTPResponse | None:
        """Follow a redirect.

        Raises:
            TransientError: if the server does not say where to, or names no address.
        """
        location = headers.get("Location", "")
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except BAD_ADDRESS_ERRORS as error:
            raise _redirect_error(req.full_url, location, "no address", TransientError) from error

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request:
        """Return the same request for another address.

        Raises:
            DownloadError: if it leads out of the web, or from https to http.
        """
        if urlsplit(newurl).scheme not in WEB:
            raise _redirect_error(req.full_url, newurl, "no address of the web", DownloadError)
        if req.type == "https" and not newurl.startswith("https:"):
            raise _redirect_error(req.full_url, newurl, "not encrypted", DownloadError)
        return urllib.request.Request(
            newurl, headers=req.headers, unverifiable=True, method=req.get_method()
        )


def _redirect_error(
    url: str, location: str, fault: str, kind: type[DownloadError]
) -> DownloadError:
    return kind(f"{url}: the server redirects to {location[:200]!r}, which is {fault}")


def read_url(url: str, policy: RetryPolicy) -> bytes:
    """Return the picture behind `url` in one attempt, its length checked.

    Raises:
        DownloadError: as in `open_url` and `receive`, or if it is too large for a picture.
    """
    with open_url(url, policy.timeout) as response:
        body = join_picture(receive(response, url, policy), url)
    check_length(len(body), stated_length(response.headers, url), url)
    if "x-amz-request-id" in response.headers:
        check_tag(body, response.headers.get("ETag", ""), url)
    return body


def url_length(url: str, policy: RetryPolicy) -> int:
    """Return the length of the picture behind `url` in bytes; 0 where the server hides it."""
    with open_url(url, policy.timeout, method="HEAD") as response:
        return require_picture_size(stated_length(response.headers, url) or 0, url)


def join_picture(chunks: Iterable[bytes], what: str) -> bytes:
    """Return the bytes of a picture in one piece.

    Raises:
        DownloadError: if they are too many for a picture.
    """
    body = bytearray()
    for chunk in chunks:
        body += chunk
        require_picture_size(len(body), what)
    return bytes(body)


def require_picture_size(length: int, what: str) -> int:
    """Return a length in bytes; raise DownloadError if no picture has it."""
    if not 0 <= length <= LARGEST_PICTURE:
        raise DownloadError(f"{what}: a length of {length} bytes is not that of a picture")
    return length


def stated_length(headers: http.client.HTTPMessage, what: str) -> int | None:
    """Return the Content-Length in bytes, None where there is none.

    Raises:
        TransientError: if it is no number.
    """
    stated = headers.get("Content-Length")
    if stated is None:
        return None
    length = ascii_number(stated.strip())
    if length is None:
        raise TransientError(f"{what}: the server states a length of {stated[:40]!r} bytes")
    return length


def check_length(received: int, stated: int | None, what: str) -> None:
    """Raise TransientError unless as many bytes came as the server stated."""
    if stated is not None and received != stated:
        raise TransientError(f"{what}: the connection closed after {received} of {stated} bytes")


def check_tag(body: bytes, tag: str, what: str) -> None:
    """Raise TransientError if S3 states an MD5 sum of an object that is not that of `body`.

    The tag of an object is such a sum if the object was stored in one piece.
    """
    tag = tag.strip('"')
    if re.fullmatch("[0-9a-f]{32}", tag) and hashlib.md5(body).hexdigest() != tag:
        raise TransientError(f"{what}: the bytes received do not have the MD5 sum stated")


def open_url(
    url: str, timeout: float, headers: Mapping[str, str] | None = None, method: str = "GET"
) -> http.client.HTTPResponse:
    """Open an address of the web and return the response, which the caller closes.

    Raises:
        RangeError: if the server has nothing from the first byte asked for on.
        TransientError: if the connection fails, or the server for the moment.
        DownloadError: if the server refuses, or `url` is no address.
    """
    try:
        if urlsplit(url).scheme not in WEB:
            raise DownloadError(f"{url[:200]!r} must be an address that begins with https://")
        request = urllib.request.Request(
            url, headers={**REQUEST_HEADERS, **(headers or {})}, method=method
        )
        return urllib.request.build_opener(WebRedirects).open(request, timeout=timeout)
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(url, error) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise DownloadError(f"{url}: {error.reason}") from error
        lookup = isinstance(error.reason, socket.gaierror)
        kind = NameLookupError if lookup else TransientError
        raise kind(f"cannot reach {url}: {error.reason}") from error
    except BAD_ADDRESS_ERRORS as error:
        raise DownloadError(f"{url[:200]!r} is no address that can be opened: {error}") from error
    except CONNECTION_ERRORS as error:
        raise TransientError(f"{url}: {_in_one_line(error)}") from error


def _in_one_line(error: Exception) -> str:
    """Return kind and text of an error; some repeat what the server sent, line ends included."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _refusal(url: str, error: urllib.error.HTTPError) -> DownloadError:
    """Return what to raise for a status that is no success."""
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return RangeError(url, error.headers.get("Content-Range", ""))
    if error.code in (301, 302, 303, 307, 308):
        location = error.headers.get("Location")
        if not location:
            return TransientError(f"{url}: the server redirects, but does not say where to")
        if urlsplit(location).scheme not in ("", *WEB):
            return _redirect_error(url, location, "no address of the web", DownloadError)
        return DownloadError(f"{url}: the server redirects in a circle, or more than 10 times")
    return error_for_status(error.code, url, error.headers.get("Retry-After"))


def receive(response: http.client.HTTPResponse, url: str, policy: RetryPolicy) -> Iterator[bytes]:
    """Yield the body as it comes, never waiting for more than the next bytes.

    Raises:
        TransientError: if the connection breaks, or is too slow.
    """
    guard = RateGuard(url, policy)
    while True:
        try:
            chunk = response.read1(HTTP_CHUNK)
        except CONNECTION_ERRORS as error:
            raise TransientError(f"{url}: {_in_one_line(error)}") from error
        if not chunk:
            return
        guard.count(len(chunk))
        yield chunk
