"""Searching prior sizes and aspect ratios that fit the objects of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Sequence

import numpy as np

from vision.ssd import NETS
from vision.ssd.config import PriorSpec, SSDConfig
from vision.ssd.matching import MATCH_IOU
from vision.ssd.priors import generate_priors
from vision.utils.numpy_boxes import intersection_over_union

RESOLUTIONS = (300, 400, 512, 640, 800, 1024)  # input sizes to advise if no prior fits the objects
MAX_BOXES = 2_000  # more boxes change the mean IoU by less than 0.01
MIN_SIZE = 4.0  # smallest min size of a map, pixels
MAX_SIZE = 1.1  # largest max size of a map, as a fraction of the input's side
RATIOS = (1.1, 6.0)  # smallest and largest aspect ratio
STEPS = (1.3, 1.1, 1.03)  # factors by which the search changes a number, coarse to fine
ROUNDS = 12  # most passes over all maps with one factor
LEAST_GAIN = 1e-4  # a step of the search must raise the score by more than this
# Fitted priors must raise it by this: with other priors than the net's own, older scripts cannot
# use the weights.
LEAST_GAIN_OF_FIT = 0.01


@dataclass(frozen=True)
class PriorCoverage:
    """How well priors cover boxes; what counts is the prior that overlaps a box most."""

    mean_iou: float
    uncovered: float  # share of the boxes that no prior overlaps by MATCH_IOU
    boxes: int  # their number

    def at_least(self, other: PriorCoverage) -> bool:
        """Return whether neither number is worse than the other's."""
        return self.mean_iou >= other.mean_iou and self.uncovered <= other.uncovered


@dataclass(frozen=True)
class PriorFit:
    """Priors for a dataset, and what they gain over the net's own."""

    specs: tuple[PriorSpec, ...]  # the net's own, if nothing fits better
    before: PriorCoverage  # of the net's own priors
    after: PriorCoverage  # of `specs`
    changed: bool  # whether `specs` are others than the net's own

    def __str__(self) -> str:
        if not self.before.boxes:
            return "priors: there are no boxes to fit them to, they stay as they are"
        if not self.changed:
            return (
                f"priors on {self.before.boxes} boxes: none fit better than the net's own, which "
                f"leave {self.before.uncovered:.1%} without one of IoU {MATCH_IOU}"
            )
        return (
            f"priors on {self.before.boxes} boxes: mean best IoU {self.before.mean_iou:.3f} -> "
            f"{self.after.mean_iou:.3f}, without a prior of IoU {MATCH_IOU} "
            f"{self.before.uncovered:.1%} -> {self.after.uncovered:.1%}"
        )


