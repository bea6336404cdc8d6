"""Planning which part of a picture the net sees, before anything is decoded.

A step takes the plan so far and the boxes of the stored picture, and returns a new plan. A plan
needs only boxes and sizes, so it costs microseconds; the picture is touched once, when it is drawn.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Sequence

import numpy as np

from vision.utils.numpy_boxes import intersection_over_union

INTERPOLATIONS = ("linear", "area", "nearest")


@dataclass(frozen=True)
class GeometryPlan:
    """A rectangle of the stored picture, stretched to `size` x `size` and perhaps mirrored."""

    crop: tuple[int, int, int, int]  # xyxy, pixels of the stored picture; may reach outside
    size: int
    mirrored: bool = False
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        """Check what a caller may have got wrong."""
        if self.interpolation not in INTERPOLATIONS:
            raise ValueError(
                f"interpolation must be one of {INTERPOLATIONS}, got {self.interpolation!r}"
            )

    @classmethod
    def whole(cls, width: int, height: int, size: int) -> GeometryPlan:
        """Return the plan that takes the whole picture, as a detector does."""
        return cls((0, 0, width, height), size)

    @property
    def scale(self) -> tuple[float, float]:
        """Return the number of stored pixels under one pixel of the square, along x and along y."""
        left, top, right, bottom = self.crop
        return (right - left) / self.size, (bottom - top) / self.size

    def reaches_outside(self, width: int, height: int) -> bool:
        """Return whether a part of the square lies outside a picture of `width` x `height`."""
        left, top, right, bottom = self.crop
        return left < 0 or top < 0 or right > width or bottom > height

    def keeps(self, boxes: np.ndarray) -> np.ndarray:
        """Return (N,) bool: which boxes (N, 4) of the stored picture have their centre inside."""
        return centres_inside(boxes, self.crop)

    def apply_to_boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (N, 4) of the stored picture in pixels of the square, clipped to it."""
        scale = np.array(self.scale * 2, np.float32)
        moved = (boxes - np.array(self.crop[:2] * 2, np.float32)) / scale
        if self.mirrored:
            moved[:, [0, 2]] = self.size - moved[:, [2, 0]]
        return moved.clip(0, self.size).astype(np.float32)

    def matrix(
        self, origin: tuple[float, float] = (0, 0), shrink: tuple[float, float] = (1, 1)
    ) -> np.ndarray:
        """Return the affine map (2, 3) from pixel indices of the square to those of a source.

        The source shows the stored picture from `origin` on; one of its pixels covers `shrink`
        stored pixels along x and y. The centre of pixel i lies at i + 0.5, hence the halves.
        """
        (left, top, right, _), (scale_x, scale_y) = self.crop, self.scale
        first, step = (right, -scale_x) if self.mirrored else (left, scale_x)
        return np.array(
            [
                [step / shrink[0], 0, (first + step / 2 - origin[0]) / shrink[0] - 0.5],
                [0, scale_y / shrink[1], (top + scale_y / 2 - origin[1]) / shrink[1] - 0.5],
            ]
        )

    def nearest_indices(self) -> tuple[np.ndarray, np.ndarray]:
        """Return columns and rows, (size,) int64, of the stored pixels that detectnet would pick.

        It truncates float32(i) * float32(side / size), without a half. A mirrored plan picks what
        detectnet would pick from the mirrored picture.
        """
        left, top, right, bottom = self.crop
        steps = np.arange(self.size, dtype=np.float32)
        columns = (steps * (np.float32(right - left) / np.float32(self.size))).astype(np.int64)
        rows = (steps * (np.float32(bottom - top) / np.float32(self.size))).astype(np.int64)
        return (right - 1 - columns if self.mirrored else left + columns), top + rows


@dataclass(frozen=True)
class Reframe:
    """Show a smaller or larger frame of the picture, moved and a little stretched.

    Along each axis, a frame that is shorter than the picture lies within it, and one that is longer
    holds it all.
    """

    smallest: float = 0.7  # side of the frame, as a factor on the picture's
    largest: float = 1.5
    stretch: float = 1.3  # most that width : height may differ from the picture's, as a factor

    def __call__(
        self, plan: GeometryPlan, boxes: np.ndarray, rng: np.random.Generator
    ) -> GeometryPlan:
        """Return `plan` with another crop; the factors are drawn evenly on a logarithmic scale."""
        left, top, right, bottom = plan.crop
        scale = math.exp(rng.uniform(math.log(self.smallest), math.log(self.largest)))
        widened = math.exp(rng.uniform(-1, 1) * math.log(self.stretch) / 2)
        left, right = _moved(left, right, scale * widened, rng)
        top, bottom = _moved(top, bottom, scale / widened, rng)
        return replace(plan, crop=(left, top, right, bottom))


def _moved(first: int, last: int, factor: float, rng: np.random.Generator) -> tuple[int, int]:
    """Return a stretch of the axis that is `factor` times as long, and lies within or around."""
    length = max(1, round((last - first) * factor))
    room = last - first - length
    start = first + int(rng.integers(min(0, room), max(0, room), endpoint=True))
    return start, start + length


