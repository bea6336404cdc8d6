"""Carrying out a geometry plan: from a picture file to the pixels of the net's input."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vision.pictures.reading import EncodedPicture
from vision.transforms.geometry import GeometryPlan

LONGEST_SIDE = 32766  # that OpenCV's warps take, which count pixels in 16 bits


def draw(
    picture: EncodedPicture, plan: GeometryPlan, fill_colour: tuple[int, int, int]
) -> np.ndarray:
    """Decode a picture at the smallest scale that its plan allows, and carry the plan out.

    Args:
        picture: the file.
        plan: the part of it to take.
        fill_colour: RGB, 0 to 255, for what lies outside the picture.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    reduction = choose_reduction(picture, plan)
    return resample(picture.decode(reduction), plan, fill_colour, reduction)


def choose_reduction(picture: EncodedPicture, plan: GeometryPlan) -> int:
    """Return the largest reduction of `picture` that does not show in the result of `plan`.

    Each output pixel needs this many decoded pixels along x and y: area 1; linear 2, so that it
    aliases like a plain resize; nearest as many as for the whole picture, as detectnet samples it.
    """
    needed = {
        "area": (1, 1),
        "linear": (2, 2),
        "nearest": GeometryPlan.whole(picture.width, picture.height, plan.size).scale,
    }[plan.interpolation]
    limit = max(1, min(scale / need for scale, need in zip(plan.scale, needed)))
    return max(reduction for reduction in picture.reductions if reduction <= limit)


def resample(
    pixels: np.ndarray, plan: GeometryPlan, fill_colour: tuple[int, int, int], reduction: int = 1
) -> np.ndarray:
    """Carry out a plan on pixels (H, W, 3) uint8 RGB that were decoded at 1 / `reduction`.

    Returns:
        (size, size, 3) uint8 RGB, `fill_colour` where the plan reaches outside the picture.
    """
    too_long = max(pixels.shape) > LONGEST_SIDE
    if plan.interpolation == "nearest" and not too_long:
        return _pick(pixels, plan, fill_colour, reduction)
    outside = plan.reaches_outside(pixels.shape[1] * reduction, pixels.shape[0] * reduction)
    origin, shrink = (0, 0), (reduction, reduction)
    if plan.interpolation == "area" or too_long:
        pixels, origin, shrink = _pre_shrink(pixels, plan, reduction)
    if (origin, shrink) == ((0, 0), (1, 1)) and not outside:
        # A crop of whole pixels: the same as the warp, in a third of the time.
        left, top, right, bottom = plan.crop
        stretched = cv2.resize(pixels[top:bottom, left:right], (plan.size, plan.size))
        return cv2.flip(stretched, 1) if plan.mirrored else stretched
    return cv2.warpAffine(
        pixels,
        plan.matrix(origin, shrink),
        (plan.size, plan.size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if outside else cv2.BORDER_REPLICATE,
        borderValue=fill_colour,
    )


def resize(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """Stretch (H, W, 3) to (size, size, 3): "linear" like upstream, "nearest" like detectnet."""
    height, width = image.shape[:2]
    plan = GeometryPlan((0, 0, width, height), size, interpolation=interpolation)
    return resample(image, plan, fill_colour=(0, 0, 0))


def _pick(
    pixels: np.ndarray, plan: GeometryPlan, fill_colour: tuple[int, int, int], reduction: int
) -> np.ndarray:
    """Pick the pixels that detectnet would pick."""
    columns, rows = (indices // reduction for indices in plan.nearest_indices())
    indices = np.empty((plan.size, plan.size, 2), np.int16)
    indices[..., 0] = columns.clip(-1, pixels.shape[1])
    indices[..., 1] = rows.clip(-1, pixels.shape[0])[:, None]
    return cv2.remap(
        pixels,
        indices,
        np.empty(0, np.uint16),  # the first map holds both x and y
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill_colour,
    )


def _pre_shrink(
    pixels: np.ndarray, plan: GeometryPlan, reduction: int
) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """Shrink the part in use by whole factors, so that the warp skips less than two pixels a step.

    Returns:
        the pixels; where they start in the stored picture; the stored pixels that one of them
        covers along x and y.
    """
    wide, high = (max(1, int(scale / reduction)) for scale in plan.scale)
    if max(pixels.shape) <= LONGEST_SIDE:
        wide = high = min(wide, high)  # INTER_AREA takes five times as long if they differ
        if wide == 1:
            return pixels, (0, 0), (reduction, reduction)
    left, top, right, bottom = (edge / reduction for edge in plan.crop)
    x, columns = _whole_factors(left, right, pixels.shape[1], wide)
    y, rows = _whole_factors(top, bottom, pixels.shape[0], high)
    part = pixels[y : y + rows * high, x : x + columns * wide]
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return small, (x * reduction, y * reduction), (wide * reduction, high * reduction)


def _whole_factors(start: float, stop: float, side: int, factor: int) -> tuple[int, int]:
    """Return the first pixel in use, and the number of groups of `factor` pixels from there on.

    The groups cover [start, stop) as far as the picture goes, except fewer than `factor` pixels at
    the end.
    """
    first = min(max(0, int(start)), side - 1)
    count = math.ceil((min(side, stop) - first) / factor)
    return first, max(1, min(count, (side - first) // factor))
