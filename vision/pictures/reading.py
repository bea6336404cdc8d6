"""Picture files: their size from the header alone, and their pixels, at full or reduced scale.

Pixels are as detectnet reads them: EXIF orientation is ignored, alpha dropped, grey becomes RGB.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

# OpenCV 4.11 and later decode to RGB; before, the channels have to be swapped.
_DECODES_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
_COLOUR = cv2.IMREAD_COLOR_RGB if _DECODES_RGB else cv2.IMREAD_COLOR
_REDUCED = {  # the bare bits of the scale, which go with any colour
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # the SOF markers
_JPEG_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}


class PictureError(ValueError):
    """A picture file that is missing, empty, cut short or in no known format."""


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """The bytes of a picture file, read once: first ask its size, then decode what is needed."""

    path: str
    data: bytes
    width: int  # as stored, in pixels
    height: int
    pixels: np.ndarray | None = None  # where only decoding could tell the size

    @classmethod
    def read(cls, path: str | Path) -> EncodedPicture:
        """Read the file at `path`.

        Raises:
            PictureError: there is no such file, or it is empty, cut short or not a picture.
        """
        data = _read_bytes(path)
        stream = io.BytesIO(data)
        size = _size_in_header(stream)
        if size is None:
            pixels = _decode(data, 1, path)
            return cls(str(path), data, pixels.shape[1], pixels.shape[0], pixels)
        # Older OpenCV fills what is missing of a JPEG with grey and says nothing. Compressed data
        # never looks like an end marker, and that of a thumbnail stands before the frame header.
        if data.startswith(_JPEG) and data.rfind(_JPEG_END, stream.tell()) < 0:
            raise PictureError(f"the picture {path} is cut short; copy or download it again")
        return cls(str(path), data, *size)

    @property
    def reductions(self) -> tuple[int, ...]:
        """Return the reductions that cost less to decode than the full picture, and 1."""
        return tuple(_REDUCED) if self.data.startswith(_JPEG) else (1,)

    def decode(self, reduction: int = 1) -> np.ndarray:
        """Decode each square of `reduction` x `reduction` pixels as one, their mean.

        Pixel x covers [x * reduction, (x + 1) * reduction) of the stored picture exactly, so the
        last one may reach beyond its edge: the scale is `reduction`, not a quotient of the sizes.

        Returns:
            (ceil(height / reduction), ceil(width / reduction), 3) uint8 RGB.

        Raises:
            PictureError: the file is damaged.
        """
        if reduction not in self.reductions:
            raise ValueError(
                f"reduction must be one of {self.reductions}, got {reduction} for {self.path}"
            )
        return _decode(self.data, reduction, self.path) if self.pixels is None else self.pixels


def read_picture(path: str | Path) -> np.ndarray:
    """Return the picture at `path` as it is stored, (H, W, 3) uint8 RGB.

    Raises:
        PictureError: there is no such file, or it is empty, cut short or not a picture.
    """
    return EncodedPicture.read(path).decode()


def read_picture_size(path: str | Path) -> tuple[int, int]:
    """Return (width, height) of the picture at `path` as it is stored, from the header if possible.

    Raises:
        PictureError: there is no such file, or it is empty or not a picture.
    """
    try:
        with Path(path).open("rb") as stream:
            size = _size_in_header(stream)
    except OSError as error:
        raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
    if size is None:
        picture = EncodedPicture.read(path)
        size = picture.width, picture.height
    return size


def _read_bytes(path: str | Path) -> bytes:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
    if not data:
        raise PictureError(f"the picture {path} is an empty file; replace it or remove its entry")
    return data


def _decode(data: bytes, reduction: int, path: str | Path) -> np.ndarray:
    flags = _COLOUR | _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise PictureError(f"cannot decode the picture {path}: {error.err}") from error
    if picture is None:
        raise PictureError(f"{path} is damaged, or not a picture in a format that OpenCV reads")
    return picture if _DECODES_RGB else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def _size_in_header(stream: BinaryIO) -> tuple[int, int] | None:
    """Return (width, height) if the stream is a JPEG, PNG or BMP with a sound header, else None."""
    head = stream.read(26)
    try:
        if head.startswith(_JPEG):
            width, height = _jpeg_size(stream)
        elif head.startswith(b"\x89PNG\r\n\x1a\n"):
            width, height = struct.unpack(">II", head[16:24])
        elif head.startswith(b"BM") and head[14:18] != b"\x0c\0\0\0":  # the oldest BMP header
            width, height = struct.unpack("<ii", head[18:26])
            height = abs(height)  # negative where the rows run from the top
        else:
            return None
    except struct.error:
        return None
    return (width, height) if width > 0 and height > 0 else None


def _jpeg_size(stream: BinaryIO) -> tuple[int, int]:
    """Go from marker to marker up to the frame header; a thumbnail lies inside one passed over."""
    stream.seek(2)
    while True:
        prefix, marker = struct.unpack("BB", stream.read(2))
        while marker == 0xFF:  # fill bytes may stand before a marker
            (marker,) = struct.unpack("B", stream.read(1))
        if prefix != 0xFF:
            return 0, 0
        if marker in _JPEG_WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack(">H", stream.read(2))
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">xHH", stream.read(5))
            return width, height
        stream.seek(length - 2, io.SEEK_CUR)
