"""What the first bytes of a picture file say: its format, size, kind of pixels and EXIF turn."""

from __future__ import annotations

import struct
from typing import NamedTuple

FORMATS = ("other", "jpeg", "png", "bmp", "tiff", "gif", "webp")
# Kinds of pixels that are converted on the way to 8-bit RGB.
KINDS_OF_PIXELS = ("RGB", "grey", "palette", "alpha", "CMYK", "16-bit")

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset(range(0xD0, 0xD8)) | {0x01}
_PNG_PIXELS = {0: "grey", 3: "palette", 4: "alpha", 6: "alpha"}
_TIFF_PIXELS = {0: "grey", 1: "grey", 3: "palette", 5: "CMYK"}
_ORIENTATION = 0x0112  # the EXIF tag


class PictureHeader(NamedTuple):
    """What a file is before anything of it is decoded; sizes are 0 where it does not say."""

    format: str  # of FORMATS
    width: int = 0  # as stored, pixels
    height: int = 0
    pixels: str = "RGB"  # of KINDS_OF_PIXELS
    orientation: int = 1  # EXIF: 1 upright, 2 to 8 mirrored or turned


def read_header(data: bytes) -> PictureHeader:
    """Return what the bytes of a picture file say of themselves; "other" for anything unknown."""
    readers = (
        (b"\xff\xd8\xff", _read_jpeg),
        (b"\x89PNG\r\n\x1a\n", _read_png),
        (b"BM", _read_bmp),
        (b"II*\0", _read_tiff),
        (b"MM\0*", _read_tiff),
    )
    for magic, read in readers:
        if data.startswith(magic):
            try:
                return read(data)
            except (struct.error, IndexError):
                return PictureHeader("other")
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return PictureHeader("gif", pixels="palette")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return PictureHeader("webp")
    return PictureHeader("other")


def _read_jpeg(data: bytes) -> PictureHeader:
    position, orientation = 2, 1
    while True:
        prefix, marker = data[position], data[position + 1]
        if prefix != 0xFF:
            return PictureHeader("other")
        if marker == 0xFF:  # fill bytes may stand before a marker
            position += 1
            continue
        position += 2
        if marker in _WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in _FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 2)
            pixels = "16-bit" if bits > 8 else {1: "grey", 4: "CMYK"}.get(channels, "RGB")
            return PictureHeader("jpeg", width, height, pixels, orientation)
        segment = data[position + 2 : position + length]
        if marker == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = _orientation_in(segment[6:])
        position += length


def _read_png(data: bytes) -> PictureHeader:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    pixels = "16-bit" if bits == 16 else _PNG_PIXELS.get(colour, "RGB")
    position, orientation = 8, 1
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        name = data[position + 4 : position + 8]
        if name in (b"IDAT", b"IEND"):
            break
        if name == b"eXIf":
            orientation = _orientation_in(data[position + 8 : position + 8 + length])
        position += 12 + length
    return PictureHeader("png", width, height, pixels, orientation)


def _read_bmp(data: bytes) -> PictureHeader:
    if data[14:18] == b"\x0c\0\0\0":  # the oldest header has 16-bit sizes
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", data, 18)
    pixels = "palette" if bits <= 8 else "RGB"
    return PictureHeader("bmp", abs(width), abs(height), pixels)


def _read_tiff(data: bytes) -> PictureHeader:
    """Read the first directory; its orientation does not count, as decoders apply it always."""
    tags = _tags_of(data)
    pixels = _TIFF_PIXELS.get(tags.get(262, 2), "RGB")
    if tags.get(258, 8) > 8:
        pixels = "16-bit"
    elif pixels == "RGB" and tags.get(277, 3) == 4:
        pixels = "alpha"
    return PictureHeader("tiff", tags.get(256, 0), tags.get(257, 0), pixels)


def _orientation_in(exif: bytes) -> int:
    """Return the orientation that a block of EXIF data states, 1 where it states none."""
    try:
        orientation = _tags_of(exif).get(_ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _tags_of(data: bytes) -> dict[int, int]:
    """Return the whole-numbered tags of the first directory of a TIFF structure."""
    order = ">" if data[:2] == b"MM" else "<"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    tags = {}
    for entry in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(order + "HHI", data, entry)
        if kind == 3 and values > 2:  # three or more shorts stand elsewhere; the first will do
            (place,) = struct.unpack_from(order + "I", data, entry + 8)
            (tags[tag],) = struct.unpack_from(order + "H", data, place)
        elif kind in (3, 4):
            form = "H" if kind == 3 else "I"
            (tags[tag],) = struct.unpack_from(order + form, data, entry + 8)
    return tags
