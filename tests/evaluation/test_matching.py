from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, truth
from vision.evaluation import matching
from vision.evaluation.matching import (
    DetectionTable,
    ObjectTable,
    closest_objects,
    match_detections,
    match_tables,
)
from vision.structures import Detections
from vision.utils.box_utils import box_iou


def tables(detections, truths):
    return DetectionTable.join(detections), ObjectTable.join(truths)


def test_an_object_is_found_once_by_the_best_score():
    detections = [found((HERE, 1, 0.9), (HERE, 1, 0.8), (THERE, 1, 0.7))]
    matches = match_detections(detections, [truth((HERE, 1), (THERE, 1))], 2)
    assert matches.true_positive.tolist() == [True, False, True]
    in_disorder = [found((HERE, 1, 0.8), (THERE, 1, 0.7), (HERE, 1, 0.9))]
    matches = match_detections(in_disorder, [truth((HERE, 1), (THERE, 1))], 2)
    assert dict(zip(matches.scores.tolist(), matches.true_positive)) == {
        np.float32(0.9): True,
        np.float32(0.8): False,
        np.float32(0.7): True,
    }


def test_a_detection_may_not_turn_to_its_second_best_object():
    # The second detection overlaps the first object, which is taken, by 9/10, the other by 9/12.
    objects = truth(([0, 0, 10, 10], 1), ([0, 0, 10, 12], 1))
    detections = [found(([0, 0, 10, 10], 1, 0.9), ([0, 0, 9, 10], 1, 0.8))]
    matches = match_detections(detections, [objects], 2)
    assert matches.true_positive.tolist() == [True, False]


def test_the_overlap_must_exceed_the_threshold():
    half = found(([0, 0, 5, 10], 1, 0.9))  # covers half of HERE
    truths = [truth((HERE, 1))]
    assert not match_detections([half], truths, 2, 0.5).true_positive.any()
    assert match_detections([half], truths, 2, 0.49).true_positive.all()


def test_boxes_have_no_extra_pixel():
    # 4 of 9 without, 9 of 16 with "+ 1".
    detections = [found(([0, 0, 2, 2], 1, 0.9))]
    assert not match_detections(detections, [truth(([0, 0, 3, 3], 1))], 2).true_positive.any()


def test_the_class_must_agree():
    matches = match_detections([found((HERE, 2, 0.9))], [truth((HERE, 1))], 3)
    assert matches.true_positive.tolist() == [False]
    assert matches.object_counts.tolist() == [0, 1, 0]


def test_tables_keep_pictures_apart_and_the_best_first():
    detections = [found((HERE, 1, 0.2), (THERE, 2, 0.7)), found(), found((NOWHERE, 3, 0.5))]
    truths = [truth(), truth((HERE, 1, True), (THERE, 2)), truth((NOWHERE, 2))]
    table, objects = tables(detections, truths)
    assert table.pictures.tolist() == [0, 0, 2]
    assert table.labels.tolist() == [2, 1, 3]
    assert objects.pictures.tolist() == [1, 1, 2]
    assert objects.counts_per_class(4).tolist() == [0, 0, 2, 0]
    assert not match_tables(table, objects).true_positive.any()
    assert [len(one) for one in tables([], [])] == [0, 0]


def test_the_closest_object_of_its_own_class_and_of_others():
    # The cat overlaps the first cat by 1/2, the second by 9/10, the dog by 8/10, and no emu.
    truths = [truth(([0, 0, 10, 5], 1), ([0, 0, 10, 9], 1), ([0, 0, 10, 8], 2), (THERE, 3))]
    table, objects = tables([found((HERE, 1, 0.9), (NOWHERE, 1, 0.8))], truths)
    own, others = (closest_objects(table, objects, other) for other in (False, True))
    assert own.objects.tolist() == [1, -1]
    assert own.overlaps.tolist() == pytest.approx([0.9, 0])
    assert others.objects.tolist() == [2, -1]
    assert others.overlaps.tolist() == pytest.approx([0.8, 0])


def test_of_equal_overlaps_the_first_object_is_taken():
    table, objects = tables([found((HERE, 1, 0.9))], [truth((THERE, 1), (HERE, 1), (HERE, 1))])
    assert closest_objects(table, objects).objects.tolist() == [1]


def by_hand(detections, truths, iou_threshold):
    """Return (score, label, hit) of every detection that counts, with loops instead of tables."""
    rows = []
    for detection, objects in zip(detections, truths):
        taken = set()
        for index in np.argsort(-detection.scores, kind="stable"):
            box, label, score = (array[index] for array in detection)
            overlaps = box_iou(torch.from_numpy(box[None]), torch.from_numpy(objects.boxes))[0]
            overlaps[torch.from_numpy(objects.labels != label)] = -1
            best = int(overlaps.argmax()) if len(overlaps) else -1
            hit = best >= 0 and float(overlaps[best]) > iou_threshold
            if not (hit and objects.difficult[best]):
                rows.append((score, label, hit and best not in taken))
            if hit:
                taken.add(best)
    return rows


@pytest.mark.parametrize("pairs_at_once", [1, 7, 1 << 20])
@pytest.mark.parametrize("iou_threshold", [0.3, 0.5])
def test_crowded_pictures_are_matched_as_by_hand(pairs_at_once, iou_threshold, monkeypatch):
    monkeypatch.setattr(matching, "PAIRS_AT_ONCE", pairs_at_once)
    rng = np.random.default_rng(5)

    def boxes(count):
        corner = rng.uniform(0, 40, (count, 2))
        return np.hstack([corner, corner + rng.uniform(5, 30, (count, 2))]).astype(np.float32)

    detections, truths = [], []
    for objects, count in ((0, 5), (12, 40), (7, 0), (30, 90), (1, 9)):
        rows = zip(boxes(objects), rng.integers(1, 4, objects), rng.random(objects) < 0.2)
        truths.append(truth(*rows))
        scores = rng.integers(1, 20, count) / 20  # many of them are equal
        detections.append(Detections(boxes(count), rng.integers(1, 4, count), np.float32(scores)))
    result = match_detections(detections, truths, 4, iou_threshold)
    expected = by_hand(detections, truths, iou_threshold)
    assert list(zip(result.scores, result.labels, result.true_positive)) == expected
    assert result.true_positive.sum() >= 3


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="got 1 and 2"):
        match_detections([found()], [truth(), truth()], 2)
    with pytest.raises(ValueError, match="number of classes, 2, got 3"):
        match_detections([found()], [truth((HERE, 3))], 2)
    nan = found((HERE, 1, float("nan")), (HERE, 1, 0.5))
    with pytest.raises(ValueError, match="1 of 3 are NaN, the first in picture number 2"):
        match_detections([found((HERE, 1, 0.5)), nan], [truth(), truth()], 2)


def test_a_box_without_numbers_finds_nothing():
    table, objects = tables([found(([0, 0, float("nan"), 10], 1, 0.9))], [truth((HERE, 1))])
    assert closest_objects(table, objects).overlaps.tolist() == [0]
    assert match_tables(table, objects).false_positive.tolist() == [True]
