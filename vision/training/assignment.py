"""Which priors learn which objects of a batch: the ways that --assignment chooses from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from vision.nn.multibox_loss import MatchTotals, MultiboxLoss, Targets
from vision.ssd.aligned_matching import expected_counts, match_aligned
from vision.ssd.matching import encode, match_and_encode
from vision.ssd.ssd import SSD
from vision.training.recipe_options import ALIGNED, OVERLAP
from vision.transforms import Batch


class Assignment(Protocol):
    """Says what a net learns to predict for a batch that is on its device."""

    def __init__(self, net: SSD, batch: Batch) -> None:
        """Do what can be done before the net has predicted anything."""

    def totals(self, criterion: MultiboxLoss) -> MatchTotals:
        """Return what the losses of the batch are divided by, before anything is predicted."""

    def targets(self, rows: slice, class_logits: Tensor, locations: Tensor) -> Targets:
        """Return the targets of some of the pictures, of which the net has predicted this."""


class ByOverlap:
    """By the overlap of priors and objects (SSD paper, section 2.2), whatever the net predicts."""

    def __init__(self, net: SSD, batch: Batch) -> None:
        self.all = match_and_encode(
            batch.boxes, batch.labels, net.priors, net.config.variances, batch.confidences
        )

    def totals(self, criterion: MultiboxLoss) -> MatchTotals:
        """Count in the targets."""
        return criterion.totals(self.all)

    def targets(self, rows: slice, class_logits: Tensor, locations: Tensor) -> Targets:
        """Return those of some of the pictures."""
        return self.all.part(rows)


class ByPrediction:
    """By how well each prior's prediction fits (task-aligned assignment, TOOD)."""

    def __init__(self, net: SSD, batch: Batch) -> None:
        self.net, self.batch = net, batch

    def totals(self, criterion: MultiboxLoss) -> MatchTotals:
        """Say what to expect: a batch in parts has no predictions of all its pictures yet."""
        counts = expected_counts(self.batch.boxes, self.batch.labels, self.net.priors)
        return criterion.expected_totals(counts)

    @torch.no_grad()
    def targets(self, rows: slice, class_logits: Tensor, locations: Tensor) -> Targets:
        """Match some of the pictures with what was predicted of them."""
        net, batch = self.net, self.batch
        boxes, labels = batch.boxes[rows], batch.labels[rows]
        confidences = None if batch.confidences is None else batch.confidences[rows]
        scores, predicted_boxes = net.decode(class_logits.float(), locations.float())
        matched = match_aligned(boxes, labels, net.priors, scores, predicted_boxes)
        return encode(matched, labels, net.priors, net.config.variances, confidences)


ASSIGNMENTS: dict[str, type[Assignment]] = {ALIGNED: ByPrediction, OVERLAP: ByOverlap}
