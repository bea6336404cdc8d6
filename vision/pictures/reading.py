"""Reading picture files: the size from the header, and the pixels at full or reduced scale.

Pictures are upright, as their EXIF orientation says, or as they are stored if asked for: so
detectnet reads a file. Alpha is dropped, and grey becomes RGB.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vision.pictures.files import read_bytes, read_some_bytes
from vision.pictures.headers import PictureHeader, read_picture_header
from vision.pictures.jpeg_markers import END_OF_IMAGE
from vision.pictures.suffixes import is_unreadable, unreadable_fault
from vision.pictures.turning import TURNS, lies_on_its_side

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
_HEIC_MARK = b"ftyp"  # from byte 4 on, also of AVIF


class PictureError(ValueError):
    """A picture file that is missing, empty, cut short, too large or in no known format."""


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """The bytes of a picture file, read once: first ask its size, then decode what is needed."""

    path: str
    data: bytes
    header: PictureHeader
    width: int  # of the picture that `decode` returns, pixels
    height: int
    pixels: np.ndarray | None = None  # as stored, if only decoding could tell the size
    orientation: int = 1  # of EXIF, by which `decode` turns the picture upright

    @classmethod
    def read(cls, path: str | Path, upright: bool = True) -> EncodedPicture:
        """Read the file at `path`, to be decoded upright or else as it is stored.

        Raises:
            PictureError: there is no such file, or it is empty, cut short, not a picture, or one of
                more than LARGEST_AREA pixels.
        """
        try:
            data = read_bytes(path)
        except OSError as error:
            raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
        except ValueError as error:
            raise PictureError(f"cannot read the picture: {error}") from error
        return cls.of(data, path, upright)

    @classmethod
    def of(cls, data: bytes, path: str | Path, upright: bool = True) -> EncodedPicture:
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
            return cls(str(path), data, header, width, height, pixels)._turned(upright)
        # Older OpenCV fills the missing part of a JPEG with grey and says nothing. Coded pixels
        # never look like an end marker, and the one of a thumbnail stands before the frame header.
        if header.format == "jpeg" and data.rfind(END_OF_IMAGE, header.end) < 0:
            raise PictureError(f"the picture {path} is cut short; copy or download it again")
        return cls(str(path), data, header, header.width, header.height)._turned(upright)

    @property
    def reductions(self) -> tuple[int, ...]:
        """Return the reductions that cost less to decode than the full picture, and 1.

        Where an axis is turned round, its last pixel comes first, so it must be a whole one.
        """
        if self.header.format != "jpeg":
            return (1,)
        _, back_x, back_y = TURNS[self.orientation]
        sides = [self.header.width] * back_x + [self.header.height] * back_y
        return tuple(one for one in _REDUCED if not any(side % one for side in sides))

    def decode(self, reduction: int = 1) -> np.ndarray:
        """Decode each square of `reduction` x `reduction` pixels as one, their mean.

        Pixel x covers [x * reduction, (x + 1) * reduction) of the picture exactly, so the
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
        pixels = self.pixels
        if pixels is None:
            pixels = _decode(self.data, reduction, self.path)
        return _turn_pixels(pixels, self.orientation)

    def _turned(self, upright: bool) -> EncodedPicture:
        """Return the picture with its EXIF orientation as the one to decode it by."""
        orientation = self.header.orientation
        if not upright or orientation == 1:
            return self
        width, height = self.width, self.height
        if lies_on_its_side(orientation):
            width, height = height, width
        return replace(self, width=width, height=height, orientation=orientation)


def read_picture(path: str | Path, upright: bool = True) -> np.ndarray:
    """Return the picture at `path` upright, or else as it is stored, (H, W, 3) uint8 RGB.

    Raises:
        PictureError: as `EncodedPicture.read`.
    """
    return EncodedPicture.read(path, upright).decode()


def read_picture_size(path: str | Path, upright: bool = True) -> tuple[int, int]:
    """Return (width, height) of the picture at `path`, from the header if possible.

    They are those of the upright picture, or else of the stored one.

    Raises:
        PictureError: there is no such file, or it is empty or not a picture.
    """
    try:
        header = read_picture_header(read_some_bytes(path, 0, HEADER_BYTES))
    except OSError as error:
        raise PictureError(f"cannot read the picture {path}: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"cannot read the picture: {error}") from error
    if _says_size(header):
        if upright and lies_on_its_side(header.orientation):
            return header.height, header.width
        return header.width, header.height
    picture = EncodedPicture.read(path, upright)
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
    if picture is None and (is_unreadable(path) or data[4:8] == _HEIC_MARK):
        raise PictureError(f"the picture {path} {unreadable_fault(str(path))}")
    if picture is None:
        raise PictureError(f"{path} is damaged, or not a picture in a format that OpenCV reads")
    return picture if _DECODES_RGB else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB, dst=picture)


def _turn_pixels(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Return the stored pixels (H, W, 3) as those of the upright picture."""
    swap, back_x, back_y = TURNS[orientation]
    if back_x or back_y:
        pixels = cv2.flip(pixels, -1 if back_x and back_y else int(back_x))
    return cv2.transpose(pixels) if swap else pixels
