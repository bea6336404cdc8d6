"""Reading the header of a picture file: its format, size, kind of pixels and EXIF orientation."""

from __future__ import annotations

import struct
from typing import NamedTuple

from vision.pictures.jpeg_markers import EXIF_SEGMENT, FILL, FRAMES, JPEG_START, WITHOUT_LENGTH

FORMATS = ("other", "jpeg", "png", "bmp", "tiff", "gif", "webp")
# Kinds of pixels that are converted on the way to 8-bit RGB.
KINDS_OF_PIXELS = ("RGB", "grey", "palette", "alpha", "CMYK", "16-bit")

PNG_PIXELS = {0: "grey", 3: "palette", 4: "alpha", 6: "alpha"}
TIFF_PIXELS = {0: "grey", 1: "grey", 3: "palette", 5: "CMYK"}
EXIF_ORIENTATION = 0x0112  # the number of the tag


class PictureHeader(NamedTuple):
    """What a picture file says of itself; sizes are 0 if it does not say them."""

    format: str  # of FORMATS
    width: int = 0  # as stored, pixels
    height: int = 0
    pixels: str = "RGB"  # of KINDS_OF_PIXELS
    orientation: int = 1  # EXIF: 1 upright, 2 to 8 mirrored or turned
    end: int = 0  # of a JPEG: the position of its coded pixels


def read_picture_header(data: bytes) -> PictureHeader:
    """Return what a picture file says of itself; the format is "other" for anything unknown.

    Args:
        data: the file, or its beginning. It must reach to the size, which in a JPEG may stand
            behind a thumbnail.
    """
    readers = (
        (JPEG_START, _read_jpeg),
        (b"\x89PNG\r\n\x1a\n", _read_png),
        (b"BM", _read_bmp),
        (b"II*\0", _read_tiff),
        (b"MM\0*", _read_tiff),
        (b"GIF87a", _read_gif),
        (b"GIF89a", _read_gif),
        (b"RIFF", _read_webp),
    )
    for magic, read in readers:
        if data.startswith(magic):
            try:
                return read(data)
            except (struct.error, IndexError):
                break
    return PictureHeader("other")


def _read_jpeg(data: bytes) -> PictureHeader:
    """Go from marker to marker up to the frame header; a thumbnail lies inside a segment."""
    position, orientation = 2, 1
    while True:
        prefix, marker = data[position], data[position + 1]
        if prefix != 0xFF:
            return PictureHeader("other")
        if marker == FILL:  # fill bytes may stand before a marker
            position += 1
            continue
        position += 2
        if marker in WITHOUT_LENGTH:
            continue
        (length,) = struct.unpack_from(">H", data, position)
        if marker in FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", data, position + 2)
            pixels = "16-bit" if bits > 8 else {1: "grey", 4: "CMYK"}.get(channels, "RGB")
            return PictureHeader("jpeg", width, height, pixels, orientation, position + length)
        if marker == EXIF_SEGMENT and data.startswith(b"Exif\0\0", position + 2):
            orientation = _orientation_in(data[position + 8 : position + length])
        position += length


def _read_png(data: bytes) -> PictureHeader:
    width, height, bits, colour = struct.unpack_from(">IIBB", data, 16)
    pixels = "16-bit" if bits == 16 else PNG_PIXELS.get(colour, "RGB")
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
    """Read the first directory; leave out its orientation, which decoders always apply."""
    tags = _tags_of(data)
    pixels = TIFF_PIXELS.get(tags.get(262, 2), "RGB")
    if tags.get(258, 8) > 8:
        pixels = "16-bit"
    elif pixels == "RGB" and tags.get(277, 3) == 4:
        pixels = "alpha"
    return PictureHeader("tiff", tags.get(256, 0), tags.get(257, 0), pixels)


def _read_gif(data: bytes) -> PictureHeader:
    width, height = struct.unpack_from("<HH", data, 6)
    return PictureHeader("gif", width, height, "palette")


def _read_webp(data: bytes) -> PictureHeader:
    if data[8:12] != b"WEBP":
        return PictureHeader("other")
    width = height = 0
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
    elif kind == b"VP8L" and data[20:21] == b"\x2f":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return PictureHeader("webp", width, height, orientation=_orientation_in_webp(data))


def _orientation_in_webp(data: bytes) -> int:
    """Go from chunk to chunk to the EXIF data, which stand behind the pixels."""
    position = 12
    while position + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        if data[position : position + 4] == b"EXIF":
            exif = data[position + 8 : position + 8 + length]
            return _orientation_in(exif[6:] if exif.startswith(b"Exif\0\0") else exif)
        position += 8 + length + length % 2
    return 1


def _orientation_in(exif: bytes) -> int:
    """Return the orientation that a block of EXIF data states, 1 where it states none."""
    try:
        orientation = _tags_of(exif).get(EXIF_ORIENTATION, 1)
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
