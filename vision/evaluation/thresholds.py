"""What a detector shows at a score threshold: how much of it is right, and how much is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from vision.evaluation.matching import (
    DetectionTable,
    Matches,
    ObjectTable,
    Truth,
    match_tables,
    require_same_pictures,
)
from vision.structures import DETECTNET_THRESHOLD, Detections


@dataclass(frozen=True)
class Counts:
    """Right detections, wrong detections, and objects that were not found."""

    true_positives: int
    false_positives: int
    false_negatives: int

    @property
    def precision(self) -> float:
        """Return the share of the detections that are right; 0 where there are none."""
        return self.true_positives / max(1, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Return the share of the objects that were found; 0 where there are none."""
        return self.true_positives / max(1, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall."""
        wrong = self.false_positives + self.false_negatives
        return 2 * self.true_positives / max(1, 2 * self.true_positives + wrong)


def count_matches(
    detections: Sequence[Detections],
    truths: Sequence[Truth],
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> Counts:
    """Count right, wrong and missing detections over all pictures and classes.

    To choose between settings of a detector, run it with each and compare `count_matches(...).f1`.

    Args:
        detections: one for each picture.
        truths: the same pictures in the same order, boxes in the same pixels.
        iou_threshold: the overlap that a right detection has to exceed.
        score_threshold: detections with a lower score are left out.

    Raises:
        ValueError: the two are not of the same number of pictures, or a score is not a number.
    """
    require_same_pictures(detections, truths)
    found, objects = DetectionTable.join(detections), ObjectTable.join(truths)
    found = found.select(found.scores >= score_threshold)
    outcome = match_tables(found, objects, iou_threshold)
    hits = int(outcome.true_positive.sum())
    missed = int((~objects.difficult).sum()) - hits
    return Counts(hits, int(outcome.false_positive.sum()), missed)


def best_threshold(matches: Matches) -> tuple[float, float]:
    """Return the score to ask for, so that F1 over all classes is greatest, and that F1.

    It lies halfway between the last detection to keep and the next one. Where nothing was found, or
    there was nothing to find, it is 0.5, and F1 is 0.
    """
    best_first = np.argsort(-matches.scores, kind="stable")
    scores = matches.scores[best_first].astype(np.float64)
    found = np.cumsum(matches.true_positive[best_first])
    objects = int(matches.object_counts.sum())
    if not objects or not len(found) or not found[-1]:
        return DETECTNET_THRESHOLD, 0.0
    f1 = 2 * found / (np.arange(1, len(found) + 1) + objects)
    following = np.append(scores[1:], 0.0)
    f1[following == scores] = 0.0  # no threshold comes between equal scores
    best = int(f1.argmax())
    return float((scores[best] + following[best]) / 2), float(f1[best])


def detection_columns(detections: Sequence[Detections], matches: Matches) -> dict[str, Any]:
    """Return the columns of results.csv about the detections of a validation.

    Args:
        detections: one for each validation picture.
        matches: theirs.
    """
    threshold, f1 = best_threshold(matches)
    sure = sum(bool((found.scores >= DETECTNET_THRESHOLD).any()) for found in detections)
    return {
        "best threshold": threshold,
        "best F1": f1,
        "validation pictures": len(detections),
        f"pictures with a detection at {DETECTNET_THRESHOLD}": sure,
    }
