"""Picture files made byte by byte: with an EXIF turn, with a lying header, of odd kinds."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np


def encode(image, suffix=".png"):
    """Return the file of a picture (H, W, 3) RGB, (H, W) grey or (H, W, 4) RGBA."""
    if image.ndim == 3:
        image = image[..., [2, 1, 0, 3][: image.shape[2]]]
    return cv2.imencode(suffix, image)[1].tobytes()


def exif(orientation, order=">"):
    """Return EXIF data that states nothing but an orientation."""
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def turned_jpeg(image, orientation, order=">"):
    """Return a JPEG of the picture as it is given, with an EXIF orientation."""
    data = encode(image, ".jpg")
    segment = b"Exif\0\0" + exif(orientation, order)
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:]


def png_chunk(name, data):
    """Return a chunk of a PNG file."""
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def png_file(width, height, bits=8, colour=2, chunks=b"", data=b""):
    """Return a PNG whose header says this, whatever `data` holds."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + chunks + png_chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def jpeg_header(width, height, channels=3, bits=8):
    """Return the beginning of a JPEG up to its frame header, and an end marker."""
    frame = struct.pack(">BHHB", bits, height, width, channels) + b"\x01\x11\x00" * channels
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def red_corner(width=60, height=40):
    """Return a grey picture (H, W, 3) with a red patch at (4, 6, 24, 16)."""
    image = np.full((height, width, 3), 90, dtype=np.uint8)
    image[6:16, 4:24] = (230, 20, 20)
    return image


def find_red(image):
    """Return the box xyxy around what is red in a picture (H, W, 3) RGB."""
    red = (image[..., 0].astype(int) - image[..., 1]) > 90
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
