"""Evaluate a detector on a split: pictures in batches, everything in memory, nothing written."""

from __future__ import annotations

from typing import Callable, Iterable, Protocol, Sequence

import numpy as np
from torch import Tensor

from vision.evaluation.average_precision import AveragePrecisionResult, mean_average_precision
from vision.evaluation.matching import GroundTruth
from vision.structures import Detections

Predict = Callable[[Tensor], Sequence[Detections]]


class LabelledBatch(Protocol):
    """What is used of a batch, such as `vision.transforms.Batch`, padded to M objects a picture."""

    @property
    def images(self) -> Tensor:
        """(B, 3, S, S) uint8 RGB."""

    @property
    def boxes(self) -> Tensor:
        """(B, M, 4) xyxy in [0, 1]."""

    @property
    def labels(self) -> Tensor:
        """(B, M) int64, 0 where padded."""

    @property
    def difficult(self) -> Tensor:
        """(B, M) bool."""


def evaluate(
    predict: Predict,
    batches: Iterable[LabelledBatch],
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
    use_2007_metric: bool = True,
) -> AveragePrecisionResult:
    """Return the mean average precision of a detector on a split.

    Boxes stay in pixels of the S x S input on both sides: stretching a picture stretches
    intersection and union alike, so overlaps, and all that follows from them, are those of the
    picture at its own size.

    Args:
        predict: pictures (B, 3, S, S) uint8 RGB to one `Detections` for each, in pixels of S x S,
            as `Predictor.predict_tensor` does.
        batches: every picture of the split once, whole and only stretched (`EvalTransform`). Wrap
            it in tqdm for a progress bar.
        class_names: BACKGROUND first; the index is the label.
        iou_threshold: the overlap that a true positive has to exceed.
        use_2007_metric: VOC 2007's 11 points, else the area under the curve.
    """
    detections, truths = collect_detections(predict, batches)
    return mean_average_precision(detections, truths, class_names, iou_threshold, use_2007_metric)


def collect_detections(
    predict: Predict, batches: Iterable[LabelledBatch]
) -> tuple[list[Detections], list[GroundTruth]]:
    """Return what was found in every picture and what is there; arguments as of `evaluate`."""
    detections: list[Detections] = []
    truths: list[GroundTruth] = []
    for batch in batches:
        detections.extend(predict(batch.images))
        truths.extend(truths_of(batch))
    return detections, truths


def truths_of(batch: LabelledBatch) -> list[GroundTruth]:
    """Return what is on each picture of a batch, in pixels of S x S."""
    boxes = batch.boxes.cpu().numpy() * np.float32(batch.images.shape[-1])
    labels, difficult = batch.labels.cpu().numpy(), batch.difficult.cpu().numpy()
    present = labels > 0
    return [
        GroundTruth(boxes[i][present[i]], labels[i][present[i]], difficult[i][present[i]])
        for i in range(len(labels))
    ]
