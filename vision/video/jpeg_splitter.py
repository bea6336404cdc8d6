"""Cutting a stream of bytes into the JPEGs that are in it.

A camera on the network sends `multipart/x-mixed-replace`: a boundary, some header lines, a JPEG,
and so on. Cameras differ in boundaries and lengths, and get them wrong, so only the JPEGs
themselves are looked at: between the start of a scan and the end of the picture no other start can
stand, and a thumbnail lies inside a segment that says its length.
"""

from __future__ import annotations

import re
from typing import Iterator

from vision.pictures.jpeg_markers import (
    END_OF_IMAGE,
    FILL,
    IMAGE_BOUNDS,
    JPEG_START,
    RESERVED,
    SCAN,
    WITHOUT_LENGTH,
)

MOST_BYTES = 32 << 20  # of one JPEG; what goes on longer is no picture
# After the header: the end, or the start of the next picture, which means that this one was cut.
END_OR_START = re.compile(END_OF_IMAGE + b"|" + JPEG_START)
NOT_IN_A_HEADER = IMAGE_BOUNDS | RESERVED


class JpegSplitter:
    """Takes bytes as they come and gives whole JPEGs; `broken` counts those that were cut."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.broken = 0
        self._data = bytearray()
        self._searched = 0  # up to where the end of the first JPEG is not

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add bytes; yield the JPEGs that are whole now, oldest first."""
        self._data += chunk
        while True:
            start = self._data.find(JPEG_START)
            if start < 0:
                del self._data[: max(0, len(self._data) - len(JPEG_START) + 1)]
                return
            if start:
                self._drop(start)
            end = self._end()
            if end is None:
                if len(self._data) > MOST_BYTES:
                    self._drop(len(JPEG_START), broken=True)
                    continue
                return
            if end > 0:
                picture = bytes(self._data[:end])
                self._drop(end)
                yield picture

    def _end(self) -> int | None:
        """Return where the first JPEG ends; 0 if it was cut and is dropped; None if unknown yet."""
        if not self._searched:
            scan = self._start_of_scan()
            if scan is None or scan == 0:
                return scan
            self._searched = scan
        found = END_OR_START.search(self._data, self._searched)
        if found is None:
            self._searched = max(self._searched, len(self._data) - len(JPEG_START) + 1)
            return None
        if found.group() == JPEG_START:
            self._drop(found.start(), broken=True)
            return 0
        return found.end()

    def _start_of_scan(self) -> int | None:
        """Walk from segment to segment; 0 where they do not follow each other."""
        place = 2
        while place + 4 <= len(self._data):
            prefix, marker = self._data[place], self._data[place + 1]
            if prefix != 0xFF or marker in NOT_IN_A_HEADER:
                self._drop(len(JPEG_START), broken=True)
                return 0
            if marker == SCAN:
                return place
            if marker == FILL:
                place += 1
            elif marker in WITHOUT_LENGTH:
                place += 2
            else:
                place += 2 + int.from_bytes(self._data[place + 2 : place + 4], "big")
        return None

    def _drop(self, count: int, broken: bool = False) -> None:
        del self._data[:count]
        self._searched = 0
        self.broken += broken
