"""Measure how well the priors of a net cover the boxes of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import blocks

IOU_TO_MATCH = 0.5
MOST_BOXES = 2000  # compared with the priors, drawn by seed; the share is then right within 2 %
BOXES_AT_ONCE = 32
# Shares of the boxes that match no prior. Matching gives each of them its best prior anyway.
WORTH_FITTING = 0.05  # suggest --anchors fitted from this share on
TOLERABLE = 0.1  # suggest a larger input only above this share
# Suggest a larger input only if it leaves at most 75 % of today's unmatched boxes.
WORTHWHILE = 0.75


@dataclass(frozen=True)
class DatasetCoverage:
    """How well the priors of a net cover the boxes of a dataset."""

    resolution: int  # side of the net's input, pixels
    median_size: tuple[float, float]  # width and height of the boxes, pixels of the net's input
    unmatched: float  # share of the boxes that no prior overlaps by IOU_TO_MATCH
    # The same, by resolution; of larger ones only where `unmatched` is above TOLERABLE.
    unmatched_at: dict[int, float]
    advised: int | None  # a larger resolution that covers more boxes, if one is worth it

    def __str__(self) -> str:
        width, height = self.median_size
        words = (
            f"sizes: median {width:.0f}x{height:.0f} px at {self.resolution}x{self.resolution}; "
            f"{self.unmatched:.0%} of boxes match no prior (IoU {IOU_TO_MATCH})"
        )
        advice = ["--anchors fitted"] * (self.unmatched >= WORTH_FITTING)
        if self.advised:
            left = self.unmatched_at[self.advised]
            advice.append(f"--resolution {self.advised} (leaves {left:.0%})")
        return f"{words}: try {' or '.join(advice)}" if advice else words


def measure_coverage(
    index: AnnotationIndex, priors: Mapping[int, np.ndarray], resolution: int, seed: int = 0
) -> DatasetCoverage | None:
    """Compare the boxes of an index with the priors of a net; return None without boxes.

    Args:
        index: of the pictures; sizes are needed where boxes are in pixels.
        priors: by resolution, (P, 4) cxcywh in [0, 1]; `resolution` must be among them.
    """
    if not index.num_boxes:
        return None
    fractions = index.boxes_in_square(1)
    sizes = fractions[:, 2:] - fractions[:, :2]
    drawn = fractions
    if len(fractions) > MOST_BOXES:
        rng = np.random.default_rng(seed)
        drawn = fractions[rng.choice(len(fractions), MOST_BOXES, replace=False)]

    def unmatched(side: int) -> float:
        return float((best_iou(drawn, priors[side]) < IOU_TO_MATCH).mean())

    shares = {resolution: unmatched(resolution)}
    if shares[resolution] > TOLERABLE:  # else no larger one is suggested, and they have many priors
        shares.update({side: unmatched(side) for side in sorted(priors) if side > resolution})
    width, height = np.median(sizes, axis=0) * resolution
    return DatasetCoverage(
        resolution,
        (float(width), float(height)),
        shares[resolution],
        shares,
        _advise(shares, resolution),
    )


def best_iou(boxes: np.ndarray, priors: np.ndarray) -> np.ndarray:
    """Return the IoU (N,) of each box (N, 4) xyxy with its best prior (P, 4) cxcywh."""
    half = priors[:, 2:] / 2
    # Coordinate by coordinate, as (K, P) planes are several times as fast as (K, P, 2) pairs.
    left, top, right, bottom = np.hstack([priors[:, :2] - half, priors[:, :2] + half]).T.copy()
    prior_areas = np.prod(priors[:, 2:], axis=1)
    best = np.zeros(len(boxes), dtype=np.float32)
    for start, stop in blocks(len(boxes), BOXES_AT_ONCE):
        x1, y1, x2, y2 = boxes[start:stop].T[:, :, None]
        widths = (np.minimum(x2, right) - np.maximum(x1, left)).clip(0)
        shared = widths * (np.minimum(y2, bottom) - np.maximum(y1, top)).clip(0)  # (K, P)
        areas = (x2 - x1) * (y2 - y1)
        best[start:stop] = (shared / (areas + prior_areas - shared)).max(axis=1)
    return best


def _advise(shares: Mapping[int, float], resolution: int) -> int | None:
    """Return the smallest larger resolution that is tolerable, else the best that is worthwhile."""
    most = WORTHWHILE * shares[resolution]
    larger = {side: share for side, share in shares.items() if side > resolution and share <= most}
    if not larger:
        return None
    enough = [side for side, share in larger.items() if share <= TOLERABLE]
    return min(enough) if enough else min(larger, key=lambda side: (larger[side], side))
