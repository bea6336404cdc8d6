"""Cameras that send JPEGs over HTTP: a stream of them, or one with every request.

IP cameras, phones with a camera app, mjpg-streamer and ESP32-CAM boards do.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from typing import Callable
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPDigestAuthHandler,
    HTTPPasswordMgrWithDefaultRealm,
    OpenerDirector,
    ProxyHandler,
    build_opener,
)

import cv2
import numpy as np

from vision.video.frames import Frame, SourceError
from vision.video.jpeg_splitter import MOST_BYTES, JpegSplitter
from vision.video.opencv_capture import to_rgb

SILENCE_SECONDS = 5.0  # after which a camera that sends nothing is given up
READ_BYTES = 1 << 18  # bytes
STILLS_PER_SECOND = 10.0  # at most, of a camera that is asked for each picture
Ask = Callable[[], http.client.HTTPResponse]


class HttpJpegs:
    """The frames of a camera that sends JPEGs. Broken ones are left out, and counted."""

    live = True
    rate = 0.0
    fault = ""
    frames = 0

    def __init__(self, ask: Ask, answer: http.client.HTTPResponse, name: str) -> None:
        """Read on from an answer.

        Args:
            ask: sends the request again.
            answer: the answer to the first one, its body unread.
            name: what errors call the camera.
        """
        self._ask, self._name = ask, name
        self._take(answer)
        self._still = answer.headers.get_content_type() == "image/jpeg"
        self._splitter = JpegSplitter()
        self._undecoded = 0
        self._count, self._start = 0, time.monotonic()
        self._next_still = 0.0

    @property
    def broken(self) -> int:
        """Return how many JPEGs were cut or could not be decoded."""
        return self._splitter.broken + self._undecoded

    def read(self) -> Frame:
        """Return the newest picture that is whole; what came before it is gone.

        Raises:
            SourceError: the camera closes the connection, or is silent for SILENCE_SECONDS.
        """
        started = time.monotonic()
        while time.monotonic() - started < SILENCE_SECONDS:
            data = self._newest_jpeg()
            captured = time.monotonic()
            image = None if data is None else decode_jpeg(data)
            if image is not None:
                frame = Frame(image, self._count, captured - self._start, captured=captured)
                self._count += 1
                return frame
            self._undecoded += data is not None
        raise SourceError(f"{self._name} sends no whole picture any more")

    def interrupt(self) -> None:
        """End the connection, so that a `read` in another thread ends with a SourceError."""
        with contextlib.suppress(OSError):  # it may have ended already
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
        self._answer.close()

    def _take(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        # Another handle of the same connection: closing the answer itself waits for who reads.
        self._connection = socket.fromfd(answer.fileno(), socket.AF_INET, socket.SOCK_STREAM)

    def _newest_jpeg(self) -> bytes | None:
        try:
            if self._still:
                return self._still_jpeg()
            chunk = self._answer.read1(READ_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise SourceError(f"{self._name} was lost: {reason_of(error)}") from error
        if not chunk:
            raise SourceError(f"{self._name} closed the connection")
        whole = list(self._splitter.feed(chunk))
        return whole[-1] if whole else None

    def _still_jpeg(self) -> bytes:
        time.sleep(max(0.0, self._next_still - time.monotonic()))
        self._next_still = time.monotonic() + 1 / STILLS_PER_SECOND
        if self._answer.isclosed():
            self._connection.close()
            self._take(self._ask())
        with self._answer as answer:
            return answer.read(MOST_BYTES)


def open_http(address: str, name: str) -> HttpJpegs | None:
    """Ask an address; return the camera behind it, None if it sends something else than JPEGs.

    Args:
        address: of http or https; may hold user:password@.
        name: the address without them, for errors.

    Raises:
        SourceError: nothing answers, or with an error.
    """
    opener, bare = _opener_for(address)

    def ask() -> http.client.HTTPResponse:
        return opener.open(bare, timeout=SILENCE_SECONDS)

    try:
        answer = ask()
    except HTTPError as error:
        hint = "; write http://USER:PASSWORD@MACHINE..." if error.code == 401 else ""
        raise SourceError(f"{name} answers {error.code} {error.reason}{hint}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceError(f"{name} does not answer: {reason_of(error)}") from error
    kind = answer.headers.get_content_type()
    if kind.startswith("multipart/") or kind == "image/jpeg":
        return HttpJpegs(ask, answer, name)
    answer.close()
    if kind.startswith("text/"):
        raise SourceError(
            f"{name} is a page, not a picture; give the address of the stream itself, "
            "often /video, /stream or /mjpeg"
        )
    return None


def decode_jpeg(data: bytes) -> np.ndarray | None:
    """Return the picture, (H, W, 3) uint8 RGB, or None if it cannot be decoded."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    return None if image is None else to_rgb(image)


def reason_of(error: Exception) -> str:
    """Return why a connection failed, in a few words."""
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, socket.timeout):
        return f"silent for {SILENCE_SECONDS:.0f} seconds"
    if isinstance(cause, socket.gaierror):
        return "there is no machine of this name"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror.lower()
    return str(cause) or type(cause).__name__


def _opener_for(address: str) -> tuple[OpenerDirector, str]:
    """Return what opens the address, and the address without user and password."""
    parts = urlsplit(address)
    user, _, machine = parts.netloc.rpartition("@")
    bare = urlunsplit(parts._replace(netloc=machine))
    passwords = HTTPPasswordMgrWithDefaultRealm()
    if user:
        name, _, password = user.partition(":")
        passwords.add_password(None, bare, unquote(name), unquote(password))
    # Cameras are near: a proxy for the web does not lead to them.
    handlers = (HTTPBasicAuthHandler(passwords), HTTPDigestAuthHandler(passwords))
    return build_opener(ProxyHandler({}), *handlers), bare
