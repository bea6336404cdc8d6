from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, gathered, truth
from vision.evaluation.metrics.groups import (
    NUMBERS,
    OBJECT_SIDES,
    Group,
    found_objects,
    groups_by_number,
    groups_by_size,
    range_names,
)

LARGE = [0, 0, 80, 20]  # an area of 40 x 40
PICTURES = [
    (truth((HERE, 1), (LARGE, 2)), found((HERE, 1, 0.9), (LARGE, 2, 0.3), (NOWHERE, 1, 0.8))),
    (truth((HERE, 1)), found((NOWHERE, 2, 0.9))),
    (truth(), found((THERE, 1, 0.7))),
    (truth((HERE, 1, True)), found()),
]


@pytest.fixture
def measured():
    collection, outcome = gathered(*PICTURES)
    shown = collection.found.scores >= 0.5
    return collection, found_objects(collection, outcome, 0.5), outcome.false_positive & shown


def test_sizes_in_pixels_of_the_picture_and_of_the_net(measured):
    collection, seen, _ = measured
    assert seen.tolist() == [True, False, False, False]
    sizes = {
        group.name: (group.objects, group.found) for group in groups_by_size(collection, seen, None)
    }
    assert sizes == {
        "0-16": (2, 1),
        "16-32": (0, 0),
        "32-64": (1, 0),
        "64-128": (0, 0),
        "128+": (0, 0),
    }
    # A picture of 100 x 100 is stretched to 300 x 300.
    sizes = {group.name: group.objects for group in groups_by_size(collection, seen, 300)}
    assert sizes == {"0-16": 0, "16-32": 2, "32-64": 0, "64-128": 1, "128+": 0}


def test_a_picture_is_stretched_to_the_square_of_the_net():
    collection, _ = gathered((truth((HERE, 1)), found()), size=(400, 100))
    # 10 x 10 of 400 x 100 is 7.5 x 30 of 300 x 300, an area of 15 x 15.
    assert collection.sides(300).tolist() == pytest.approx([15])


def test_numbers_of_objects_in_the_picture(measured):
    groups = {group.name: group for group in groups_by_number(*measured)}
    assert list(groups) == ["0", "1", "2-3", "4-7", "8-15", "16+"]
    assert groups["0"] == Group("0", 0, 0, 1)  # the difficult object does not count
    assert groups["1"] == Group("1", 1, 0, 1)
    assert groups["2-3"] == Group("2-3", 2, 1, 1)
    assert (groups["2-3"].recall, groups["2-3"].precision) == (1 / 2, 1 / 2)
    assert (groups["0"].recall, groups["0"].precision) == (None, 0)
    assert groups["4-7"].precision is None


def test_names_of_ranges():
    assert range_names(OBJECT_SIDES)[0] == "0-16"
    assert range_names(NUMBERS, 1, True) == ["1", "2-3", "4-7", "8-15", "16+"]


def test_no_pictures():
    collection, outcome = gathered()
    seen = found_objects(collection, outcome, 0.5)
    assert sum(group.objects for group in groups_by_size(collection, seen, 300)) == 0
    wrong = np.zeros(0, bool)
    assert sum(group.objects for group in groups_by_number(collection, seen, wrong)) == 0