def fit_priors(boxes: np.ndarray, config: SSDConfig, seed: int = 0) -> PriorFit:
    """Choose sizes and aspect ratios so that objects find a prior that overlaps them well.

    K-means with 1 - IoU as distance (Redmon and Farhadi 2017, section 2) proposes sizes for the
    finest maps. A search by small steps starts from those sizes, and from the net's own priors. It
    measures the overlap with priors where they lie, in their cells: a small prior on a coarse map
    has the shape of a small object, but lies beside it. The numbers of maps, cells and priors per
    cell stay, so that trained heads still load; sizes grow from map to map.

    Args:
        boxes: (N, 4) xyxy, pixels of the net's input. Boxes less than a pixel wide or high are left
            out; of more than MAX_BOXES a sample is taken.
        config: of the net, with its own priors.
        seed: for the sample and for k-means.

    Raises:
        ValueError: if `boxes` has another shape or is not finite.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(f"boxes must be (N, 4) and finite, got {boxes.shape} {boxes.dtype}")
    rng = np.random.default_rng(seed)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)].astype(np.float64)
    if len(boxes) > MAX_BOXES:
        boxes = boxes[rng.choice(len(boxes), MAX_BOXES, replace=False)]
    boxes = np.asfortranarray(boxes)  # the search reads them coordinate by coordinate
    own, side = config.prior_specs, config.image_size
    before = measure_priors(boxes, own, side)
    fit = PriorFit(own, before, before, changed=False)
    if not len(boxes):
        return fit
    for start in (own, *_propose(boxes, own, side, rng)):
        specs = _refine(boxes, start, side, before.uncovered)
        after = measure_priors(boxes, specs, side)
        needed = _score(fit.after) + (LEAST_GAIN if fit.changed else LEAST_GAIN_OF_FIT)
        if after.at_least(before) and _score(after) > needed:
            fit = PriorFit(specs, before, after, changed=True)
    return fit


def priors_by_resolution(net: str, resolution: int) -> dict[int, np.ndarray]:
    """Return the priors (P, 4) cxcywh in [0, 1] of a net at a resolution and at larger ones."""
    config = NETS[net].config
    sides = [resolution, *(side for side in RESOLUTIONS if side > resolution)]
    return {side: generate_priors(config(side).prior_specs, side).numpy() for side in sides}


def measure_priors(boxes: np.ndarray, specs: Sequence[PriorSpec], image_size: int) -> PriorCoverage:
    """Measure how well priors cover boxes (N, 4), in pixels of the input; 0 where N is 0."""
    if not len(boxes):
        return PriorCoverage(0.0, 0.0, 0)
    return _coverage(np.max([_best_iou(boxes, spec, image_size) for spec in specs], axis=0))


def _coverage(best_iou: np.ndarray) -> PriorCoverage:
    return PriorCoverage(
        float(best_iou.mean()), float((best_iou < MATCH_IOU).mean()), len(best_iou)
    )


def _score(coverage: PriorCoverage, uncovered: float = 1.0) -> float:
    """Return the number that the search raises; it falls steeply beyond a share `uncovered`."""
    excess = max(0.0, coverage.uncovered - uncovered)
    return coverage.mean_iou - coverage.uncovered - 100 * excess


def _best_iou(boxes: np.ndarray, spec: PriorSpec, image_size: int) -> np.ndarray:
    """Return the best IoU (N,) of each box with a map's priors.

    Of all priors of one shape, the one with the nearest centre overlaps a box most.
    """
    left, top, right, bottom = boxes.T
    centres = np.stack([left + right, top + bottom]) / 2  # (2, N)
    cells = np.clip(np.floor(centres / spec.stride), 0, spec.feature_map_size - 1)
    nearest = ((cells + 0.5) * spec.stride).clip(0, image_size)
    half = np.array(spec.shapes()).clip(max=image_size).T[:, :, None] / 2  # (2, K, 1)
    # Each coordinate is a plane of its own, which is several times as fast to compute with.
    planes = np.concatenate([nearest[:, None] - half, nearest[:, None] + half])  # (4, K, N)
    return intersection_over_union(boxes, np.moveaxis(planes, 0, -1)).max(axis=0)


def _propose(
    boxes: np.ndarray, own: tuple[PriorSpec, ...], side: int, rng: np.random.Generator
) -> Iterator[tuple[PriorSpec, ...]]:
    """Yield priors with sizes by k-means: on the finest map, on the finer half, on all maps.

    The other maps keep their own sizes if those are larger.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    for count in sorted({1, len(own) // 2, len(own)}):
        borders = [spec.min_size for spec in own] + [own[-1].max_size]
        clusters = np.sort(np.sqrt(cluster_sizes(sizes, count, rng).prod(axis=1)))
        borders[:count] = clusters.clip(MIN_SIZE, side).tolist()
        borders = np.maximum.accumulate(borders).tolist()
        yield tuple(
            _rounded(replace(spec, min_size=low, max_size=high))
            for spec, low, high in zip(own, borders[:-1], borders[1:])
        )


def cluster_sizes(sizes: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Return `count` typical sizes by k-means, where 1 - IoU of concentric boxes is the distance.

    The first sizes are drawn like those of k-means++ (Arthur and Vassilvitskii 2007): each far from
    the ones before it.

    Args:
        sizes: (N, 2) width and height, above 0; N must be 1 or more.
        count: K, the number of clusters.
        rng: draws the first sizes.

    Returns:
        (K, 2) the medians of the clusters.
    """
    boxes = np.concatenate([-sizes, sizes], axis=1)  # all round one centre
    clusters = boxes[rng.integers(len(boxes), size=1)]
    while len(clusters) < count:
        overlaps = intersection_over_union(boxes[:, None], clusters)  # (N, clusters so far)
        distance = (1 - overlaps.max(axis=1)).clip(min=0) ** 2
        total = distance.sum()
        weights = distance / total if total > 0 else None
        clusters = np.concatenate([clusters, boxes[rng.choice(len(boxes), size=1, p=weights)]])
    members = np.full(len(boxes), -1)
    for _ in range(100):
        nearest = intersection_over_union(boxes[:, None], clusters).argmax(axis=1)
        if (nearest == members).all():
            break
        members = nearest
        for k in np.unique(members):
            clusters[k] = np.median(boxes[members == k], axis=0)
    return clusters[:, 2:]


def _refine(
    boxes: np.ndarray, specs: tuple[PriorSpec, ...], side: int, uncovered: float
) -> tuple[PriorSpec, ...]:
    """Change one number at a time, as long as a change raises the score."""
    current = list(specs)
    best_iou = np.stack([_best_iou(boxes, spec, side) for spec in current])  # (maps, N)
    score = _score(_coverage(best_iou.max(axis=0)), uncovered)
    for step in STEPS:
        for _ in range(ROUNDS):
            before = score
            for i in range(len(current)):
                others = np.delete(best_iou, i, axis=0).max(axis=0, initial=0)
                for spec in _neighbours(current[i], step):
                    if not _in_order([*current[:i], spec, *current[i + 1 :]], side):
                        continue
                    row = _best_iou(boxes, spec, side)
                    changed = _score(_coverage(np.maximum(others, row)), uncovered)
                    if changed > score + LEAST_GAIN:
                        current[i], best_iou[i], score = spec, row, changed
            if score == before:
                break
    return tuple(current)


def _neighbours(spec: PriorSpec, step: float) -> list[PriorSpec]:
    """Return the specs with one number of a map's priors a step up or down."""
    found = []
    for factor in (step, 1 / step):
        low, high = spec.min_size * factor, spec.max_size * factor
        found += [replace(spec, min_size=low), replace(spec, max_size=high)]
        found.append(replace(spec, min_size=low, max_size=high))
        for j, ratio in enumerate(spec.aspect_ratios):
            ratios = list(spec.aspect_ratios)
            ratios[j] = min(max(ratio * factor, RATIOS[0]), RATIOS[1])
            found.append(replace(spec, aspect_ratios=tuple(sorted(ratios))))
    return [_rounded(neighbour) for neighbour in found]


def _in_order(specs: Sequence[PriorSpec], side: int) -> bool:
    """Return whether sizes grow from map to map and stay within the limits."""
    smallest, largest = [spec.min_size for spec in specs], [spec.max_size for spec in specs]
    return (
        smallest[0] >= MIN_SIZE
        and largest[-1] <= side * MAX_SIZE + 1e-6
        and all(low <= high for low, high in zip(smallest, largest))
        and smallest == sorted(smallest)
        and largest == sorted(largest)
    )


def _rounded(spec: PriorSpec) -> PriorSpec:
    """Round for readers: sizes to tenths of a pixel, ratios to hundredths."""
    return replace(
        spec,
        min_size=round(spec.min_size, 1),
        max_size=round(spec.max_size, 1),
        aspect_ratios=tuple(round(ratio, 2) for ratio in spec.aspect_ratios),
    )
