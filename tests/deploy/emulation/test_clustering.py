from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vision.deploy.emulation.clustering import (
    DetectNetDetection,
    PostProcessing,
    as_detections,
    post_process,
)

CASES = json.loads(
    (Path(__file__).parents[2] / "data" / "detectnet.json").read_text(encoding="utf-8")
)
FIELDS = ("class_id", "confidence", "left", "top", "right", "bottom")
LABELS = ["BACKGROUND", "apple", "pear"]


def run(rows, settings=None, labels=LABELS, size=(100, 100)):
    """Post-process rows of score of apple, score of pear, x1, y1, x2, y2 in 100 x 100 pixels."""
    rows = np.array(rows, dtype=np.float32).reshape(-1, 6)
    scores = np.concatenate([np.zeros((len(rows), 1), np.float32), rows[:, :2]], axis=1)
    return post_process(scores, rows[:, 2:] / np.float32(100), size, labels, settings)


def boxes(found):
    return [(d.left, d.top, d.right, d.bottom) for d in found]


@pytest.mark.parametrize("number", range(len(CASES)))
def test_equals_detectnet_to_the_bit(number):
    case = CASES[number]
    scores = np.array(case["scores"], dtype=np.float64).astype(np.float32)  # None becomes NaN
    found = post_process(
        scores,
        np.array(case["boxes"], dtype=np.float32),
        (case["width"], case["height"]),
        case["labels"],
        PostProcessing(case["threshold"], case["clustering"], case["profile"]),
    )
    expected = case["detections"]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected):
        theirs = list(theirs.values()) if isinstance(theirs, dict) else theirs
        assert [getattr(ours, field) for field in FIELDS] == theirs


def test_a_threshold_of_0_is_the_default():
    assert PostProcessing(threshold=0) == PostProcessing()
    assert replace(PostProcessing(0.3), threshold=0.0) == PostProcessing()
    assert run([[0.4, 0, 10, 10, 20, 20]], PostProcessing(0.0)) == []


def test_a_score_equal_to_the_threshold_is_kept():
    assert len(run([[0.5, 0, 10, 10, 20, 20]])) == 1
    assert run([[np.nextafter(np.float32(0.5), np.float32(0)), 0, 10, 10, 20, 20]]) == []


def test_the_first_class_wins_a_tie_and_nan_never_wins():
    (found,) = run([[0.7, 0.7, 10, 10, 20, 20]])
    assert (found.class_id, found.label) == (1, "apple")
    (found,) = run([[np.nan, 0.6, 10, 10, 20, 20]])
    assert found.label == "pear"


def test_boxes_of_one_class_merge_into_their_union():
    (found,) = run([[0.6, 0, 10, 10, 50, 50], [0.9, 0, 11, 11, 51, 51]])
    assert boxes([found]) == [(10, 10, 51, 51)]
    assert found.confidence == np.float32(0.9)


def test_a_small_box_inside_a_large_one_stays():
    assert len(run([[0.6, 0, 10, 10, 50, 50], [0.9, 0, 20, 20, 30, 30]])) == 2


def test_profiles_differ_on_other_classes():
    rows = [[0.6, 0, 10, 10, 50, 50], [0, 0.9, 11, 11, 51, 51]]
    assert len(run(rows)) == 2
    (found,) = run(rows, PostProcessing(profile="r32"))
    assert (found.label, boxes([found])) == ("pear", [(11, 11, 51, 51)])


def test_profiles_differ_on_void():
    labels = ["BACKGROUND", "void", "pear"]
    assert run([[0.9, 0, 10, 10, 50, 50]], labels=labels) == []
    assert len(run([[0.9, 0, 10, 10, 50, 50]], PostProcessing(profile="r32"), labels)) == 1


def test_the_largest_comes_first_and_leaves_the_picture_on_no_side():
    found = run([[0.9, 0, 40, 40, 50, 50], [0.6, 0, -20, -20, 130, 120]])
    assert boxes(found) == [(0, 0, 99, 99), (40, 40, 50, 50)]


def test_boxes_without_area_are_kept_apart():
    assert len(run([[0.9, 0, 10, 10, 10, 10], [0.9, 0, 10, 10, 10, 10]])) == 2


def test_nothing_in_nothing_out():
    assert run([]) == []
    assert run([[0.1, 0.2, 10, 10, 20, 20]]) == []
    assert (
        post_process(np.ones((3, 1), np.float32), np.ones((3, 4), np.float32), (9, 9), ["B"]) == []
    )
    assert as_detections([]).boxes.shape == (0, 4)


def test_fields_of_a_detection():
    found = DetectNetDetection(1, "apple", 0.5, 10.0, 20.0, 40.0, 80.0)
    assert (found.width, found.height, found.area) == (30.0, 60.0, 1800.0)
    assert found.center == (25.0, 50.0)


def test_as_detections_has_the_best_first():
    found = as_detections(run([[0.6, 0, 0, 0, 90, 90], [0, 0.9, 40, 40, 50, 50]]))
    assert found.labels.tolist() == [2, 1]
    assert found.scores.tolist() == [np.float32(0.9), np.float32(0.6)]
    assert found.boxes.tolist() == [[40, 40, 50, 50], [0, 0, 90, 90]]


def test_unknown_profile_is_refused():
    with pytest.raises(ValueError, match=r"master, r32, got 'r36'"):
        PostProcessing(profile="r36")
