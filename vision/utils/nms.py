"""Non-maximum suppression: of boxes of one class that cover the same object, keep the best.

The boxes of one class in one picture form a group. All groups are treated together, and no step
loops over boxes. The few boxes whose scores are high enough are read from the device, and sorted by
NumPy. On the CPU, hard suppression uses torchvision's compiled function. A matrix of overlaps gives
the same answer in two cases: where that function does not load, because torch and torchvision do
not belong together (often so on a Jetson); and on a GPU, where a call for each class would wait for
the device each time.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vision.utils.box_utils import box_iou

logger = logging.getLogger(__name__)

# The most elements of one matrix of overlaps: 601 classes at once would take gigabytes.
MATRIX_ELEMENTS = 1 << 22


@dataclass(frozen=True)
class Suppression:
    """Which boxes of one class in one picture are kept.

    `score_threshold`: only boxes with a higher score are candidates; 0.0 is a threshold too.
    `iou_threshold`: hard suppression drops a box that overlaps a better one by more than this.
    `candidate_size`: the number of candidates, those with the best scores.
    `top_k`: the most boxes to keep, 0 for none; -1 keeps all.
    `method`: "hard" drops overlapping boxes; "soft" lowers their scores (Bodla et al. 2017,
    equation 4); "none" does neither, for boxes of which the overlapping ones are gone already.
    `sigma`: width of soft suppression's Gaussian; a smaller one lowers scores more.
    """

    score_threshold: float = 0.01
    iou_threshold: float = 0.45
    candidate_size: int = 200
    top_k: int = -1
    method: str = "hard"
    sigma: float = 0.5

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not 0 <= self.iou_threshold <= 1:
            raise ValueError(f"iou_threshold must be in [0, 1], got {self.iou_threshold}")
        if self.candidate_size < 1 or self.sigma <= 0:
            raise ValueError(
                "candidate_size must be 1 or more and sigma above 0, "
                f"got {self.candidate_size} and {self.sigma}"
            )


class Kept(NamedTuple):
    """What is left of one picture, best first; the boxes keep their unit."""

    boxes: np.ndarray  # (K, 4) float32 xyxy
    labels: np.ndarray  # (K,) int64, 1..C-1
    scores: np.ndarray  # (K,) float32


class _Candidates(NamedTuple):
    """The boxes of all groups in one list: group after group, best first within each."""

    boxes: np.ndarray  # (N, 4)
    scores: np.ndarray  # (N,)
    groups: np.ndarray  # (N,) picture * (C - 1) + label - 1
    ranks: np.ndarray  # (N,) place within the group, from 0

    def select(self, rows: np.ndarray | slice) -> _Candidates:
        """Return some of them: indices, or a mask."""
        return _Candidates(*(column[rows] for column in self))


def nms_per_picture(
    scores: Tensor, boxes: Tensor, suppression: Suppression | None = None
) -> list[Kept]:
    """Return what is left of the boxes of every picture of a batch, best first.

    Args:
        scores: (B, P, C) in [0, 1]; class 0 is BACKGROUND and skipped; what is not a finite number,
            or has a box that is not, is never a candidate.
        boxes: (B, P, 4) xyxy in any unit, shared by the classes.
        suppression: thresholds and method; upstream's if None.
    """
    if scores.ndim != 3 or boxes.shape != (*scores.shape[:2], 4):
        raise ValueError(
            "scores must be (B, P, C) and boxes (B, P, 4), "
            f"got {tuple(scores.shape)} and {tuple(boxes.shape)}"
        )
    suppression = suppression or Suppression()
    candidates = _choose_candidates(scores.float(), boxes.float(), suppression)
    candidates = METHODS[suppression.method](candidates, suppression, scores.device)
    if suppression.top_k >= 0:
        candidates = _best_of_each_group(candidates, suppression.top_k)
    return _split_by_picture(candidates, len(scores), scores.shape[2] - 1)


def _choose_candidates(scores: Tensor, boxes: Tensor, suppression: Suppression) -> _Candidates:
    found_boxes, found_scores, groups = _above(scores, boxes, suppression.score_threshold)
    candidates = _Candidates(found_boxes, found_scores, groups, np.zeros_like(groups))
    if not (np.isfinite(found_boxes).all() and np.isfinite(found_scores).all()):
        finite = np.isfinite(found_boxes).all(axis=1) & np.isfinite(found_scores)
        candidates = candidates.select(finite)
    return _best_of_each_group(candidates, suppression.candidate_size)


def _above(scores: Tensor, boxes: Tensor, threshold: float) -> tuple[np.ndarray, ...]:
    """Return boxes (N, 4), scores (N,) and groups (N,) of the scores above a threshold.

    They come group after group, as the classes stand before the priors in what is searched.
    """
    by_class: Any = scores.detach()[..., 1:].transpose(1, 2)
    all_boxes: Any = boxes.detach()
    on_cpu = scores.device.type == "cpu"
    if on_cpu:  # NumPy starts in a fifth of torch's time, which counts for a single picture
        by_class, all_boxes = by_class.numpy(), all_boxes.numpy()
    wanted = by_class > threshold
    picture, index, prior = np.nonzero(wanted) if on_cpu else wanted.nonzero(as_tuple=True)
    groups = picture * by_class.shape[1] + index
    columns = all_boxes[picture, prior], by_class[picture, index, prior], groups
    return columns if on_cpu else tuple(column.cpu().numpy() for column in columns)


def _best_of_each_group(candidates: _Candidates, count: int) -> _Candidates:
    """Sort each group, best first; of equal scores the earlier box leads. Keep `count` of each."""
    candidates = candidates.select(_may_be_best(candidates, count))
    order = np.lexsort((-candidates.scores, candidates.groups))
    groups = candidates.groups[order]
    ranks = np.arange(len(groups)) - np.searchsorted(groups, groups)  # the first of its own group
    kept = ranks < count
    order = order[kept]
    return _Candidates(candidates.boxes[order], candidates.scores[order], groups[kept], ranks[kept])


def _may_be_best(candidates: _Candidates, count: int) -> np.ndarray | slice:
    """Return which can be among the best `count` of their group: sorting all takes far longer."""
    bounds = np.flatnonzero(np.diff(candidates.groups, prepend=-1, append=-1))
    if not count or np.diff(bounds).max(initial=0) <= count:
        return slice(None)
    may_be = np.ones(len(candidates.groups), bool)
    for start, end in zip(bounds, bounds[1:]):
        if end - start > count:
            scores = candidates.scores[start:end]
            may_be[start:end] = scores >= np.partition(scores, -count)[-count]
    return may_be


def _split_by_picture(candidates: _Candidates, pictures: int, classes: int) -> list[Kept]:
    picture, index = np.divmod(candidates.groups, max(classes, 1))
    order = np.lexsort((-candidates.scores, picture))
    ends = np.searchsorted(picture[order], np.arange(1, pictures))
    columns = candidates.boxes[order], index[order] + 1, candidates.scores[order]
    if not pictures:
        return []
    return [Kept(*part) for part in zip(*(np.split(column, ends) for column in columns))]


def _suppress_hard(
    candidates: _Candidates, suppression: Suppression, device: torch.device
) -> _Candidates:
    # The compiled function compares in double, ours in float32: round to what both can hold.
    threshold = float(np.float32(suppression.iou_threshold))
    compiled = compiled_nms() if device.type == "cpu" else None
    if compiled is not None:
        return candidates.select(_keep_compiled(compiled, candidates, threshold))
    return candidates.select(
        _by_matrix(
            candidates, lambda scores, overlaps: _keep_unbeaten(overlaps > threshold), device
        )
    )


def _keep_compiled(compiled: Callable, candidates: _Candidates, threshold: float) -> np.ndarray:
    starts = np.flatnonzero(candidates.ranks == 0)
    boxes, scores = torch.from_numpy(candidates.boxes), torch.from_numpy(candidates.scores)
    kept = [
        start + compiled(boxes[start:end], scores[start:end], threshold).numpy()
        for start, end in zip(starts, [*starts[1:], len(scores)])
    ]
    return np.sort(np.concatenate([starts[:0], *kept]))


def _keep_unbeaten(overlapping: Tensor) -> Tensor:
    """Return which boxes are kept, (G, K) bool, given which overlap, (G, K, K); best first.

    A box stays if no better box that stays overlaps it. Each round applies this rule to all boxes
    at once, until nothing changes. The best box is right from the start, and every round makes at
    least the next one right.
    """
    beats = overlapping.triu(diagonal=1).float()  # row beats column
    kept = overlapping.new_ones(overlapping.shape[:2])
    while True:
        unbeaten = torch.einsum("gk,gkj->gj", kept.float(), beats) == 0
        if torch.equal(unbeaten, kept):
            return kept
        kept = unbeaten


def _suppress_soft(
    candidates: _Candidates, suppression: Suppression, device: torch.device
) -> _Candidates:
    lowered = _by_matrix(
        candidates, lambda scores, overlaps: _lower_scores(scores, overlaps, suppression), device
    )
    kept = lowered > suppression.score_threshold
    return candidates._replace(scores=lowered).select(kept)


def _lower_scores(scores: Tensor, overlaps: Tensor, suppression: Suppression) -> Tensor:
    """Return (G, K) scores after soft suppression, given scores (G, K) and overlaps (G, K, K).

    By definition the best box is picked, the scores of all boxes that it overlaps are lowered, and
    so on with the rest. A box with a higher score than all that it overlaps will be picked at its
    present score, because scores only fall; so one round picks all such boxes together. A box whose
    score has fallen to the threshold is dropped, and lowers no other.
    """
    log_decay = -(overlaps * overlaps) / suppression.sigma
    touching = overlaps > 0
    # Of equal scores, the earlier leads.
    earlier = touching.new_ones(touching.shape[1:]).triu(diagonal=1)
    waiting = scores > suppression.score_threshold
    while waiting.any():
        rivals = touching & waiting[:, :, None]
        rival_scores, own_scores = scores[:, :, None], scores[:, None, :]
        ahead = (rival_scores > own_scores) | ((rival_scores == own_scores) & earlier)
        picked = waiting & ~(rivals & ahead).any(dim=1)
        waiting = waiting & ~picked
        log_factor = torch.einsum("gk,gkj->gj", picked.to(scores), log_decay)
        scores = torch.where(waiting, scores * log_factor.exp(), scores)
        waiting = waiting & (scores > suppression.score_threshold)
    return scores


def _suppress_nothing(
    candidates: _Candidates, suppression: Suppression, device: torch.device
) -> _Candidates:
    return candidates


METHODS = {"hard": _suppress_hard, "soft": _suppress_soft, "none": _suppress_nothing}


def _by_matrix(
    candidates: _Candidates, judge: Callable[[Tensor, Tensor], Tensor], device: torch.device
) -> np.ndarray:
    """Return what `judge` says of every box, (N,), given scores (G, K) and overlaps (G, K, K).

    Small groups are filled up to the size of the largest, with empty boxes of score 0, which
    overlap nothing.
    """
    groups = np.cumsum(candidates.ranks == 0) - 1
    width = 1 + int(candidates.ranks.max(initial=0))
    padded = np.zeros((int(groups.max(initial=-1)) + 1, width, 5), np.float32)
    padded[groups, candidates.ranks, :4] = candidates.boxes
    padded[groups, candidates.ranks, 4] = candidates.scores
    at_once = max(1, MATRIX_ELEMENTS // width**2)
    answers = [
        judge(some[..., 4], box_iou(some[..., :4], some[..., :4]))
        for some in torch.from_numpy(padded).to(device).split(at_once)
    ]
    return torch.cat(answers).cpu().numpy()[groups, candidates.ranks]


@lru_cache(maxsize=None)
def compiled_nms() -> Callable[[Tensor, Tensor, float], Tensor] | None:
    """Return torchvision's compiled NMS; None, after one warning, if it does not work here."""
    try:
        from torchvision.ops import nms

        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        # A torchvision that does not fit this torch raises RuntimeError when it is first imported,
        # and AttributeError when it is imported again.
        logger.warning(
            "torchvision's compiled NMS does not work with torch %s (%s); a slower one with the "
            "same result is used. Install the torchvision that belongs to this torch",
            torch.__version__,
            str(error).splitlines()[0] if str(error) else type(error).__name__,
        )
        return None
    return nms
