from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.stored import stored_collection
from vision.evaluation.average_precision import average_precision
from vision.evaluation.matching import Matches, match_tables, matches_of
from vision.evaluation.metrics.curves import (
    RECALLS,
    THRESHOLDS,
    best_counts,
    count_at,
    curves_of,
    split_by_class,
)
from vision.evaluation.thresholds import Counts


def matches(scores, labels, hits, objects):
    return Matches(
        np.array(scores, np.float32), np.array(labels), np.array(hits, bool), np.array(objects)
    )


# Cats: right, wrong, right of 3; dogs: right of 1; no emu, but one is seen.
MIXED = matches([0.5, 0.9, 0.7, 0.2, 0.4], [1, 1, 1, 2, 3], [1, 1, 0, 1, 0], [0, 3, 1, 0])


def at(threshold):
    return int(np.flatnonzero(np.isclose(THRESHOLDS, threshold))[0])


def test_curves_by_threshold_on_paper():
    curves = curves_of(MIXED)
    assert sorted(curves.classes) == [1, 2]
    cat = curves.classes[1]
    # 0.9 is the float32 nearest to 0.9; a threshold equal to a score keeps it.
    for threshold, precision, recall in ((0.9, 1, 1 / 3), (0.7, 1 / 2, 1 / 3), (0.5, 2 / 3, 2 / 3)):
        assert cat.precision[at(threshold)] == pytest.approx(precision)
        assert cat.recall[at(threshold)] == pytest.approx(recall)
        harmonic = 2 * precision * recall / (precision + recall)
        assert cat.f1[at(threshold)] == pytest.approx(harmonic)
    assert np.isnan(cat.precision[at(0.95)])
    assert cat.f1[at(0.95)] == 0
    assert curves.overall.recall[0] == pytest.approx(3 / 4)
    assert curves.overall.precision[0] == pytest.approx(3 / 5)


def test_precision_by_recall_on_paper():
    cat = curves_of(MIXED).classes[1].precision_by_recall
    # Precision 1 up to recall 1/3, then 2/3 up to recall 2/3, then nothing.
    assert cat[RECALLS <= 1 / 3].tolist() == pytest.approx([1] * 34)
    assert cat[(RECALLS > 1 / 3) & (RECALLS <= 2 / 3)].tolist() == pytest.approx([2 / 3] * 33)
    assert cat[RECALLS > 2 / 3].tolist() == [0] * 34


def test_counts_at_a_threshold():
    assert count_at(MIXED, 0.5) == Counts(2, 1, 2)
    assert count_at(MIXED, 0.0) == Counts(3, 2, 1)
    threshold, counts = best_counts(split_by_class(MIXED)[1])
    assert (threshold, counts) == (pytest.approx(0.25), Counts(2, 1, 1))


def test_each_class_has_its_own_matches():
    split = split_by_class(MIXED)
    assert sorted(split) == [1, 2, 3]
    assert split[1].scores.tolist() == pytest.approx([0.5, 0.9, 0.7])
    assert split[1].object_counts.tolist() == [0, 3, 0, 0]
    assert split[3].true_positive.tolist() == [False]


def test_no_detection_at_all():
    empty = curves_of(matches([], [], [], [0, 2]))
    assert empty.overall.recall.max() == empty.overall.f1.max() == 0
    assert np.isnan(empty.overall.precision).all()
    assert empty.classes[1].precision_by_recall.max() == 0
    assert curves_of(matches([], [], [], [0, 0])).classes == {}


def test_the_curves_of_stored_detections_have_their_average_precision(real_datasets):
    collection = stored_collection(real_datasets)
    outcome = match_tables(collection.found, collection.objects)
    result = matches_of(collection.found, collection.objects, outcome, collection.num_classes)
    for label, one in split_by_class(result).items():
        curve = curves_of(result).classes[label].precision_by_recall
        order = np.argsort(-one.scores, kind="stable")
        area = average_precision(one.true_positive[order], int(one.object_counts.sum()), False)
        assert curve.mean() == pytest.approx(area, abs=0.02)
