"""The loss that an SSD is trained with."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Targets(NamedTuple):
    """What the net learns to predict of B pictures with P priors each."""

    locations: Tensor  # (B, P, 4), 0 where the label is BACKGROUND
    labels: Tensor  # (B, P) int64, 0 = BACKGROUND
    shares: Tensor | None = None  # (B, P), of its object that a prior has; None: a whole object
    confidences: Tensor | None = None  # (B, P), of the labels; None: they are certain

    def part(self, rows: slice) -> Targets:
        """Return those of some of the pictures."""
        shares, confidences = (None if one is None else one[rows] for one in self[2:])
        return Targets(self.locations[rows], self.labels[rows], shares, confidences)


class MatchTotals(NamedTuple):
    """Counts over a whole batch, which its losses are divided by even if it is split into parts."""

    positives: Tensor  # () priors that belong to an object
    pictures: Tensor  # () pictures with such priors
    objects: Tensor  # () objects that have a prior

    @classmethod
    def of(cls, targets: Targets) -> MatchTotals:
        """Count in the targets of a batch."""
        positive = targets.labels > 0
        per_picture = positive.sum(dim=1)
        shares = positive if targets.shares is None else targets.shares
        return cls(per_picture.sum(), (per_picture > 0).sum(), shares.sum())


class MultiboxLoss(nn.Module):
    """Smooth L1 on the boxes of objects, cross-entropy on objects and the hardest background.

    SSD paper, section 2.2, equations 1 to 3, where each positive prior counts the same, so that an
    object with twenty priors counts twenty times as much as one with a single prior. With
    `per_object` it is the mean over the objects, each of which is the mean over its priors.
    Background is divided by the number of positive priors in either case. A batch without objects
    has loss 0.

    Args:
        neg_pos_ratio: background priors per positive prior of a picture. A picture without objects
            gets as many as the pictures with objects have on average.
        per_object: let each object count the same, and not each prior.
    """

    def __init__(self, neg_pos_ratio: float = 3, per_object: bool = True) -> None:
        super().__init__()
        self.neg_pos_ratio, self.per_object = neg_pos_ratio, per_object

    def forward(
        self,
        class_logits: Tensor,
        locations: Tensor,
        targets: Targets,
        totals: MatchTotals | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Compute the regression and the classification loss, in that order.

        Args:
            class_logits: (B, P, C).
            locations: (B, P, 4).
            targets: what is to be predicted. An object of confidence 0.7 counts as 0.7 of its class
                and 0.3 of BACKGROUND, and its box counts 0.7 times.
            totals: counts of the whole batch, if this is a part of it; then the losses of the parts
                add up to the loss of the batch.
        """
        class_logits, locations = class_logits.float(), locations.float()
        labels, totals = targets.labels, totals or MatchTotals.of(targets)
        positive = labels > 0
        weights, count = positive.to(locations.dtype), totals.positives
        if self.per_object and targets.shares is not None:
            weights, count = targets.shares, totals.objects
        cross_entropy = F.cross_entropy(
            class_logits.flatten(0, 1), labels.flatten(), reduction="none"
        )
        cross_entropy = cross_entropy.unflatten(0, labels.shape)  # (B, P)
        with torch.no_grad():
            background_loss = -class_logits.log_softmax(dim=2)[..., 0]
            negative = hardest_negatives(background_loss, positive, self.neg_pos_ratio, totals)
        # Masks, not indices: a GPU would have to wait until the number of positives is known.
        background = (cross_entropy * negative).sum() / totals.positives.clamp(min=1)
        distance = F.smooth_l1_loss(locations, targets.locations, reduction="none").sum(dim=2)
        if targets.confidences is not None:
            as_background = -class_logits.log_softmax(dim=2)[..., 0]
            cross_entropy = torch.lerp(as_background, cross_entropy, targets.confidences)
            distance = distance * targets.confidences
        count = count.clamp(min=1)
        return (
            (distance * weights).sum() / count,
            (cross_entropy * weights).sum() / count + background,
        )


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
