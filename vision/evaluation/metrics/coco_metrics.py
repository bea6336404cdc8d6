"""COCO's average precision and recall, computed by faster-coco-eval.

COCO averages precision over ten overlaps, 0.5 to 0.95, at 101 points of recall, and looks at the
100 best detections of a class in a picture. Objects marked difficult are given to it as crowds:
they need not be found, and what finds them does not count.
"""

from __future__ import annotations

import contextlib
import gc
from dataclasses import dataclass
from typing import Any, Iterator

import numpy as np

from vision.evaluation.matching import DetectionTable, ObjectTable

MOST_DETECTIONS = 100  # of a class in a picture
LISTS_AT_ONCE = 500_000  # the library keeps one for each class in each picture


@dataclass(frozen=True)
class CocoMetrics:
    """COCO's twelve numbers, in [0, 1]; None where there is no object of that kind.

    Small objects have less than 32 x 32 pixels of the picture, large ones more than 96 x 96.
    """

    ap: float | None  # mean over the overlaps 0.5, 0.55, ... 0.95
    ap50: float | None  # at overlap 0.5
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None  # recall with the best detection of every class in a picture alone
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


@dataclass(frozen=True)
class CocoResult:
    """The twelve numbers of a split, and the first of them for every class."""

    metrics: CocoMetrics
    class_ap: tuple[float | None, ...]  # C - 1, without BACKGROUND


def coco_metrics(found: DetectionTable, objects: ObjectTable, num_classes: int) -> CocoResult:
    """Rate the detections as COCO does; boxes in pixels of their pictures.

    Args:
        num_classes: C, BACKGROUND included.
    """
    found = found.select(best_of_each_class(found, MOST_DETECTIONS))
    labels = np.flatnonzero(objects.counts_per_class(num_classes))  # others have no figures
    pictures = 1 + max(found.pictures.max(initial=0), objects.pictures.max(initial=0))
    at_once = max(1, int(LISTS_AT_ONCE // pictures))
    parts = [
        _rate(found, objects, labels[first : first + at_once])
        for first in range(0, len(labels), at_once)
    ]
    if not parts:
        return CocoResult(CocoMetrics(*[None] * 12), (None,) * (num_classes - 1))
    precision, recall = (np.concatenate(arrays, axis=-3) for arrays in zip(*parts))
    numbers = [_mean(precision[..., 0, -1]), *(_mean(precision[one, ..., 0, -1]) for one in (0, 5))]
    numbers += [_mean(precision[..., area, -1]) for area in (1, 2, 3)]
    numbers += [_mean(recall[..., 0, most]) for most in (0, 1, 2)]
    numbers += [_mean(recall[..., area, -1]) for area in (1, 2, 3)]
    by_label = {
        label: _mean(precision[:, :, row, 0, -1]) for row, label in enumerate(labels.tolist())
    }
    class_ap = tuple(by_label.get(label) for label in range(1, num_classes))
    return CocoResult(CocoMetrics(*numbers), class_ap)


def _rate(
    found: DetectionTable, objects: ObjectTable, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Have the library rate K classes.

    Returns:
        Precision (10 overlaps, 101 recalls, K, 4 areas, 3 counts of detections) and recall (10, K,
        4, 3); -1 where there is nothing to find.
    """
    from faster_coco_eval import COCO, COCOeval_faster

    found = found.select(np.isin(found.labels, labels))
    objects = objects.select(np.isin(objects.labels, labels))
    pictures = np.unique(np.concatenate([found.pictures, objects.pictures]))
    shared = {
        "images": [{"id": picture} for picture in pictures.tolist()],
        "categories": [{"id": label, "name": str(label)} for label in labels.tolist()],
    }
    truth, answer = COCO(), COCO()
    with no_garbage_collection():
        truth.dataset = {**shared, "annotations": _annotations(objects, objects.difficult)}
        answer.dataset = {**shared, "annotations": _annotations(found, found.scores)}
        for one in (truth, answer):
            one.createIndex()
        rating = COCOeval_faster(truth, answer, "bbox", print_function=_say_nothing)
        rating.evaluate()
        rating.accumulate()
    shape = len(labels), 4, 3
    precision = np.asarray(rating.eval["precision"]).reshape(10, 101, *shape)
    return precision, np.asarray(rating.eval["recall"]).reshape(10, *shape)


def best_of_each_class(found: DetectionTable, most: int) -> np.ndarray:
    """Return whether a detection (D,) is one of the `most` best of its class in its picture."""
    classes = 1 + found.labels.max(initial=0)
    groups = found.pictures * classes + found.labels
    order = np.argsort(groups, kind="stable")  # within a group still best first
    ranks = np.empty(len(found), np.int64)
    ranks[order] = np.arange(len(found)) - np.searchsorted(groups[order], groups[order])
    return ranks < most


@contextlib.contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keep the collector of circular garbage from going through a million new objects in vain."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _annotations(table: DetectionTable | ObjectTable, values: np.ndarray) -> list[dict[str, Any]]:
    """Return the rows of a table in COCO's notation, with their scores, or whether difficult."""
    corners = table.boxes.astype(np.float64)
    sizes = corners[:, 2:] - corners[:, :2]
    is_crowd = values.astype(np.int64) if values.dtype == bool else np.zeros(len(values), np.int64)
    columns = zip(
        range(1, len(table) + 1),
        table.pictures.tolist(),
        table.labels.tolist(),
        np.hstack([corners[:, :2], sizes]).tolist(),
        np.prod(sizes, axis=1).tolist(),
        values.tolist(),
        is_crowd.tolist(),
    )
    return [
        {
            "id": row,
            "image_id": picture,
            "category_id": label,
            "bbox": box,
            "area": area,
            "score": value,
            "iscrowd": crowd,
        }
        for row, picture, label, box, area, value, crowd in columns
    ]


def _mean(values: np.ndarray) -> float | None:
    """Return the mean of what is known; None if nothing is."""
    known = values[values > -1]
    return float(known.mean()) if known.size else None


def _say_nothing(text: str) -> None:
    """Stand in for the library's printing."""
