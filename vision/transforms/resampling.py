"""From a geometry plan and a picture file to the pixels of the network's input."""

from __future__ import annotations

import math

import cv2
import numpy as np

from vision.pictures.reading import EncodedPicture
from vision.transforms.geometry import GeometryPlan

_LONGEST_SIDE = 32766  # of a source of OpenCV's warps, which count in 16 bits


def draw(
    picture: EncodedPicture, plan: GeometryPlan, fill_colour: tuple[int, int, int]
) -> np.ndarray:
    """Decode a picture at the scale that its plan allows, and carry the plan out.

    Args:
        picture: the file.
        plan: what to take of it.
        fill_colour: RGB, 0 to 255, of what lies outside the picture.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    reduction = choose_reduction(picture, plan)
    return resample(picture.decode(reduction), plan, fill_colour, reduction)


def choose_reduction(picture: EncodedPicture, plan: GeometryPlan) -> int:
    """Return the largest reduction of `picture` that does not show in the result of `plan`.

    Under one pixel of the result there must remain, for area, one pixel of the decoded picture; for
    linear the two it looks at, so that it stays as rough as a plain resize; for nearest as many as
    detectnet picks one from in a whole picture, as one zoomed out need not be rougher than that.
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
    """Carry out a plan on pixels (H, W, 3) uint8 RGB, decoded at 1 / `reduction` of their size.

    Returns:
        (size, size, 3) uint8 RGB, `fill_colour` where the plan reaches outside the picture.
    """
    too_long = max(pixels.shape) > _LONGEST_SIDE
    if plan.interpolation == "nearest" and not too_long:
        return _pick(pixels, plan, fill_colour, reduction)
    outside = plan.reaches_outside(pixels.shape[1] * reduction, pixels.shape[0] * reduction)
    origin, shrink = (0, 0), (reduction, reduction)
    if plan.interpolation == "area" or too_long:
        pixels, origin, shrink = _pre_shrink(pixels, plan, reduction)
    if (origin, shrink) == ((0, 0), (1, 1)) and not outside:
        return _resize(pixels, plan)
    return cv2.warpAffine(
        pixels,
        plan.matrix(origin, shrink),
        (plan.size, plan.size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT if outside else cv2.BORDER_REPLICATE,
        borderValue=fill_colour,
    )


def resize(image: np.ndarray, size: int, interpolation: str) -> np.ndarray:
    """Stretch (H, W, 3) to (size, size, 3): "linear" as upstream, "nearest" just as detectnet."""
    height, width = image.shape[:2]
    plan = GeometryPlan((0, 0, width, height), size, interpolation=interpolation)
    return resample(image, plan, fill_colour=(0, 0, 0))


def _resize(pixels: np.ndarray, plan: GeometryPlan) -> np.ndarray:
    """Do what the warp would, in a third of the time, where the crop falls on whole pixels."""
    left, top, right, bottom = plan.crop
    stretched = cv2.resize(pixels[top:bottom, left:right], (plan.size, plan.size))
    return cv2.flip(stretched, 1) if plan.mirrored else stretched


def _pick(
    pixels: np.ndarray, plan: GeometryPlan, fill_colour: tuple[int, int, int], reduction: int
) -> np.ndarray:
    columns, rows = (indices // reduction for indices in plan.nearest_indices())
    indices = np.empty((plan.size, plan.size, 2), np.int16)
    indices[..., 0] = columns.clip(-1, pixels.shape[1])
    indices[..., 1] = rows.clip(-1, pixels.shape[0])[:, None]
    return cv2.remap(
        pixels,
        indices,
        None,
        cv2.INTER_NEAREST,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=fill_colour,
    )


def _pre_shrink(
    pixels: np.ndarray, plan: GeometryPlan, reduction: int
) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """Shrink the part in use by whole factors, so that the warp passes over less than two pixels.

    Returns:
        the pixels; where they start in the stored picture; how many stored pixels one covers.
    """
    wide, high = (max(1, int(scale / reduction)) for scale in plan.scale)
    if max(pixels.shape) <= _LONGEST_SIDE:
        wide = high = min(wide, high)  # INTER_AREA takes five times as long where they differ
        if wide == 1:
            return pixels, (0, 0), (reduction, reduction)
    left, top, right, bottom = (edge / reduction for edge in plan.crop)
    x, columns = _whole_factors(left, right, pixels.shape[1], wide)
    y, rows = _whole_factors(top, bottom, pixels.shape[0], high)
    part = pixels[y : y + rows * high, x : x + columns * wide]
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return small, (x * reduction, y * reduction), (wide * reduction, high * reduction)


def _whole_factors(start: float, stop: float, side: int, factor: int) -> tuple[int, int]:
    """Return the first pixel in use and the count of `factor` pixels each from there on.

    They cover [start, stop) as far as the picture goes, but for a rest of less than `factor`.
    """
    first = min(max(0, int(start)), side - 1)
    count = math.ceil((min(side, stop) - first) / factor)
    return first, max(1, min(count, (side - first) // factor))
