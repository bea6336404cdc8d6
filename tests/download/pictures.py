"""Small drawn JPEG files and annotation files for the download tests."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
)


def draw_jpeg(seed: int, width: int = 64, height: int = 48, quality: int = 90) -> bytes:
    """Return a JPEG of noise; another seed gives other bytes."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return file.getvalue()


def image_id(number: int) -> str:
    """Return an id in the form of Open Images."""
    return f"{number:016x}"


def line(number: int, label: str, box: tuple = (0.1, 0.2, 0.5, 0.6), flags: str = "00000") -> str:
    """Return a line of an annotation file; `box` is xyxy in fractions, `flags` in column order."""
    x1, y1, x2, y2 = box
    return f"{image_id(number)},xclick,{label},1,{x1:.6f},{x2:.6f},{y1:.6f},{y2:.6f}," + ",".join(
        flags
    )


def annotation_file(lines: list[str]) -> bytes:
    """Return the bytes of an annotation file with these lines."""
    return "".join(f"{text}\n" for text in [HEADER, *lines]).encode()


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a CSV file as a list of rows."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
