"""Checking that a JPEG file is whole."""

from __future__ import annotations

import io
from pathlib import Path

from vision.pictures.jpeg_markers import END_OF_IMAGE, JPEG_START, START_OF_SCAN

TAIL = 64  # bytes to search for the end marker; some cameras pad their files behind it


def jpeg_fault(data: bytes) -> str | None:
    """Return why these bytes do not decode to the end as a JPEG; None if they do.

    They are decoded in grey at an eighth of the size, which reads every coded byte but makes few
    pixels.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            picture.draft("L", (max(1, picture.width // 8), max(1, picture.height // 8)))
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        return " ".join(str(error).split())
    # The decoder accepts a scan that ends in zeros. Coded pixels contain neither marker.
    if data.rfind(END_OF_IMAGE) < data.rfind(START_OF_SCAN):
        return "its end marker is missing"
    return None


def is_whole_jpeg(path: Path) -> bool:
    """Return whether `path` is a whole JPEG; decode it only if its end is unusual."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if file.read(len(JPEG_START)) != JPEG_START:
            return False
        length = file.seek(0, io.SEEK_END)
        file.seek(max(0, length - TAIL))
        if file.read().rstrip(b"\0").endswith(END_OF_IMAGE):
            return True
        file.seek(0)
        return jpeg_fault(file.read()) is None
