"""Precision, recall and F1 of every class: by score threshold, and against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.evaluation.matching import Matches
from vision.evaluation.thresholds import Counts, best_threshold

THRESHOLDS = np.linspace(0, 1, 201)  # of the curves by score
RECALLS = np.linspace(0, 1, 101)  # of the curves of precision by recall


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves of one class, or of all detections together.

    Precision is NaN where no detection reaches the threshold.
    """

    precision: np.ndarray  # (201,) at THRESHOLDS
    recall: np.ndarray  # (201,)
    f1: np.ndarray  # (201,)
    precision_by_recall: np.ndarray  # (101,) the best precision at each of RECALLS or beyond


@dataclass(frozen=True, eq=False)
class ClassCurves:
    """Curves of every class with objects, by label, and of all classes together."""

    classes: dict[int, Curves]
    overall: Curves


def curves_of(matches: Matches) -> ClassCurves:
    """Return the curves of every class that has objects, and those over all classes."""
    by_class = split_by_class(matches)
    classes = {
        label: _curves(one, int(one.object_counts.sum()))
        for label, one in by_class.items()
        if one.object_counts.sum()
    }
    return ClassCurves(classes, _curves(matches, int(matches.object_counts.sum())))


def split_by_class(matches: Matches) -> dict[int, Matches]:
    """Return the matches of each class, by label, with its objects alone counted."""
    order = np.argsort(matches.labels, kind="stable")
    classes = np.arange(len(matches.object_counts))
    starts = np.searchsorted(matches.labels[order], classes, side="left")
    stops = np.searchsorted(matches.labels[order], classes, side="right")
    split = {}
    for label in classes[1:].tolist():
        rows = order[starts[label] : stops[label]]
        objects = np.where(classes == label, matches.object_counts, 0)
        parts = (matches.scores[rows], matches.labels[rows], matches.true_positive[rows])
        split[label] = Matches(*parts, objects)
    return split


def count_at(matches: Matches, threshold: float) -> Counts:
    """Count what is right, wrong and missing among detections of at least this score."""
    hits = matches.true_positive[matches.scores >= threshold]
    right = int(hits.sum())
    return Counts(right, len(hits) - right, int(matches.object_counts.sum()) - right)


def best_counts(matches: Matches) -> tuple[float, Counts]:
    """Return the threshold with the best F1, and what it counts."""
    threshold, _ = best_threshold(matches)
    return threshold, count_at(matches, threshold)


def _curves(matches: Matches, objects: int) -> Curves:
    order = np.argsort(-matches.scores, kind="stable")
    scores, right = matches.scores[order], np.cumsum(matches.true_positive[order])
    shown = np.searchsorted(-scores, -THRESHOLDS.astype(np.float32), side="right")
    hits = np.append(0, right)[shown]
    with np.errstate(invalid="ignore"):
        precision = hits / shown
        f1 = 2 * hits / (shown + objects)
    ranks = np.arange(1, len(right) + 1)
    best_from_here = np.maximum.accumulate((right / ranks)[::-1])[::-1]
    reached = np.searchsorted(right / max(1, objects), RECALLS)
    by_recall = np.append(best_from_here, 0.0)[reached]
    return Curves(precision, hits / max(1, objects), np.nan_to_num(f1), by_recall)
