"""Which classes are taken for which, with the background as one of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.evaluation.collection import Collection
from vision.evaluation.matching import DetectionTable, ObjectTable, Outcome, overlapping_pairs

BACKGROUND_LABEL = 0


@dataclass(frozen=True, eq=False)
class Confusion:
    """Every object and every detection at a threshold once: matched, or with the background."""

    matrix: np.ndarray  # (C, C) int64; row: what is there, column: what was found; 0 background
    detections: np.ndarray  # (E,) int64 row of the detection table; -1: the object was not found
    objects: np.ndarray  # (E,) int64 row of the object table; -1: there is no object
    true_labels: np.ndarray  # (E,) int64
    found_labels: np.ndarray  # (E,) int64

    def cell(self, true_label: int, found_label: int) -> np.ndarray:
        """Return the entries (K,) int64 that a cell of the matrix counts."""
        return np.flatnonzero((self.true_labels == true_label) & (self.found_labels == found_label))

    def worst_mistake(self) -> tuple[int, int, int] | None:
        """Return the two classes confused most often and the number; None if none are."""
        between = self.matrix.copy()
        np.fill_diagonal(between, 0)
        between[BACKGROUND_LABEL] = between[:, BACKGROUND_LABEL] = 0
        true_label, found_label = np.unravel_index(int(between.argmax()), between.shape)
        count = int(between[true_label, found_label])
        return (int(true_label), int(found_label), count) if count else None


def confusion_of(
    collection: Collection, outcome: Outcome, threshold: float, iou_threshold: float = 0.5
) -> Confusion:
    """Count what was taken for what.

    True positives stand on the diagonal. What is left of detections and objects is paired across
    classes, the largest overlaps first; what then is left stands in the row or the column of the
    background. Difficult objects and the detections that found them are left out.

    Args:
        outcome: of the collection's detections, at `iou_threshold`.
        threshold: the least score of a detection that is shown.
        iou_threshold: the overlap that a pair has to exceed.
    """
    found, objects = collection.found, collection.objects
    shown = found.scores >= threshold
    right = np.flatnonzero(outcome.true_positive & shown)
    taken = objects.difficult.copy()
    taken[outcome.closest.objects[right]] = True
    wrong, missed = np.flatnonzero(outcome.false_positive & shown), np.flatnonzero(~taken)
    pairs = _pair_across_classes(found, objects, wrong, missed, iou_threshold)
    alone, unseen = np.setdiff1d(wrong, pairs[:, 0]), np.setdiff1d(missed, pairs[:, 1])
    detections = np.concatenate([right, pairs[:, 0], alone, np.full(len(unseen), -1)])
    things = np.concatenate(
        [outcome.closest.objects[right], pairs[:, 1], np.full(len(alone), -1), unseen]
    )
    true_labels = np.where(things < 0, BACKGROUND_LABEL, _at(objects.labels, things))
    found_labels = np.where(detections < 0, BACKGROUND_LABEL, _at(found.labels, detections))
    matrix = np.zeros((collection.num_classes, collection.num_classes), np.int64)
    np.add.at(matrix, (true_labels, found_labels), 1)
    return Confusion(matrix, detections, things, true_labels, found_labels)


def _pair_across_classes(
    found: DetectionTable,
    objects: ObjectTable,
    wrong: np.ndarray,
    missed: np.ndarray,
    iou_threshold: float,
) -> np.ndarray:
    """Return pairs (P, 2) int64 of a wrong detection and a missed object of another class."""
    candidates = []
    for part in overlapping_pairs(found.select(wrong), objects.select(missed), True):
        over = part.overlaps > iou_threshold
        candidates.append(np.stack([part.detections, part.objects, part.overlaps])[:, over])
    rows, things, overlaps = np.hstack([np.zeros((3, 0)), *candidates])
    used_rows, used_things, pairs = set(), set(), []
    for best in np.argsort(-overlaps, kind="stable").tolist():
        row, thing = int(rows[best]), int(things[best])
        if row not in used_rows and thing not in used_things:
            used_rows.add(row)
            used_things.add(thing)
            pairs.append((wrong[row], missed[thing]))
    return np.array(pairs, np.int64).reshape(-1, 2)


def _at(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the labels at these rows; any label where the row is -1."""
    return labels[rows] if len(labels) else np.zeros(len(rows), np.int64)
