"""Prior sizes and aspect ratios that fit the objects of a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator, Sequence

import numpy as np

from vision.ssd.config import PriorSpec, SSDConfig

MATCH_IOU = 0.5  # from here on a prior belongs to an object in training
MAX_BOXES = 2_000  # more do not change a mean by a hundredth
MIN_SIZE = 4.0  # pixels
MAX_SIZE = 1.1  # of the input's side, as in the default priors
RATIOS = (1.1, 6.0)
STEPS = (1.3, 1.1, 1.03)  # of the search, coarse to fine
ROUNDS = 12  # of each step at most; it ends earlier where nothing gets better
LEAST_GAIN = 1e-4  # of a step that is taken


@dataclass(frozen=True)
class PriorCoverage:
    """How well priors cover boxes, each box with the prior that overlaps it most."""

    mean_iou: float
    uncovered: float  # share of the boxes without a prior of IoU 0.5
    boxes: int

    def at_least(self, other: PriorCoverage) -> bool:
        """Say whether neither number is worse than another's."""
        return self.mean_iou >= other.mean_iou and self.uncovered <= other.uncovered


@dataclass(frozen=True)
class PriorFit:
    """Priors for a dataset, and what they gain; `specs` are the net's own where nothing does."""

    specs: tuple[PriorSpec, ...]
    before: PriorCoverage  # of the net's own priors
    after: PriorCoverage
    changed: bool

    def __str__(self) -> str:
        if not self.before.boxes:
            return "there are no boxes to fit priors to, they stay as they are"
        kept = "" if self.changed else "; nothing fits better, they stay as they are"
        return (
            f"priors on {self.before.boxes} boxes: mean best IoU {self.before.mean_iou:.3f} -> "
            f"{self.after.mean_iou:.3f}, without a prior of IoU {MATCH_IOU} "
            f"{self.before.uncovered:.1%} -> {self.after.uncovered:.1%}{kept}"
        )


def fit_priors(boxes: np.ndarray, config: SSDConfig, seed: int = 0) -> PriorFit:
    """Choose sizes and aspect ratios so that objects find a prior that overlaps them well.

    K-means with 1 - IoU as distance (Redmon and Farhadi 2017, section 2) proposes sizes for the
    finest maps; from there, and from the net's own priors, a search by small steps goes on. What
    counts is the overlap with priors as they lie in their cells: a small prior of a coarse map fits
    a small object's shape, but lies beside it. Number of maps, cells and priors per cell stay, so
    trained heads still load; sizes grow from map to map.

    Args:
        boxes: (N, 4) xyxy, pixels of the net's input; those under a pixel wide or high are left
            out, and of more than 2000 a sample is taken.
        config: of the net, with its own priors.
        seed: of the sample and of k-means.

    Raises:
        ValueError: if `boxes` has another shape or is not finite.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not np.isfinite(boxes).all():
        raise ValueError(f"boxes must be (N, 4) and finite, got {boxes.shape} {boxes.dtype}")
    rng = np.random.default_rng(seed)
    boxes = boxes[(boxes[:, 2:] - boxes[:, :2] >= 1).all(axis=1)].astype(np.float64)
    if len(boxes) > MAX_BOXES:
        boxes = boxes[rng.choice(len(boxes), MAX_BOXES, replace=False)]
    own, side = config.prior_specs, config.image_size
    before = measure_priors(boxes, own, side)
    fit = PriorFit(own, before, before, changed=False)
    if not len(boxes):
        return fit
    for start in (own, *_propose(boxes, own, side, rng)):
        specs = _refine(boxes, start, side, before.uncovered)
        after = measure_priors(boxes, specs, side)
        if after.at_least(before) and _score(after) > _score(fit.after) + LEAST_GAIN:
            fit = PriorFit(specs, before, after, changed=True)
    return fit


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
    """Return what the search raises; leaving more than a share uncovered is never worth it."""
    excess = max(0.0, coverage.uncovered - uncovered)
    return coverage.mean_iou - coverage.uncovered - 100 * excess


def _best_iou(boxes: np.ndarray, spec: PriorSpec, image_size: int) -> np.ndarray:
    """Return the best IoU (N,) of each box with a map's priors.

    Of equal priors in a grid, the one whose centre is nearest overlaps most; only it is looked at.
    """
    sizes = boxes[:, 2:] - boxes[:, :2]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    cells = np.clip(np.floor(centres / spec.stride), 0, spec.feature_map_size - 1)
    nearest = ((cells + 0.5) * spec.stride).clip(0, image_size)
    shapes = _shapes(spec).clip(max=image_size)[:, None]  # (K, 1, 2)
    low = np.maximum(boxes[:, :2], nearest - shapes / 2)
    high = np.minimum(boxes[:, 2:], nearest + shapes / 2)
    overlap = (high - low).clip(min=0).prod(axis=2)
    return (overlap / (sizes.prod(axis=1) + shapes.prod(axis=2) - overlap)).max(axis=0)


def _shapes(spec: PriorSpec) -> np.ndarray:
    """Return width and height (K, 2) of a map's priors, pixels."""
    shapes = [[spec.min_size] * 2, [(spec.min_size * spec.max_size) ** 0.5] * 2]
    for ratio in spec.aspect_ratios:
        long, short = spec.min_size * ratio**0.5, spec.min_size / ratio**0.5
        shapes += [[long, short], [short, long]]
    return np.array(shapes)


