"""PASCAL VOC's mean average precision, by the 2007 metric or by the area under the curve.

What counts as found is decided in `vision.evaluation.matching`. A class without objects has no
average precision and stays out of the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

import numpy as np

from vision.evaluation.matching import Matches, Truth, match_detections
from vision.structures import Detections


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
    rated = [one.average_precision for one in classes if one.average_precision is not None]
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
