"""Reading picture files: the size from the header, and the pixels at full or reduced scale.

Pixels are as detectnet reads them: EXIF orientation is ignored, alpha dropped, grey becomes RGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from vision.pictures.headers import PictureHeader, read_picture_header

LARGEST_AREA = 1 << 28  # pixels; 16,384 x 16,384 takes 800 MB decoded
HEADER_BYTES = 1 << 16  # nearly always enough to find the size

# OpenCV 4.11 and later decode to RGB; before, the channels have to be swapped.
_DECODES_RGB = hasattr(cv2, "IMREAD_COLOR_RGB")
_COLOUR = cv2.IMREAD_COLOR_RGB if _DECODES_RGB else cv2.IMREAD_COLOR
_REDUCED = {  # only the bits of the scale, which go with any colour
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
# The size in the header of these is that of the decoded picture; other formats may turn it.
_SURE_OF_SIZE = ("jpeg", "png", "bmp")
_JPEG_END = b"\xff\xd9"


class PictureError(ValueError):
    """A picture file that is missing, empty, cut short, too large or in no known format."""


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """The bytes of a picture file, read once: first ask its size, then decode what is needed."""

    path: str
    data: bytes
    header: PictureHeader
    width: int  # as stored, pixels
    height: int
    pixels: np.ndarray | None = None  # if only decoding could tell the size

    @classmethod
    def read(cls, path: str | Path) -> EncodedPicture:
        """Read the file at `path`.

        Raises:
            PictureError: there is no such file, or it is empty, cut short, not a picture, or one of
                more than LARGEST_AREA pixels.
        """
        try:
            data = Path(path).read_bytes()
        except OSError as error:
            raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
        return cls.of(data, path)

    @classmethod
    def of(cls, data: bytes, path: str | Path) -> EncodedPicture:
        """Make one of the bytes of a file; `path` names it in errors, which are those of `read`."""
        if not data:
            raise PictureError(
                f"the picture {path} is an empty file; replace it or remove its entry"
            )
        header = read_picture_header(data)
        _require_bearable(header.width, header.height, path)
        if not _says_size(header):
            pixels = _decode(data, 1, path)
            height, width = pixels.shape[:2]
            _require_bearable(width, height, path)
            return cls(str(path), data, header, width, height, pixels)
        # Older OpenCV fills the missing part of a JPEG with grey and says nothing. Coded pixels
        # never look like an end marker, and the one of a thumbnail stands before the frame header.
        if header.format == "jpeg" and data.rfind(_JPEG_END, header.end) < 0:
            raise PictureError(f"the picture {path} is cut short; copy or download it again")
        return cls(str(path), data, header, header.width, header.height)

    @property
    def reductions(self) -> tuple[int, ...]:
        """Return the reductions that cost less to decode than the full picture, and 1."""
        return tuple(_REDUCED) if self.header.format == "jpeg" else (1,)

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
        PictureError: as `EncodedPicture.read`.
    """
    return EncodedPicture.read(path).decode()


def read_picture_size(path: str | Path) -> tuple[int, int]:
    """Return (width, height) of the picture at `path` as it is stored, from the header if possible.

    Raises:
        PictureError: there is no such file, or it is empty or not a picture.
    """
    try:
        with Path(path).open("rb") as file:
            header = read_picture_header(file.read(HEADER_BYTES))
    except OSError as error:
        raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
    if _says_size(header):
        return header.width, header.height
    picture = EncodedPicture.read(path)
    return picture.width, picture.height


def _says_size(header: PictureHeader) -> bool:
    return header.format in _SURE_OF_SIZE and header.width > 0 and header.height > 0


def _require_bearable(width: int, height: int, path: str | Path) -> None:
    if width * height > LARGEST_AREA:
        raise PictureError(
            f"the picture {path} is {width:,} x {height:,} pixels, and at most {LARGEST_AREA:,} in "
            "all are decoded; make it smaller"
        )


def _decode(data: bytes, reduction: int, path: str | Path) -> np.ndarray:
    flags = _COLOUR | _REDUCED[reduction] | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise PictureError(f"cannot decode the picture {path}: {error.err}") from error
    if picture is None:
        raise PictureError(f"{path} is damaged, or not a picture in a format that OpenCV reads")
    return picture if _DECODES_RGB else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)
