"""Wrong detections by cause, and what each cause costs: TIDE (Bolya et al. 2020, section 2).

A false positive has the first of these causes that holds:

- place: it overlaps an object of its class, by at least 0.1, but not by more than the threshold;
- class: it overlaps an object of another class by more than the threshold;
- double: a better detection has found its object;
- background: it overlaps no object by 0.1;
- both: what is left; its class and its place are wrong.

An object is missed if no detection found it and no error of place or class points at it.

The cost of a cause is the rise of the mean average precision if its errors alone were mended: a
wrong place or class is put right (of several detections of one object only the best stays), other
false positives are taken away, and missed objects are not asked for. The costs do not add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.evaluation.average_precision import average_precision
from vision.evaluation.collection import Collection
from vision.evaluation.matching import Closest, Matches, Outcome, closest_objects
from vision.evaluation.metrics.curves import split_by_class

NEAR = 0.1  # a detection that overlaps nothing by so much lies on the background
NO_ERROR = 0
CAUSES = {"class": 1, "place": 2, "both": 3, "double": 4, "background": 5}  # of false positives
MISSED = "missed"


@dataclass(frozen=True)
class ErrorCost:
    """How many errors of a cause there are, and what they cost."""

    count: int  # detections, or missed objects
    cost: float  # rise of the mean average precision, in [0, 1], if they alone were mended


@dataclass(frozen=True, eq=False)
class Errors:
    """The errors of a detector by cause."""

    kinds: np.ndarray  # (D,) int64, a value of CAUSES; NO_ERROR for what is no false positive
    targets: np.ndarray  # (D,) int64 row of the object that a class or place error points at, or -1
    missed: np.ndarray  # (M,) bool
    costs: dict[str, ErrorCost]  # by the names of CAUSES, and MISSED
    base: float  # mean average precision, area under the curve, with all errors


def find_errors(collection: Collection, outcome: Outcome, iou_threshold: float = 0.5) -> Errors:
    """Sort the errors of all detections by cause, and say what each cause costs.

    Args:
        outcome: of the collection's detections, at `iou_threshold`.
        iou_threshold: the overlap that a true positive has to exceed.
    """
    kinds, targets = _causes(collection, outcome, iou_threshold)
    reached = np.zeros(len(collection.objects), bool)
    reached[outcome.closest.objects[outcome.true_positive]] = True
    reached[targets[targets >= 0]] = True
    missed = ~reached & ~collection.objects.difficult
    counts = collection.object_counts()
    base = _mean_area(_mended(collection, outcome, kinds == -1, targets), counts)
    costs = {}
    for name, kind in CAUSES.items():
        area = _mean_area(_mended(collection, outcome, kinds == kind, targets), counts)
        costs[name] = ErrorCost(int((kinds == kind).sum()), area - base)
    fewer = counts - collection.objects.select(missed).counts_per_class(len(counts))
    area = _mean_area(_mended(collection, outcome, kinds == -1, targets), fewer)
    costs[MISSED] = ErrorCost(int(missed.sum()), area - base)
    return Errors(kinds, targets, missed, costs, base)


def _causes(
    collection: Collection, outcome: Outcome, iou_threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the kind of every detection (D,), and the object (D,) that it points at, or -1."""
    own, others = outcome.closest, _closest_others(collection, outcome.false_positive)
    conditions = {
        "place": (own.overlaps >= NEAR) & (own.overlaps <= iou_threshold),
        "class": others.overlaps > iou_threshold,
        "double": own.overlaps > iou_threshold,
        "background": np.maximum(own.overlaps, others.overlaps) < NEAR,
    }
    kinds = np.select(
        list(conditions.values()), [CAUSES[name] for name in conditions], CAUSES["both"]
    )
    kinds[~outcome.false_positive] = NO_ERROR
    targets = np.full(len(kinds), -1)
    for name, closest in (("place", own), ("class", others)):
        targets[kinds == CAUSES[name]] = closest.objects[kinds == CAUSES[name]]
    return kinds, targets


def _closest_others(collection: Collection, wrong: np.ndarray) -> Closest:
    """Return for the wrong detections (D,) bool the closest object of another class."""
    rows = np.flatnonzero(wrong)
    some = closest_objects(collection.found.select(rows), collection.objects, True)
    objects, overlaps = np.full(len(wrong), -1), np.zeros(len(wrong), np.float32)
    objects[rows], overlaps[rows] = some
    return Closest(objects, overlaps)


def _mended(
    collection: Collection, outcome: Outcome, chosen: np.ndarray, targets: np.ndarray
) -> Matches:
    """Return what there would be to rate if the chosen errors (D,) bool were mended.

    An error with a target finds it now. Of all that find an object only the best is left; errors
    without a target go.
    """
    found, objects = collection.found, collection.objects
    labels, hits = found.labels.copy(), outcome.true_positive.copy()
    kept = ~outcome.ignored & ~chosen
    mended = chosen & (targets >= 0)
    if mended.any():
        rows = np.flatnonzero(hits | mended)
        goals = np.where(mended, targets, outcome.closest.objects)[rows]
        goals, first = np.unique(goals, return_index=True)  # the first of an object is the best
        kept[rows] = hits[rows] = False
        winners = rows[first]
        kept[winners] = hits[winners] = ~objects.difficult[goals]
        labels[winners] = objects.labels[goals]
    return Matches(found.scores[kept], labels[kept], hits[kept], collection.object_counts())


def _mean_area(matches: Matches, object_counts: np.ndarray) -> float:
    """Return the mean of the areas under the curves of the classes with objects to find."""
    areas = []
    for label, one in split_by_class(matches).items():
        if object_counts[label]:
            best_first = np.argsort(-one.scores, kind="stable")
            ranked = one.true_positive[best_first]
            areas.append(average_precision(ranked, int(object_counts[label]), False))
    return float(np.mean(areas)) if areas else 0.0
