"""Sending pictures to viewers: each gets the newest one whenever it can take another."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import contextmanager
from typing import Iterator

from aiohttp import web

from vision.live.encoder import Encoder, StreamPicture
from vision.live.pipeline import Pipeline
from vision.live.serving.guard import SAFE_HEADERS
from vision.structures import Detections
from vision.video.slot import Numbered

MOST_VIEWERS = 32
SEND_BUFFER = 1 << 17  # bytes that wait in the kernel for a viewer; more would be old pictures
STALL_SECONDS = 60.0  # after which a viewer that takes nothing is let go
REPEAT_SECONDS = 5.0  # after which a picture that stands is sent again, or dead viewers stay
BOUNDARY = "frame"
MOST_LISTED_OBJECTS = 500  # a head has to stay readable


class Bells:
    """Wakes coroutines of one event loop from any thread."""

    def __init__(self) -> None:
        """Begin without any."""
        self._bells: set[asyncio.Event] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say in which loop the waiting is done."""
        self._loop = loop

    def ring(self) -> None:
        """Wake everyone who waits."""
        if self._loop is not None and self._bells and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring)

    @contextmanager
    def bell(self) -> Iterator[asyncio.Event]:
        """Lend an event that `ring` sets."""
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield bell
        finally:
            self._bells.discard(bell)

    def __len__(self) -> int:
        return len(self._bells)

    def _ring(self) -> None:
        for bell in self._bells:
            bell.set()


class PictureStream:
    """The stream of pictures, as multipart/x-mixed-replace: browsers and players show it."""

    def __init__(self, pipeline: Pipeline) -> None:
        """Send what a pipeline encodes."""
        self._pipeline, self._bells = pipeline, Bells()
        self._closed = False
        for encoder in (pipeline.drawn, pipeline.plain):
            encoder.on_picture = self._bells.ring

    @property
    def viewers(self) -> int:
        """Return how many watch."""
        return len(self._bells)

    def use(self, loop: asyncio.AbstractEventLoop) -> None:
        """Say in which event loop `serve` runs."""
        self._bells.use(loop)

    def close(self) -> None:
        """End the streams of all viewers."""
        self._closed = True
        self._bells.ring()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer a request with pictures until the viewer leaves.

        With `?boxes=0` they come without boxes, which the head of each part then lists.
        """
        if self.viewers >= MOST_VIEWERS:
            raise web.HTTPServiceUnavailable(reason=f"{MOST_VIEWERS} viewers watch already")
        response = web.StreamResponse(
            headers={
                **SAFE_HEADERS,
                "Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}",
            }
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        limit_buffers(request.transport)
        await response.write(f"--{BOUNDARY}\r\n".encode())
        plain = request.query.get("boxes") == "0"
        encoder = self._pipeline.plain if plain else self._pipeline.drawn
        with encoder.watching(), self._bells.bell() as bell:
            try:
                await self._send(response, encoder, bell)
            except (ConnectionError, asyncio.TimeoutError):
                if request.transport is not None:
                    request.transport.abort()
        return response

    async def newest(self) -> StreamPicture | None:
        """Return a picture of the newest frame; None if there is none within REPEAT_SECONDS."""
        wanted = self._pipeline.results.newest()
        with self._pipeline.drawn.watching(), self._bells.bell() as bell:
            while True:
                bell.clear()
                found = self._pipeline.drawn.slot.newest()
                if found and wanted:
                    if found.item.result.frame.captured >= wanted.item.frame.captured:
                        return found.item
                elif found:
                    return found.item
                if not await _rung(bell):
                    return None

    async def _send(
        self, response: web.StreamResponse, encoder: Encoder, bell: asyncio.Event
    ) -> None:
        seen = 0
        while not (self._closed or self._pipeline.failure):
            bell.clear()
            numbered = encoder.slot.newest(after=seen)
            if numbered is None:
                if not await _rung(bell):
                    seen = 0
                continue
            seen = numbered.number
            # What has been waited for long enough is a viewer that has gone to sleep.
            await asyncio.wait_for(response.write(as_part(numbered)), STALL_SECONDS)


def as_part(numbered: Numbered[StreamPicture]) -> bytes:
    """Return a picture as a part of the stream, closed, so that it is shown at once."""
    picture = numbered.item
    head = (
        f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n"
        f"X-Captured: {picture.result.frame.captured:.4f}\r\n"
        f"X-Objects: {objects_text(picture.detections)}\r\n\r\n"
    )
    return head.encode() + picture.jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


def objects_text(detections: Detections) -> str:
    """Return objects as JSON: [[x1, y1, x2, y2, label, score], ...], best first."""
    rows = zip(detections.boxes.tolist(), detections.labels.tolist(), detections.scores.tolist())
    objects = [
        [*(round(value, 1) for value in box), label, round(score, 3)] for box, label, score in rows
    ]
    return json.dumps(objects[:MOST_LISTED_OBJECTS])


def limit_buffers(transport: asyncio.Transport | None) -> None:
    """Keep little in the buffers before a slow viewer: what waits there gets old."""
    if transport is not None:
        transport.set_write_buffer_limits(high=1 << 14)
        connection = transport.get_extra_info("socket")
        if connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)


async def _rung(bell: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(bell.wait(), REPEAT_SECONDS)
    except asyncio.TimeoutError:
        return False
    return True
