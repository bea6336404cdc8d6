"""Deciding which priors learn which object."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vision.nn.multibox_loss import Targets
from vision.utils.box_utils import box_iou, cxcywh_to_xyxy, encode_boxes
from vision.utils.device import reads_at_once

# Every round gives a prior to one object at least, so that only this many objects in one place,
# all of one shape, could need more.
MAX_ROUNDS = 64

MATCH_IOU = 0.5  # training assigns an object to the priors that overlap it at least this much


class MatchedPriors(NamedTuple):
    """Which object each prior belongs to, for B pictures with P priors each."""

    boxes: Tensor  # (B, P, 4), of the objects; they count where the label is not 0
    labels: Tensor  # (B, P) int64, 0 = BACKGROUND
    objects: Tensor  # (B, P) int64, the number of the object; it counts likewise


def match_priors(
    boxes: Tensor, labels: Tensor, priors: Tensor, iou_threshold: float = MATCH_IOU
) -> MatchedPriors:
    """Assign the objects of a batch to priors (SSD paper, section 2.2).

    A prior belongs to the object that it overlaps most, if their IoU reaches the threshold. In
    addition every object gets the prior that it overlaps most, whatever their IoU. If several
    objects want the same prior, the last of them gets it and the others take their next best.

    Args:
        boxes: (B, M, 4) xyxy in [0, 1], padded; M may be 0.
        labels: (B, M) int64, 0 = padding.
        priors: (P, 4) cxcywh in [0, 1].
    """
    if labels.shape[1] == 0:
        return nothing_matched(boxes, len(priors))
    iou = iou_with_priors(boxes, labels, priors)
    best_iou, best_object = iou.max(dim=1)  # (B, P)
    return assign(boxes, labels, iou, best_object, best_iou < iou_threshold)


def match_and_encode(
    boxes: Tensor,
    labels: Tensor,
    priors: Tensor,
    variances: tuple[float, float],
    confidences: Tensor | None = None,
) -> Targets:
    """Return what the net learns to predict; the first arguments are those of `match_priors`.

    Args:
        variances: of centres and of sizes.
        confidences: (B, M) of the objects, if not all are certain.
    """
    matched = match_priors(boxes, labels, priors)
    return encode(matched, labels, priors, variances, confidences)


def encode(
    matched: MatchedPriors,
    labels: Tensor,
    priors: Tensor,
    variances: tuple[float, float],
    confidences: Tensor | None = None,
) -> Targets:
    """Return what the net learns to predict where priors are assigned to objects.

    Args:
        matched: B pictures with P priors each.
        labels: (B, M) int64 of the objects, 0 = padding.
        priors: (P, 4) cxcywh in [0, 1].
        variances: of centres and of sizes.
        confidences: (B, M) of the objects, if not all are certain.
    """
    positive = matched.labels > 0
    locations = encode_boxes(matched.boxes, priors, *variances).masked_fill(~positive[..., None], 0)
    if not labels.shape[1]:
        return Targets(locations, matched.labels, positive.to(locations.dtype))
    counts = locations.new_zeros(labels.shape).scatter_add(  # (B, M), priors of each object
        1, matched.objects, positive.to(locations.dtype)
    )
    shares = (1 / counts.clamp(min=1)).gather(1, matched.objects).masked_fill(~positive, 0)
    if confidences is not None:
        confidences = confidences.gather(1, matched.objects).masked_fill(~positive, 1)
    return Targets(locations, matched.labels, shares, confidences)


def iou_with_priors(boxes: Tensor, labels: Tensor, priors: Tensor) -> Tensor:
    """Return the IoU of each object with each prior, (B, M, P); -1 where the label says padding."""
    iou = box_iou(boxes, cxcywh_to_xyxy(priors))
    return iou.masked_fill_((labels == 0)[..., None], -1)


def assign(
    boxes: Tensor, labels: Tensor, iou: Tensor, best_object: Tensor, too_far: Tensor
) -> MatchedPriors:
    """Give each prior the object that it takes, and every object its nearest prior in any case.

    Args:
        boxes: (B, M, 4) xyxy in [0, 1], padded; M at least 1.
        labels: (B, M) int64, 0 = padding.
        iou: what `iou_with_priors` returns; it may be overwritten.
        best_object: (B, P) the object that a prior would take.
        too_far: (B, P) bool, where a prior takes none and is BACKGROUND, unless an object needs it.
            From a box that is not a number no prior is too far: so the loss is not one either, and
            the step is skipped.
    """
    best_object, forced = _give_every_object_a_prior(iou, labels > 0, best_object)
    matched_labels = labels.gather(1, best_object).masked_fill(too_far & ~forced, 0)
    matched_boxes = boxes.gather(1, best_object[..., None].expand(-1, -1, 4))
    return MatchedPriors(matched_boxes, matched_labels, best_object)


def nothing_matched(boxes: Tensor, num_priors: int) -> MatchedPriors:
    """Return what B pictures without any object have; `boxes` (B, 0, 4) says which B."""
    background = torch.zeros(len(boxes), num_priors, dtype=torch.int64, device=boxes.device)
    return MatchedPriors(boxes.new_zeros(len(boxes), num_priors, 4), background, background)


def _give_every_object_a_prior(
    iou: Tensor, is_object: Tensor, best_object: Tensor
) -> tuple[Tensor, Tensor]:
    """Return `best_object` (B, P) with one prior forced to each object, and which, (B, P) bool.

    In each round every object without a prior asks for its best free one. If several ask for the
    same, one gets it and the others wait for the next round; a second round is rare. If there are
    more objects than priors, some get none. A GPU goes through all the rounds that there may be,
    and with all objects: to look which ones still wait, the program would have to wait for the GPU.

    `iou` (B, M, P) may be overwritten.
    """
    num_pictures, num_boxes, num_priors = iou.shape
    rows, waiting = iou.flatten(0, 1), is_object.flatten()  # (B * M, P) and (B * M,)
    picture = torch.arange(num_pictures, device=iou.device)[:, None].expand_as(is_object).flatten()
    number = torch.arange(num_boxes, device=iou.device).expand_as(is_object).flatten()
    owner = torch.full_like(best_object, -1)  # (B, P)
    for _ in range(min(num_boxes, MAX_ROUNDS)):
        best_free, wanted = rows.max(dim=1)
        waiting = waiting & (best_free >= 0)
        bids = torch.where(waiting, number, torch.full_like(number, -1))
        place = picture * num_priors + wanted
        owner.view(-1).scatter_reduce_(0, place, bids, "amax")
        waiting = waiting & (owner.view(-1).gather(0, place) != number)
        if reads_at_once(iou):
            if not waiting.any():
                break
            rows, picture, number = rows[waiting], picture[waiting], number[waiting]
            waiting = waiting[waiting]
        rows.masked_fill_((owner >= 0).index_select(0, picture), -2)
    forced = owner >= 0
    return torch.where(forced, owner, best_object), forced
