"""Tell pictures that were resized after labelling from sizes that are stated wrongly."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# What many pictures of a part have in common says more than one of them.
MANY_PICTURES = 5
LEAST_SHARE = 0.1  # of the pictures that may be either, those that tell
MOST_EXCEPTIONS = 0.02  # pictures that tell the opposite, as boxes reach beyond the edge by mistake
CLEARLY = 1.05  # how much larger or smaller a picture is that was resized on purpose
AT_THE_EDGE = 0.98  # of a side, where an object ends that the edge has cut


class Resized(NamedTuple):
    """What is known of K pictures whose size is not the stated one, each (K,) bool."""

    resized: np.ndarray  # their boxes are in pixels of the stated size
    unclear: np.ndarray  # nothing tells, so that the boxes are taken as they are


def tell_resized(
    stated: np.ndarray, sizes: np.ndarray, extents: np.ndarray, agreeing: int
) -> Resized:
    """Tell which pictures were resized after their boxes were marked.

    One was if its shape is still the stated one, or if the boxes do not fit it as it is. If they do
    not fit the stated size, that is a slip of the pen. Where boxes fit both, the picture goes with
    the others of its part: with those that tell; or, of a part most of whose sizes differ, by what
    programs do that make a whole dataset larger or square: all pictures get one size, or no box
    leaves the stated size though many end at its edge.

    Args:
        stated: width and height (K, 2) as annotated.
        sizes: (K, 2), what they really are, never equal to the stated ones.
        extents: (K, 2), the largest x and y of the boxes, 0 without boxes.
        agreeing: the number of other pictures of the part, whose stated size is right.
    """
    fits_stated = (extents <= stated + 1).all(axis=1)
    fits_size = (extents <= sizes + 1).all(axis=1)
    resized = fits_stated & (same_shape(stated, sizes) | ~fits_size)
    is_open = fits_stated & ~resized
    marked = (extents > 0).any(axis=1)
    scales = sizes / np.maximum(stated, 1)
    clearly = (np.maximum(scales, 1 / np.maximum(scales, 1e-9)) > CLEARLY).any(axis=1)
    opens, against = int((is_open & marked).sum()), int((~fits_stated).sum())
    in_favour = int((resized & marked & clearly).sum())
    nothing = np.zeros(len(stated), dtype=bool)
    if in_favour > against and in_favour >= LEAST_SHARE * opens:
        return Resized(resized | is_open, nothing)
    is_rule = opens >= MANY_PICTURES and len(stated) >= agreeing
    if not is_rule or against > MOST_EXCEPTIONS * len(stated):
        return Resized(resized, nothing)
    made_equal = len(np.unique(sizes, axis=0)) == 1 and len(np.unique(stated, axis=0)) > 1
    cut = (extents >= AT_THE_EDGE * stated) & (scales > CLEARLY)
    if made_equal or (cut.any(axis=1) & is_open).sum() >= LEAST_SHARE * opens:
        return Resized(resized | is_open, nothing)
    return Resized(resized, is_open)


def same_shape(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return where one size (..., 2) is the other made larger or smaller, give or take a pixel."""
    (width, height), (other_width, other_height) = (
        np.moveaxis(one.astype(np.int64), -1, 0) for one in (sizes, others)
    )
    difference = np.abs(width * other_height - height * other_width)
    return difference <= np.maximum(other_width + other_height, width + height)
