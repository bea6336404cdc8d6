"""The loss that an SSD is trained with."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MultiboxLoss(nn.Module):
    """Smooth L1 on the boxes of objects, cross-entropy on objects and the hardest background.

    SSD paper, section 2.2, equations 1 to 3. Both parts are sums divided by the number of positive
    priors of the batch, or by 1 where there is none: a batch without objects has loss 0.

    Args:
        neg_pos_ratio: background priors taken for each positive one of a picture. A picture without
            objects takes as many as the pictures with objects take on average.
    """

    def __init__(self, neg_pos_ratio: float = 3) -> None:
        super().__init__()
        self.neg_pos_ratio = neg_pos_ratio

    def forward(
        self, class_logits: Tensor, locations: Tensor, labels: Tensor, target_locations: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute the regression and the classification loss, in that order.

        Args:
            class_logits: (B, P, C).
            locations: (B, P, 4).
            labels: (B, P) int64, 0 = BACKGROUND.
            target_locations: (B, P, 4), used where the label is not 0.
        """
        class_logits, locations = class_logits.float(), locations.float()
        positive = labels > 0
        cross_entropy = F.cross_entropy(
            class_logits.flatten(0, 1), labels.flatten(), reduction="none"
        )
        cross_entropy = cross_entropy.unflatten(0, labels.shape)  # (B, P)
        with torch.no_grad():
            background_loss = -class_logits.log_softmax(dim=2)[..., 0]
            negative = hardest_negatives(background_loss, positive, self.neg_pos_ratio)
        # Masks instead of indexing: on a GPU an index waits for the number of positives.
        classification = (cross_entropy * (positive | negative)).sum()
        distance = F.smooth_l1_loss(locations, target_locations, reduction="none").sum(dim=2)
        regression = (distance * positive).sum()
        normaliser = positive.sum().clamp(min=1)
        return regression / normaliser, classification / normaliser


def hardest_negatives(background_loss: Tensor, positive: Tensor, neg_pos_ratio: float) -> Tensor:
    """Choose the background priors that look least like background.

    Args:
        background_loss: (B, P), minus log of the probability of BACKGROUND.
        positive: (B, P) bool, priors that belong to an object and are never chosen.
        neg_pos_ratio: how many to choose for each positive prior of the same picture.

    Returns:
        (B, P) bool.
    """
    num_positives = positive.sum(dim=1)  # (B,)
    num_pictures = (num_positives > 0).sum().clamp(min=1)
    average = num_positives.sum() / num_pictures
    wanted = torch.where(num_positives > 0, num_positives.to(average.dtype), average)
    order = background_loss.masked_fill(positive, float("-inf")).argsort(dim=1, descending=True)
    places = torch.arange(order.shape[1], device=order.device).expand_as(order)
    rank = torch.empty_like(order).scatter_(1, order, places)
    return (rank < (wanted * neg_pos_ratio).round()[:, None]) & ~positive
