"""Everything that is measured of one detector on one split, computed in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.evaluation.average_precision import AveragePrecisionResult, rate_matches
from vision.evaluation.collection import Collection
from vision.evaluation.matching import Matches, Outcome, match_tables, matches_of
from vision.evaluation.metrics.coco_metrics import CocoResult, coco_metrics
from vision.evaluation.metrics.confusion import Confusion, confusion_of
from vision.evaluation.metrics.curves import (
    ClassCurves,
    best_counts,
    count_at,
    curves_of,
    split_by_class,
)
from vision.evaluation.metrics.errors import Errors, find_errors
from vision.evaluation.metrics.groups import (
    Group,
    found_objects,
    groups_by_number,
    groups_by_size,
)
from vision.evaluation.thresholds import Counts


@dataclass(frozen=True)
class MeasureSettings:
    """How detections are judged."""

    iou_threshold: float = 0.5  # the overlap that a right detection has to exceed
    use_2007_metric: bool = True  # of the VOC average precision
    threshold: float | None = None  # the least score that counts as shown; None: the best F1
    resolution: int | None = None  # S of the net, for sizes as it sees them; None: as in pictures


@dataclass(frozen=True)
class ClassMeasure:
    """The figures of one class; those without objects to find have no average precision."""

    name: str
    label: int
    objects: int
    average_precision: float | None  # VOC
    coco_ap: float | None  # mean over the overlaps 0.5 to 0.95
    counts: Counts  # at the threshold of the evaluation
    own_threshold: float  # with the best F1 of this class
    own_counts: Counts


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One detector on one split."""

    collection: Collection
    settings: MeasureSettings
    outcome: Outcome
    precision: AveragePrecisionResult  # VOC
    coco: CocoResult
    threshold: float  # at which the counts, the confusion and the groups are
    counts: Counts  # over all classes
    classes: tuple[ClassMeasure, ...]  # without BACKGROUND, in the order of the labels
    curves: ClassCurves
    confusion: Confusion
    errors: Errors
    by_size: tuple[Group, ...]
    by_number: tuple[Group, ...]
    found: np.ndarray  # (M,) bool, whether an object is found at the threshold

    @property
    def shown(self) -> np.ndarray:
        """(D,) bool, whether a detection reaches the threshold."""
        return self.collection.found.scores >= self.threshold

    @property
    def shown_wrong(self) -> np.ndarray:
        """(D,) bool, whether it does and is wrong."""
        return self.shown & self.outcome.false_positive

    @property
    def missed(self) -> np.ndarray:
        """(M,) bool, whether an object counts and is not found."""
        return ~self.found & ~self.collection.objects.difficult


def measure(collection: Collection, settings: MeasureSettings | None = None) -> Evaluation:
    """Measure the detections of a collection in every way that there is."""
    settings = settings or MeasureSettings()
    found, objects = collection.found, collection.objects
    outcome = match_tables(found, objects, settings.iou_threshold)
    matches = matches_of(found, objects, outcome, collection.num_classes)
    precision = rate_matches(
        matches, collection.class_names, settings.iou_threshold, settings.use_2007_metric
    )
    coco = coco_metrics(found, objects, collection.num_classes)
    threshold, counts = best_counts(matches)
    if settings.threshold is not None:
        threshold, counts = settings.threshold, count_at(matches, settings.threshold)
    seen = found_objects(collection, outcome, threshold)
    wrong = outcome.false_positive & (found.scores >= threshold)
    return Evaluation(
        collection,
        settings,
        outcome,
        precision,
        coco,
        threshold,
        counts,
        _measure_classes(collection, matches, precision, coco, threshold),
        curves_of(matches),
        confusion_of(collection, outcome, threshold, settings.iou_threshold),
        find_errors(collection, outcome, settings.iou_threshold),
        groups_by_size(collection, seen, settings.resolution),
        groups_by_number(collection, seen, wrong),
        seen,
    )


def _measure_classes(
    collection: Collection,
    matches: Matches,
    precision: AveragePrecisionResult,
    coco: CocoResult,
    threshold: float,
) -> tuple[ClassMeasure, ...]:
    measures = []
    for label, own in split_by_class(matches).items():
        own_threshold, own_counts = best_counts(own)
        measures.append(
            ClassMeasure(
                collection.name(label),
                label,
                int(own.object_counts.sum()),
                precision.classes[label - 1].average_precision,
                coco.class_ap[label - 1],
                count_at(own, threshold),
                own_threshold,
                own_counts,
            )
        )
    return tuple(measures)
