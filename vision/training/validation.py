"""How good a net is on the validation split, from one pass over it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any, Collection, Iterable, Mapping, NamedTuple, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.sampling import spread_over_classes
from vision.evaluation.average_precision import AveragePrecisionResult, rate_matches
from vision.evaluation.evaluate import truths_of
from vision.evaluation.matching import GroundTruth, match_detections
from vision.evaluation.thresholds import detection_columns
from vision.structures import Detections
from vision.training.compute.processes import (
    copy_buffers_of_main,
    interleave,
    sum_over_processes,
)
from vision.training.options import TrainOptions
from vision.training.steps import Losses, LossMeter, Training, match_totals
from vision.transforms import Batch
from vision.utils.nms import nms_per_picture

EXAMPLES = 16


class Examples(NamedTuple):
    """Pictures of all classes, with what was found in them and what is there."""

    images: Tensor  # (B, 3, S, S) uint8
    detections: Sequence[Detections]
    truths: Sequence[GroundTruth]
    image_ids: Sequence[str]


def example_ids(index: AnnotationIndex) -> frozenset[str]:
    """Return the ids of pictures of all classes, to be drawn with what is found in them."""
    return frozenset(index.image_ids[int(row)] for row in spread_over_classes(index, EXAMPLES))


@dataclass(frozen=True)
class Validation:
    """The losses, and the average precision where it was asked for."""

    losses: Losses
    precision: AveragePrecisionResult | None
    columns: Mapping[str, Any] = field(default_factory=dict)  # more for results.csv
    examples: Examples | None = None
    weights_are_finite: bool = True

    @property
    def metrics(self) -> dict[str, float]:
        """What a checkpoint says of itself: "loss", and "mAP" where it was measured."""
        metrics = {"loss": self.losses.total}
        if self.precision is not None and self.precision.mean is not None:
            metrics["mAP"] = self.precision.mean
        return metrics

    @property
    def score(self) -> float:
        """What the best weights have most of: mAP where measured, else a small loss.

        Weights with a number or a loss that is not finite are worse than any others.
        """
        metrics = self.metrics
        score = metrics.get("mAP", -metrics["loss"])
        finite = self.weights_are_finite and all(map(math.isfinite, (score, metrics["loss"])))
        return score if finite else -math.inf

    def score_after(self, losses: Losses, objects: int) -> float:
        """Return the score of an epoch.

        Args:
            losses: of its training; not finite if every batch was skipped.
            objects: in the validation pictures. Without any, their loss is 0 whatever the net says,
                so that the loss of training has to do.
        """
        if not math.isfinite(losses.total):
            return -math.inf
        return self.score if objects else min(self.score, -losses.total)


def what_is_measured(index: AnnotationIndex, options: TrainOptions) -> str:
    """Return a key of what scores mean: only scores with equal keys can be compared.

    Args:
        index: the pictures to validate on.
        options: of the run.
    """
    digest = hashlib.sha256("\n".join(index.image_ids).encode("utf-8", "surrogateescape"))
    for array in (index.offsets, index.boxes, index.labels, index.difficult):
        digest.update(array.tobytes())
    if options.validation_mean_ap and len(index.boxes):
        return f"mAP {digest.hexdigest()}"
    return f"loss {options.assignment} {options.balance_of_objects:g} {digest.hexdigest()}"


@torch.no_grad()
def validate(
    training: Training,
    batches: Iterable[Batch],
    class_names: Sequence[str],
    pictures: int,
    measure_precision: bool = True,
    shown_ids: Collection[str] = (),
) -> Validation:
    """Measure the losses of the best net, and its average precision (VOC 2007 metric, IoU 0.5).

    Args:
        batches: of whole pictures, only stretched: images (B, 3, S, S) uint8, boxes (B, M, 4) xyxy
            in [0, 1], labels (B, M), 0 = padding.
        pictures: in the validation part; among several processes the first batches may come twice.
        measure_precision: or the losses alone.
        shown_ids: of the pictures to return as examples.
    """
    net, device = training.best_net, training.device
    copy_buffers_of_main(net)
    net.eval()
    meter = LossMeter(device)
    detections: list[Detections] = []
    truths: list[GroundTruth] = []
    shown: list[tuple[Tensor, Detections, GroundTruth, str]] = []
    for batch in batches:
        batch = batch.to(device, non_blocking=True)
        class_logits, locations = net(net.normalise(batch.images))
        assigned = training.assignment(net, batch)
        targets = assigned.targets(slice(None), class_logits, locations)
        totals = match_totals(training.criterion, assigned)
        losses = training.criterion(class_logits, locations, targets, totals)
        meter.add(F.pad(sum_over_processes(torch.stack(losses)), (0, 1)))  # none is skipped
        if measure_precision:
            scores, boxes = net.decode(class_logits, locations)
            for kept in nms_per_picture(scores, boxes * net.config.image_size):
                detections.append(Detections(*kept))
            truths.extend(truths_of(batch))
            rows = zip(batch.images, detections[-len(scores) :], truths[-len(scores) :])
            shown.extend(
                (image.cpu(), found, there, image_id)
                for image_id, (image, found, there) in zip(batch.image_ids, rows)
                if image_id in shown_ids
            )
    if not truths:
        return Validation(meter.average(), None, weights_are_finite=all_finite(net))
    examples = None
    if shown:
        images, *others = zip(*shown[:EXAMPLES])
        examples = Examples(torch.stack(images), *others)
    detections, truths = interleave(detections, pictures), interleave(truths, pictures)
    matches = match_detections(detections, truths, len(class_names))
    return Validation(
        meter.average(),
        rate_matches(matches, class_names),
        detection_columns(detections, matches),
        examples,
        all_finite(net),
    )


@torch.no_grad()
def all_finite(net: nn.Module) -> bool:
    """Say whether every weight and statistic of a net is a finite number."""
    floats = [one.detach() for one in net.state_dict().values() if one.is_floating_point()]
    return bool(torch.stack([torch.isfinite(one).all() for one in floats]).all())
