from __future__ import annotations

import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, truth
from vision.evaluation.class_matching import match_classes
from vision.evaluation.collection import EvaluatedPicture
from vision.evaluation.judge import NORMALISATIONS, Judge
from vision.evaluation.measure import MeasureSettings

NAMES = ["BACKGROUND", "cat", "dog"]
PICTURES = [EvaluatedPicture(str(n), f"{n}.jpg", 100, 100) for n in range(2)]
TRUTHS = [truth((HERE, 1)), truth((THERE, 1), (NOWHERE, 1))]


def judge(boxes_per_class=None):
    matching = match_classes(NAMES, boxes_per_class or {"cat": 3, "dog": 0})
    return Judge(PICTURES, TRUTHS, NAMES, matching, MeasureSettings(), {"split": "test"})


def test_an_entry_says_what_it_depends_on():
    detections = [found((HERE, 1, 0.9)), found((THERE, 1, 0.8))]
    entry = judge().entry("a net", detections, {"model": "a.pth"})
    assert entry.facts == {"model": "a.pth", "split": "test"}
    assert entry.evaluation.counts.true_positives == 2
    assert entry.ranking is entry.evaluation
    assert len(entry.verdict) == 3
    assert list(entry.notes) == []


def test_detections_of_classes_that_the_dataset_does_not_know_are_left_out():
    detections = [found((HERE, 1, 0.9), (HERE, 2, 0.95)), found((THERE, 1, 0.8))]
    entry = judge({"cat": 3, "emu": 4}).entry("a net", detections, {})
    assert entry.evaluation.counts.false_positives == 0
    assert [note.split(" has")[0].split(" have")[0] for note in entry.notes] == [
        "Only the dataset",
        "Only the net",
    ]


def test_average_precision_may_be_of_more_than_is_shown():
    shown = [found(), found((THERE, 1, 0.8))]
    everything = [found((HERE, 1, 0.1)), found((THERE, 1, 0.8), (NOWHERE, 1, 0.2))]
    entry = judge().entry("detectnet", shown, {}, threshold=0.5, ranked=everything)
    assert entry.evaluation.threshold == 0.5
    assert entry.evaluation.counts.recall == 1 / 3
    assert entry.ranking.precision.mean == pytest.approx(1)


def test_a_good_net_is_not_called_untrained_at_a_threshold_that_is_too_high():
    everything = [found((HERE, 1, 0.5)), found((THERE, 1, 0.5), (NOWHERE, 1, 0.5))]
    entry = judge().entry("detectnet", [found(), found()], {}, threshold=0.9, ranked=everything)
    assert entry.verdict[1:] == [
        "No score reaches the threshold of 0.9: the best is 0.5.",
        "Take a lower threshold.",
    ]
    nothing = judge().entry("detectnet", [found()] * 2, {}, threshold=0.9, ranked=[found()] * 2)
    assert nothing.verdict[1].startswith("There is no prediction")


def test_the_normalisation_that_works_is_named():
    good = [found((HERE, 1, 0.9)), found((THERE, 1, 0.8))]
    tried = []

    def detect(normalisation):
        tried.append(normalisation)
        return good if normalisation[1] == (1.0, 1.0, 1.0) else [found(), found()]

    advice = judge().advice_about_input(detect)
    assert advice == (
        "Its input is normalised wrongly: with a mean of 123, 117, 104 and a deviation of 1, 1, 1 "
        "it works."
    )
    assert tried == list(NORMALISATIONS[:3])
    # Only the first picture is tried.
    assert judge().advice_about_input(lambda _: [found()]) is None
