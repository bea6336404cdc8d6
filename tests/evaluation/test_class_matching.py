from __future__ import annotations

import pytest

from tests.evaluation.hand_made import HERE, NAMES, found
from vision.evaluation.class_matching import match_classes, without_classes
from vision.evaluation.matching import DetectionTable

NET = ["BACKGROUND", "apple", "banana", "potted plant"]


def test_the_same_classes_need_no_word():
    matching = match_classes(NET, {"banana": 3, "apple": 0, "potted plant": 1})
    assert matching.shared == ("apple", "banana", "potted plant")
    assert matching.lines() == []
    matching.require_shared()


def test_the_rest_is_listed_and_what_is_alike_is_offered():
    matching = match_classes(NET, {"banana": 3, "Apples": 1200, "pottedplant": 2, "cat": 1})
    assert matching.shared == ("banana",)
    assert matching.lines() == [
        "Only the dataset has these classes, whose boxes are left out: "
        "Apples 1,200, pottedplant 2, cat 1.",
        "Only the net has these classes, whose detections are left out: apple, potted plant.",
        "Some are alike; if they are the same, add "
        '--class-map "Apples=apple,pottedplant=potted plant".',
    ]


def test_nothing_in_common_ends_the_measuring():
    with pytest.raises(ValueError, match="share no class: the net has apple, banana, potted plant"):
        match_classes(NET, {"Apple": 3, "cat": 1}).require_shared()
    with pytest.raises(ValueError, match="as Apple=apple"):
        match_classes(NET, {"Apple": 3, "cat": 1}).require_shared()
    with pytest.raises(ValueError, match="the dataset has none"):
        match_classes(NET, {}).require_shared()
    many = {str(number): 1 for number in range(30)}
    with pytest.raises(ValueError, match="7 and 22 more"):
        match_classes(NET, many).require_shared()


def test_detections_of_unknown_classes_are_left_out():
    table = DetectionTable.join([found((HERE, 1, 0.9), (HERE, 2, 0.8), (HERE, 3, 0.7))])
    assert without_classes(table, NAMES, ["dog"]).labels.tolist() == [1, 3]
    assert without_classes(table, NAMES, []) is table
