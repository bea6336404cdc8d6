"""The loss that an SSD is trained with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MatchTotals(NamedTuple):
    """Counts over a whole batch, which its losses are divided by even if it is split into parts."""

    positives: Tensor  # () priors that belong to an object
    pictures: Tensor  # () pictures with such priors

    @classmethod
    def of(cls, labels: Tensor) -> MatchTotals:
        """Count in labels (B, P), 0 = BACKGROUND."""
        per_picture = (labels > 0).sum(dim=1)
        return cls(per_picture.sum(), (per_picture > 0).sum())


class MultiboxLoss(nn.Module):
    """Smooth L1 on the boxes of objects, cross-entropy on objects and the hardest background.

    SSD paper, section 2.2, equations 1 to 3. Both losses are sums, divided by the number of
    positive priors of the batch, or by 1 if there are none: a batch without objects has loss 0.

    Args:
        neg_pos_ratio: background priors per positive prior of a picture. A picture without objects
            gets as many as the pictures with objects have on average.
    """

    def __init__(self, neg_pos_ratio: float = 3) -> None:
        super().__init__()
        self.neg_pos_ratio = neg_pos_ratio

    def forward(
        self,
        class_logits: Tensor,
        locations: Tensor,
        labels: Tensor,
        target_locations: Tensor,
        totals: MatchTotals | None = None,
        confidences: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the regression and the classification loss, in that order.

        Args:
            class_logits: (B, P, C).
            locations: (B, P, 4).
            labels: (B, P) int64, 0 = BACKGROUND.
            target_locations: (B, P, 4), used where the label is not 0.
            totals: counts of the whole batch, if this is a part of it; then the losses of the parts
                add up to the loss of the batch.
            confidences: (B, P) in [0, 1], of the labels; the rest is the chance of BACKGROUND. None
                if all are certain. The box of an object counts as much as the object is certain.
        """
        class_logits, locations = class_logits.float(), locations.float()
        totals = totals or MatchTotals.of(labels)
        positive = labels > 0
        cross_entropy = F.cross_entropy(
            class_logits.flatten(0, 1), labels.flatten(), reduction="none"
        )
        cross_entropy = cross_entropy.unflatten(0, labels.shape)  # (B, P)
        with torch.no_grad():
            background_loss = -class_logits.log_softmax(dim=2)[..., 0]
            negative = hardest_negatives(background_loss, positive, self.neg_pos_ratio, totals)
        if confidences is not None:
            as_background = -class_logits.log_softmax(dim=2)[..., 0]
            cross_entropy = torch.lerp(as_background, cross_entropy, confidences)
        # Masks, not indices: a GPU would have to wait until the number of positives is known.
        classification = (cross_entropy * (positive | negative)).sum()
        distance = F.smooth_l1_loss(locations, target_locations, reduction="none").sum(dim=2)
        weights = positive if confidences is None else positive * confidences
        regression = (distance * weights).sum()
        normaliser = totals.positives.clamp(min=1)
        return regression / normaliser, classification / normaliser


def hardest_negatives(
    background_loss: Tensor, positive: Tensor, neg_pos_ratio: float, totals: MatchTotals
) -> Tensor:
    """Choose the background priors that look least like background.

    Args:
        background_loss: (B, P), minus log of the probability of BACKGROUND.
        positive: (B, P) bool, priors that belong to an object and are never chosen.
        neg_pos_ratio: how many to choose per positive prior of the picture. A picture without
            positive priors counts as if it had the average number.
        totals: counts of the whole batch, from which that average comes.

    Returns:
        (B, P) bool.
    """
    num_positives = positive.sum(dim=1)  # (B,)
    average = totals.positives / totals.pictures.clamp(min=1)
    wanted = torch.where(num_positives > 0, num_positives.to(average.dtype), average)
    order = background_loss.masked_fill(positive, float("-inf")).argsort(dim=1, descending=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    return (rank < (wanted * neg_pos_ratio).round()[:, None]) & ~positive
