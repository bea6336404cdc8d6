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
    shares: Tensor | None = None  # (B, P), 1 / the number of priors of its object; None: all 1
    confidences: Tensor | None = None  # (B, P), of the labels; None: they are certain

    def part(self, rows: slice) -> Targets:
        """Return those of some of the pictures."""
        shares, confidences = (None if one is None else one[rows] for one in self[2:])
        return Targets(self.locations[rows], self.labels[rows], shares, confidences)


class MatchTotals(NamedTuple):
    """Counts over a whole batch, which its losses are divided by even if it is split into parts."""

    positives: Tensor  # () priors that belong to an object
    pictures: Tensor  # () pictures with such priors
    weight: Tensor  # () of the positive priors together


class MultiboxLoss(nn.Module):
    """Smooth L1 on the boxes of objects, cross-entropy on objects and the hardest background.

    SSD paper, section 2.2, equations 1 to 3. There each positive prior counts the same, so that an
    object with sixteen priors counts sixteen times as much as one with a single prior. With an
    `object_balance` of b, each of an object's n priors counts 1 / n^b, and the losses of positive
    priors are weighted means. Background is divided by the number of positive priors. A batch
    without objects has loss 0.

    Args:
        neg_pos_ratio: background priors per positive prior of a picture. A picture without objects
            gets as many as the pictures with objects have on average.
        object_balance: b, from 0, where each prior counts the same, to 1, where each object does.
    """

    def __init__(self, neg_pos_ratio: float = 3, object_balance: float = 0) -> None:
        super().__init__()
        self.neg_pos_ratio, self.object_balance = neg_pos_ratio, object_balance

    def weights(self, targets: Targets) -> Tensor:
        """Return how much each prior counts as a part of an object, (B, P)."""
        positive = (targets.labels > 0).to(targets.locations.dtype)
        if not self.object_balance or targets.shares is None:
            return positive
        return positive * targets.shares**self.object_balance

    def totals(self, targets: Targets) -> MatchTotals:
        """Count in the targets of a batch."""
        per_picture = (targets.labels > 0).sum(dim=1)
        weight = self.weights(targets).sum()
        return MatchTotals(per_picture.sum(), (per_picture > 0).sum(), weight)

    def expected_totals(self, counts: Tensor) -> MatchTotals:
        """Return what `totals` will be if the objects of a batch get `counts` (B, M) priors each.

        Padding gets 0.
        """
        per_picture = counts.sum(dim=1)
        weight = (counts ** (1 - self.object_balance)).masked_fill(counts == 0, 0).sum()
        return MatchTotals(per_picture.sum(), (per_picture > 0).sum(), weight)

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
        labels, totals = targets.labels, totals or self.totals(targets)
        positive, weights = labels > 0, self.weights(targets)
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
        # A weight of 0 is that of a batch without objects, whose sums are 0 too.
        weight = totals.weight + (totals.positives == 0)
        regression = (distance * weights).sum() / weight
        return regression, (cross_entropy * weights).sum() / weight + background


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
