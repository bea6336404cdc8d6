from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, truth
from vision.evaluation.matching import Matches
from vision.evaluation.thresholds import Counts, best_threshold, count_matches, detection_columns
from vision.structures import Detections


def matches(scores, hits, objects):
    return Matches(
        np.array(scores, np.float32),
        np.ones(len(scores), np.int64),
        np.array(hits, bool),
        np.array([0, objects]),
    )


@pytest.mark.parametrize(
    ("scores", "hits", "objects", "threshold", "f1"),
    [
        # Two right ones of two objects come first: all that follows is wrong.
        ([0.9, 0.8, 0.4], [1, 1, 0], 2, 0.6, 1.0),
        # In any order.
        ([0.4, 0.9, 0.8], [0, 1, 1], 2, 0.6, 1.0),
        # F1 is 2/4, 2/5, 4/6.
        ([0.9, 0.7, 0.5], [1, 0, 1], 3, 0.25, 2 / 3),
        # No threshold keeps one of two equal scores: F1 is 2/3 for both, not 1 for the first.
        ([0.8, 0.8], [1, 0], 1, 0.4, 2 / 3),
        # Nothing right, nothing found, nothing there.
        ([0.8], [0], 1, 0.5, 0.0),
        ([], [], 3, 0.5, 0.0),
        ([0.9], [0], 0, 0.5, 0.0),
    ],
)
def test_the_best_threshold_has_the_best_f1(scores, hits, objects, threshold, f1):
    assert best_threshold(matches(scores, hits, objects)) == pytest.approx((threshold, f1))


def test_detection_columns_count_pictures_that_detectnet_would_mark():
    def found(*scores):
        count = len(scores)
        return Detections(
            np.zeros((count, 4), np.float32), np.ones(count, np.int64), np.float32(scores)
        )

    detections = [found(0.9, 0.6), found(0.5), found(0.4), found()]
    assert detection_columns(detections, matches([0.9, 0.8], [1, 0], 1)) == {
        "best threshold": pytest.approx(0.85),
        "best F1": 1.0,
        "validation pictures": 4,
        "pictures with a detection at 0.5": 2,
    }


def test_counts_on_paper():
    # Two objects are found, one twice; one is missed; a difficult one and its finder do not count.
    detections = [
        found((HERE, 1, 0.9), (HERE, 1, 0.8), (NOWHERE, 2, 0.3)),
        found((THERE, 2, 0.6), (NOWHERE, 1, 0.9)),
    ]
    truths = [truth((HERE, 1), (THERE, 1)), truth((THERE, 2), (NOWHERE, 1, True))]
    counts = count_matches(detections, truths)
    assert counts == Counts(true_positives=2, false_positives=2, false_negatives=1)
    assert (counts.precision, counts.recall, counts.f1) == (2 / 4, 2 / 3, 4 / 7)
    assert count_matches(detections, truths, score_threshold=0.6) == Counts(2, 1, 1)
    assert count_matches(detections, truths, score_threshold=0.95) == Counts(0, 0, 3)


def test_counts_of_nothing():
    assert count_matches([], []) == Counts(0, 0, 0)
    assert (Counts(0, 0, 0).precision, Counts(0, 0, 0).recall, Counts(0, 0, 0).f1) == (0, 0, 0)
    with pytest.raises(ValueError, match="got 0 and 1"):
        count_matches([], [truth()])