def _propose(
    boxes: np.ndarray, own: tuple[PriorSpec, ...], side: int, rng: np.random.Generator
) -> Iterator[tuple[PriorSpec, ...]]:
    """Yield priors whose finest map, finer half, or all maps have the sizes of as many clusters.

    The coarser maps keep their own sizes where those are larger.
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

    The first are drawn as k-means++ does (Arthur and Vassilvitskii 2007): far from those there are.

    Args:
        sizes: (N, 2) width and height, above 0; N must be 1 or more.
    """
    centres = sizes[rng.integers(len(sizes), size=1)]
    while len(centres) < count:
        distance = (1 - _size_iou(sizes, centres).max(axis=1)).clip(min=0) ** 2
        total = distance.sum()
        weights = distance / total if total > 0 else None
        centres = np.concatenate([centres, sizes[rng.choice(len(sizes), size=1, p=weights)]])
    members = np.full(len(sizes), -1)
    for _ in range(100):
        nearest = _size_iou(sizes, centres).argmax(axis=1)
        if (nearest == members).all():
            break
        members = nearest
        for k in np.unique(members):
            centres[k] = np.median(sizes[members == k], axis=0)
    return centres


def _size_iou(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the IoU (N, M) of sizes (N, 2) and (M, 2), as if all boxes had one centre."""
    overlap = np.minimum(sizes[:, None], others[None]).prod(axis=2)
    return overlap / (sizes.prod(axis=1)[:, None] + others.prod(axis=1)[None] - overlap)


def _refine(
    boxes: np.ndarray, specs: tuple[PriorSpec, ...], side: int, uncovered: float
) -> tuple[PriorSpec, ...]:
    """Change one number at a time, as long as a change makes the score better."""
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
    """Return what a map's priors could be instead, each of its numbers a step up or down."""
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
    """Say whether sizes grow from map to map, and none is too small or too large to be of use."""
    smallest, largest = [spec.min_size for spec in specs], [spec.max_size for spec in specs]
    return (
        smallest[0] >= MIN_SIZE
        and largest[-1] <= side * MAX_SIZE + 1e-6
        and all(low <= high for low, high in zip(smallest, largest))
        and smallest == sorted(smallest)
        and largest == sorted(largest)
    )


def _rounded(spec: PriorSpec) -> PriorSpec:
    """Round to what can be read: tenths of a pixel, hundredths of a ratio."""
    return replace(
        spec,
        min_size=round(spec.min_size, 1),
        max_size=round(spec.max_size, 1),
        aspect_ratios=tuple(round(ratio, 2) for ratio in spec.aspect_ratios),
    )
