from __future__ import annotations

import struct

import numpy as np
import pytest

from tests.datasets.picture_bytes import (
    encode,
    exif,
    jpeg_header,
    png_chunk,
    png_file,
    red_corner,
    turned_jpeg,
)
from vision.pictures.headers import PictureHeader, read_picture_header

IMAGE = red_corner(60, 40)


def webp(kind, data):
    return b"RIFF\0\0\0\0WEBP" + kind + struct.pack("<I", len(data)) + data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encode(IMAGE, ".jpg"), PictureHeader("jpeg", 60, 40)),
        (encode(IMAGE[..., 0], ".jpg"), PictureHeader("jpeg", 60, 40, "grey")),
        (encode(IMAGE), PictureHeader("png", 60, 40)),
        (encode(IMAGE[..., 0]), PictureHeader("png", 60, 40, "grey")),
        (encode(np.dstack([IMAGE, IMAGE[..., :1]])), PictureHeader("png", 60, 40, "alpha")),
        (encode(IMAGE.astype(np.uint16) * 256), PictureHeader("png", 60, 40, "16-bit")),
        (encode(IMAGE, ".bmp"), PictureHeader("bmp", 60, 40)),
        (encode(IMAGE[..., 0], ".bmp"), PictureHeader("bmp", 60, 40, "palette")),
        (encode(IMAGE, ".tiff"), PictureHeader("tiff", 60, 40)),
        (encode(IMAGE[..., 0], ".tiff"), PictureHeader("tiff", 60, 40, "grey")),
        (encode(IMAGE.astype(np.uint16) * 256, ".tiff"), PictureHeader("tiff", 60, 40, "16-bit")),
        (jpeg_header(9, 7, channels=4), PictureHeader("jpeg", 9, 7, "CMYK")),
        (jpeg_header(9, 7, bits=12), PictureHeader("jpeg", 9, 7, "16-bit")),
        (png_file(9, 7, colour=3), PictureHeader("png", 9, 7, "palette")),
        (b"GIF89a" + bytes(20), PictureHeader("gif", pixels="palette")),
        (b"GIF87a" + struct.pack("<HH", 9, 7), PictureHeader("gif", 9, 7, "palette")),
        (encode(IMAGE, ".webp"), PictureHeader("webp", 60, 40)),
        (webp(b"VP8X", bytes(4) + b"\x08\0\0\x06\0\0"), PictureHeader("webp", 9, 7)),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 8 | 6 << 14)), PictureHeader("webp", 9, 7)),
        (webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + b"\x09\0\x07\0"), PictureHeader("webp", 9, 7)),
        (b"RIFF\0\0\0\0WEBPVP8 ", PictureHeader("webp")),
        (b"<html>not found</html>", PictureHeader("other")),
        (b"", PictureHeader("other")),
    ],
)
def test_a_header_says_format_size_and_pixels(data, expected):
    assert read_picture_header(data)._replace(end=0) == expected


def test_the_coded_pixels_of_a_jpeg_begin_behind_its_frame_header():
    data = turned_jpeg(IMAGE, 6)
    end = read_picture_header(data).end
    frame = data.index(b"\xff\xc0")
    assert end == frame + 2 + int.from_bytes(data[frame + 2 : frame + 4], "big")
    assert read_picture_header(encode(IMAGE)).end == 0


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_found_in_either_byte_order(orientation, order):
    assert read_picture_header(turned_jpeg(IMAGE, orientation, order)).orientation == orientation
    png = png_file(9, 7, chunks=png_chunk(b"eXIf", exif(orientation, order)))
    assert read_picture_header(png).orientation == orientation


@pytest.mark.parametrize(
    "data", [b"", b"MM\0*", exif(0), exif(9), b"II*\0" + struct.pack("<I", 4_000_000)]
)
def test_exif_data_that_says_nothing_sensible_means_upright(data):
    png = png_file(9, 7, chunks=png_chunk(b"eXIf", data))
    assert read_picture_header(png).orientation == 1


def test_any_beginning_of_a_file_is_read_without_an_error():
    for whole in (
        turned_jpeg(IMAGE, 6),
        encode(IMAGE),
        encode(IMAGE, ".tiff"),
        encode(IMAGE, ".bmp"),
    ):
        for length in range(min(len(whole), 400)):
            assert read_picture_header(whole[:length]).format in (
                "other",
                "jpeg",
                "png",
                "tiff",
                "bmp",
            )
