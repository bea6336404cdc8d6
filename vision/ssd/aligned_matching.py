"""Deciding which priors learn which object by what the net predicts: task-aligned assignment.

Feng et al. 2021, "TOOD: Task-aligned One-stage Object Detection", section 3.2, for an SSD. Overlap
with the prior alone (`matching.py`) tells nothing of the prediction: two priors that overlap an
object alike may find it well and badly. Here the priors that already find it best learn it, so that
a high score and a good box come from the same prior, and suppression keeps that one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vision.ssd.matching import MatchedPriors, assign, iou_with_priors, nothing_matched
from vision.utils.box_utils import box_iou

LEAST_IOU = 0.2  # a prior that overlaps an object no more than this is no candidate for it
MOST_PRIORS = 10  # of an object, beside the one that it gets in any case
# Predictions that overlap no object all fit 0; of those the nearest prior is the best.
NEARNESS = 1e-6


def match_aligned(
    boxes: Tensor, labels: Tensor, priors: Tensor, scores: Tensor, predicted_boxes: Tensor
) -> MatchedPriors:
    """Assign the objects of a batch to the priors whose predictions fit them best.

    How well a prediction fits is score^0.5 * IoU^4: its score for the class of the object, and how
    far its box overlaps the object's. Of the priors that overlap an object by more than LEAST_IOU,
    the MOST_PRIORS that fit best belong to it. A prior that two objects want belongs to the one
    that it fits better. In addition every object gets a prior as in `match_priors`.

    Args:
        boxes: (B, M, 4) xyxy in [0, 1], padded; M may be 0.
        labels: (B, M) int64, 0 = padding.
        priors: (P, 4) cxcywh in [0, 1].
        scores: (B, P, C), softmax over the classes.
        predicted_boxes: (B, P, 4) xyxy in [0, 1].
    """
    if labels.shape[1] == 0:
        return nothing_matched(boxes, len(priors))
    prior_iou = iou_with_priors(boxes, labels, priors)  # (B, M, P)
    # A product, as it takes a fifth of the time that `gather` takes.
    classes = torch.arange(scores.shape[2], device=labels.device)
    is_class = (labels[..., None] == classes).to(scores.dtype)
    score = is_class @ scores.transpose(1, 2)  # (B, M, P), of each object's class
    fit = box_iou(boxes, predicted_boxes).square_().square_().mul_(score.sqrt_())
    fit.add_(prior_iou, alpha=NEARNESS).masked_fill_(prior_iou <= LEAST_IOU, -1)
    best_fit, best_object = _best_object(fit)
    return assign(boxes, labels, prior_iou, best_object, best_fit < 0)


def expected_counts(boxes: Tensor, labels: Tensor, priors: Tensor) -> Tensor:
    """Return how many priors each object will have, (B, M), before anything is predicted.

    Exact if no two objects compete for a prior and each object's nearest prior is among its best.
    """
    near = iou_with_priors(boxes, labels, priors) > LEAST_IOU
    return near.sum(dim=2).clamp(1, MOST_PRIORS).masked_fill(labels == 0, 0).to(boxes.dtype)


def _best_object(fit: Tensor) -> tuple[Tensor, Tensor]:
    """Return how well each prior fits the best object that wants it, and which one that is.

    Both are (B, P), -1 and 0 where no object does. `fit` is (B, M, P), -1 for no candidate.
    """
    batch, num_boxes, num_priors = fit.shape
    wanted = fit.topk(min(MOST_PRIORS, num_priors), dim=2)  # (B, M, 10)
    priors = wanted.indices.flatten(1)
    # What is not a number is the largest for `topk`, and shall be for `amax`: see `assign`.
    fits = wanted.values.flatten(1).nan_to_num(nan=torch.inf)
    best_fit = fit.new_full((batch, num_priors), -1).scatter_reduce(1, priors, fits, "amax")
    number = torch.arange(num_boxes, device=fit.device)[:, None].expand_as(wanted.indices[0])
    winner = number.flatten().masked_fill(fits < best_fit.gather(1, priors), 0)
    best_object = torch.zeros_like(best_fit, dtype=torch.int64)
    return best_fit, best_object.scatter_reduce(1, priors, winner, "amax")