@dataclass(frozen=True)
class ZoomOut:
    """Place the picture on a larger empty canvas, to make objects small (SSD, section 3.6)."""

    probability: float = 0.5
    max_ratio: float = 4.0

    def __call__(
        self, plan: GeometryPlan, boxes: np.ndarray, rng: np.random.Generator
    ) -> GeometryPlan:
        """Return `plan` with a crop that reaches up to `max_ratio` sides across."""
        if rng.random() >= self.probability:
            return plan
        left, top, right, bottom = plan.crop
        width, height = right - left, bottom - top
        ratio = rng.uniform(1, self.max_ratio)
        wide, high = round(width * ratio), round(height * ratio)
        left -= int(rng.integers(0, wide - width, endpoint=True))
        top -= int(rng.integers(0, high - height, endpoint=True))
        return replace(plan, crop=(left, top, left + wide, top + high))


@dataclass(frozen=True)
class IoUCrop:
    """Cut out a patch that overlaps each object in it enough (SSD, section 2.2).

    `min_ious` are drawn in random order. Each is the least IoU that a patch must have with every
    object whose centre lies in it; 0 accepts any patch with an object, None takes the whole
    picture. If no candidate has it, the next one is drawn.
    """

    min_ious: tuple[float | None, ...] = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
    min_side: float = 0.3  # shortest side of a patch, as a fraction of the whole's
    max_stretch: float = 2.0  # most that width : height may differ from the whole's, as a factor
    candidates: int = 50  # patches to choose from
    probability: float = 1.0  # of cutting at all

    def __call__(
        self, plan: GeometryPlan, boxes: np.ndarray, rng: np.random.Generator
    ) -> GeometryPlan:
        """Return `plan` with a crop that lies inside the one it had."""
        if rng.random() >= self.probability:
            return plan
        patches = self._patches(plan.crop, rng)
        worst = worst_iou(boxes, patches)
        for choice in rng.permutation(len(self.min_ious)):
            min_iou = self.min_ious[choice]
            if min_iou is None:
                return plan
            good = np.flatnonzero(worst >= min_iou)
            if len(good):
                left, top, right, bottom = map(int, patches[good[0]])
                return replace(plan, crop=(left, top, right, bottom))
        return plan

    def _patches(self, whole: Sequence[int], rng: np.random.Generator) -> np.ndarray:
        """Return (candidates, 4) xyxy patches inside `whole`, of at least one whole pixel."""
        left, top, right, bottom = whole
        side = np.array([[right - left], [bottom - top]], np.float64)
        draws = rng.random((4, self.candidates))
        width = self.min_side + draws[0] * (1 - self.min_side)
        least = np.maximum(self.min_side, width / self.max_stretch)
        most = np.minimum(1, width * self.max_stretch)
        height = least + draws[1] * (most - least)
        extent = np.maximum(1, np.rint(np.stack([width, height]) * side))  # (2, candidates)
        start = np.array([[left], [top]], np.float64) + np.floor(draws[2:] * (side - extent + 1))
        return np.concatenate([start, start + extent]).T


@dataclass(frozen=True)
class Mirror:
    """Swap left and right."""

    probability: float = 0.5

    def __call__(
        self, plan: GeometryPlan, boxes: np.ndarray, rng: np.random.Generator
    ) -> GeometryPlan:
        """Return `plan`, perhaps mirrored."""
        return replace(plan, mirrored=True) if rng.random() < self.probability else plan


@dataclass(frozen=True)
class DrawInterpolation:
    """Vary how the picture is resampled, so that the net gets used to detectnet's way too."""

    choices: tuple[str, ...] = INTERPOLATIONS

    def __call__(
        self, plan: GeometryPlan, boxes: np.ndarray, rng: np.random.Generator
    ) -> GeometryPlan:
        """Return `plan` with one of the choices, all equally likely."""
        return replace(plan, interpolation=self.choices[int(rng.integers(len(self.choices)))])


def centres_inside(boxes: np.ndarray, edges: Sequence) -> np.ndarray:
    """Return which boxes (N, 4) xyxy have their centre inside a rectangle, or inside each of K.

    Args:
        boxes: xyxy, in the unit of `edges`.
        edges: left, top, right and bottom; four numbers, or four (K, 1) for K rectangles.

    Returns:
        (N,) bool, or (K, N).
    """
    left, top, right, bottom = edges
    x, y = (boxes[:, :2] + boxes[:, 2:]).T / 2
    return (x >= left) & (x < right) & (y >= top) & (y < bottom)


def can_be_seen(boxes: np.ndarray) -> np.ndarray:
    """Return which boxes (N, 4), pixels of the net's input, are at least a pixel wide and high."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= 1).all(axis=1)


def worst_iou(boxes: np.ndarray, patches: np.ndarray) -> np.ndarray:
    """Return for each patch (K, 4) its least IoU (K,) with the boxes (N, 4) whose centre it holds.

    It is -1 for a patch that holds no centre; 1 for every patch if there are no boxes at all.
    """
    if not len(boxes):
        return np.ones(len(patches))
    inside = centres_inside(boxes, patches.T[:, :, None])  # (K, N)
    iou = intersection_over_union(patches[:, None], boxes)
    worst = np.where(inside, iou, 2).min(axis=1)
    return np.where(worst > 1, -1, worst)
