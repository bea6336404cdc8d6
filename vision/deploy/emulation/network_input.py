"""The tensor that detectnet makes of a picture, to the bit.

detectnet stretches the picture to the network's size, takes the nearest source pixel by truncation
(no filter, no half-pixel shift, unlike any `cv2.resize`), and normalises to -1..1.
"""

from __future__ import annotations

import numpy as np

from vision.structures import DETECTNET_MEAN, DETECTNET_STD

INPUT_NORMALISATION = f"(pixel - {DETECTNET_MEAN}) / {DETECTNET_STD}"


def network_input(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Turn a picture into the network's input as detectnet does.

    Args:
        image: (H, W, 3) uint8 RGB, or float32 with values 0..255.
        height: of the network's input.
        width: of the network's input.

    Returns:
        (1, 3, height, width) float32, R, G and B planes in -1..1.

    Raises:
        ValueError: if `image` is not (H, W, 3) with at least one pixel.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise ValueError(f"image must be (H, W, 3) with at least one pixel, got {image.shape}")
    rows = _source_indices(image.shape[0], height)
    columns = _source_indices(image.shape[1], width)
    pixels = image[rows][:, columns].astype(np.float32)  # (height, width, 3)
    # The order of these operations decides the last bit: (p - 127.5) / 127.5 rounds otherwise.
    unit = pixels * (np.float32(1) / np.float32(255))
    signed = (unit - np.float32(0.5)) / np.float32(0.5)
    return np.ascontiguousarray(signed.transpose(2, 0, 1)[None])


def _source_indices(source_size: int, target_size: int) -> np.ndarray:
    step = np.float32(source_size) / np.float32(target_size)
    return (np.arange(target_size, dtype=np.float32) * step).astype(np.int64)
