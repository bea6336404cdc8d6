"""Pictures as files: encoded in memory, and written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from vision.utils.files import atomic_write

QUALITY = 95  # of a JPEG that is kept, 0 to 100
PAGE_QUALITY = 92  # of a page of many pictures to look at


def encode_picture(image: np.ndarray, suffix: str = ".jpg", quality: int = QUALITY) -> bytes:
    """Return a (H, W, 3) uint8 RGB picture as the bytes of a file.

    Raises:
        ValueError: OpenCV cannot write this kind of file, or not in this size.
    """
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    is_jpeg = suffix.lower() in (".jpg", ".jpeg")
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality] if is_jpeg else []
    try:
        done, encoded = cv2.imencode(suffix.lower(), bgr, flags)
    except cv2.error as error:
        raise ValueError(f"a picture cannot be written as {suffix}: {error.err}") from error
    if not done:
        height, width = image.shape[:2]
        raise ValueError(f"a picture of {width} x {height} pixels cannot be written as {suffix}")
    return encoded.tobytes()


def write_picture(path: str | Path, image: np.ndarray, quality: int = QUALITY) -> None:
    """Write a (H, W, 3) uint8 RGB picture in the format of the suffix; the folder is made.

    Args:
        quality: of a JPEG, 0 to 100.

    Raises:
        ValueError: as `encode_picture`.
    """
    data = encode_picture(image, Path(path).suffix, quality)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)
