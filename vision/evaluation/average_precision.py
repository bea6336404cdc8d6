"""PASCAL VOC's mean average precision, by the 2007 metric or by the area under the curve.

The rules, as the VOC development kit and upstream's eval_ssd.py have them:

- Detections of a class are ranked over all pictures, best score first.
- Each looks at the object of its class and picture that it overlaps most. If the overlap exceeds
  the threshold and no better detection has taken that object, it is a true positive; otherwise a
  false positive. It may not turn to the second best object.
- Objects marked difficult count neither way, and neither do the detections that found them.
- A class without objects has no average precision and stays out of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np
import torch

from vision.structures import Detections
from vision.utils.box_utils import box_iou


@dataclass(frozen=True, eq=False)
class Truth:
    """What really is on one picture. A `Sample` has the same fields and may stand in for it."""

    boxes: np.ndarray  # (N, 4) float32 xyxy, pixels of the picture that the detections refer to
    labels: np.ndarray  # (N,) int64, 1..C-1
    difficult: np.ndarray  # (N,) bool


class Matches(NamedTuple):
    """Every detection that counts, in the order of the pictures, and whether it found an object."""

    scores: np.ndarray  # (D,) float32
    labels: np.ndarray  # (D,) int64
    true_positive: np.ndarray  # (D,) bool
    object_counts: np.ndarray  # (C,) int64 objects of each class, without the difficult ones


@dataclass(frozen=True)
class ClassResult:
    """The result of one class; `average_precision` is None where the class has no objects."""

    name: str
    average_precision: float | None
    ground_truths: int
    true_positives: int
    false_positives: int


@dataclass(frozen=True)
class AveragePrecisionResult:
    """The result of a split; `mean` is None where no class has objects."""

    classes: tuple[ClassResult, ...]  # without BACKGROUND, in the order of the labels
    mean: float | None
    iou_threshold: float
    use_2007_metric: bool


def mean_average_precision(
    detections: Sequence[Detections],
    truths: Sequence[Truth],
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
    use_2007_metric: bool = True,
) -> AveragePrecisionResult:
    """Rate detections against the truth, class by class.

    Args:
        detections: one for each picture.
        truths: the same pictures in the same order, boxes in the same pixels.
        class_names: BACKGROUND first; the index is the label.
        iou_threshold: the overlap that a true positive has to exceed.
        use_2007_metric: the mean of 11 points of the curve (VOC 2007), else the area under it (VOC
            2010 on).
    """
    matches = match_detections(detections, truths, len(class_names), iou_threshold)
    return rate_matches(matches, class_names, iou_threshold, use_2007_metric)


def rate_matches(
    matches: Matches,
    class_names: Sequence[str],
    iou_threshold: float = 0.5,
    use_2007_metric: bool = True,
) -> AveragePrecisionResult:
    """Do the second half of `mean_average_precision`, with the matches at `iou_threshold`."""
    classes = tuple(
        _rate_class(matches, label, name, use_2007_metric)
        for label, name in enumerate(class_names)
        if label > 0
    )
    rated = [result.average_precision for result in classes if result.ground_truths]
    mean = float(np.mean(rated)) if rated else None
    return AveragePrecisionResult(classes, mean, iou_threshold, use_2007_metric)


def average_precision(
    true_positive: np.ndarray, object_count: int, use_2007_metric: bool = True
) -> float:
    """Return the average precision of one class.

    Args:
        true_positive: (D,) for every detection, best first, whether it found an object.
        object_count: how many objects there were to find, 1 or more.
        use_2007_metric: 11 points, at which precision is the best at that recall or beyond, else
            the area under that same non-rising curve.
    """
    if object_count < 1:
        raise ValueError(f"average precision needs an object to find, got {object_count} objects")
    found = np.cumsum(np.asarray(true_positive, dtype=np.int64))
    precision = found / np.arange(1, len(found) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    if use_2007_metric:
        # Whole numbers: recall 3 of 10 reaches the point 0.3, which floating point would miss.
        reached = np.searchsorted(found * 10, np.arange(11) * object_count)
        return float(np.append(best_from_here, 0.0)[reached].sum() / 11)
    return float(best_from_here[np.diff(found, prepend=0) > 0].sum() / object_count)


def match_detections(
    detections: Sequence[Detections],
    truths: Sequence[Truth],
    num_classes: int,
    iou_threshold: float = 0.5,
) -> Matches:
    """Find out which detections are true positives; arguments as of `mean_average_precision`.

    Detections of difficult objects are left out of the result.
    """
    if len(detections) != len(truths):
        raise ValueError(
            "detections and truths must be of the same pictures, "
            f"got {len(detections)} and {len(truths)}"
        )
    pictures = [
        _match_picture(found, truth, iou_threshold) for found, truth in zip(detections, truths)
    ]
    objects = [truth.labels[~truth.difficult] for truth in truths]
    labels = np.concatenate([np.zeros(0, np.int64), *objects])
    if len(labels) and labels.max() >= num_classes:
        raise ValueError(
            f"labels must be below the number of classes, {num_classes}, got {labels.max()}"
        )
    return Matches(
        np.concatenate([np.zeros(0, np.float32), *(picture[0] for picture in pictures)]),
        np.concatenate([np.zeros(0, np.int64), *(picture[1] for picture in pictures)]),
        np.concatenate([np.zeros(0, bool), *(picture[2] for picture in pictures)]),
        np.bincount(labels, minlength=num_classes),
    )


def _match_picture(
    found: Detections, truth: Truth, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scores, labels and true positives of the detections of one picture that count."""
    best_first = np.argsort(-found.scores, kind="stable")
    boxes, labels, scores = (array[best_first] for array in found)
    if not len(boxes) or not len(truth.boxes):
        return scores, labels, np.zeros(len(boxes), bool)
    overlaps = box_iou(torch.from_numpy(boxes), torch.from_numpy(truth.boxes)).numpy()
    overlaps = np.where(labels[:, None] == truth.labels, overlaps, -1.0)
    closest = overlaps.argmax(axis=1)
    hit = overlaps.max(axis=1) > iou_threshold
    difficult = hit & truth.difficult[closest]
    hits = np.flatnonzero(hit)
    first_of_object = hits[np.unique(closest[hits], return_index=True)[1]]
    true_positive = np.zeros(len(boxes), bool)
    true_positive[first_of_object] = True
    counts = ~difficult
    return scores[counts], labels[counts], true_positive[counts]


def _rate_class(matches: Matches, label: int, name: str, use_2007_metric: bool) -> ClassResult:
    of_class = matches.labels == label
    best_first = np.argsort(-matches.scores[of_class], kind="stable")
    true_positive = matches.true_positive[of_class][best_first]
    object_count = int(matches.object_counts[label])
    hits = int(true_positive.sum())
    precision = (
        average_precision(true_positive, object_count, use_2007_metric) if object_count else None
    )
    return ClassResult(name, precision, object_count, hits, len(true_positive) - hits)
