from __future__ import annotations

import pytest

from tests.evaluation.hand_made import HERE, NOWHERE, THERE, found, gathered, truth
from tests.evaluation.stored import stored_collection
from vision.evaluation.matching import match_tables
from vision.evaluation.metrics.errors import CAUSES, MISSED, find_errors

CAT, DOG = 1, 2
PART = [0, 0, 10, 4]  # overlaps HERE by 0.4
CORNER = [0, 0, 1, 5]  # overlaps HERE by 0.05


def errors_of(*pictures):
    return find_errors(*gathered(*pictures))


def counts(errors):
    return {name: one.count for name, one in errors.costs.items() if one.count}


@pytest.mark.parametrize(
    ("box", "label", "cause"),
    [
        (PART, CAT, "place"),
        (HERE, DOG, "class"),
        (PART, DOG, "both"),
        (CORNER, CAT, "background"),
        (NOWHERE, DOG, "background"),
    ],
)
def test_the_cause_of_a_single_mistake(box, label, cause):
    errors = errors_of((truth((HERE, CAT)), found((box, label, 0.9))))
    excused = cause in ("place", "class")
    assert counts(errors) == ({cause: 1} if excused else {cause: 1, MISSED: 1})
    assert errors.kinds.tolist() == [CAUSES[cause]]
    assert errors.targets.tolist() == [0 if excused else -1]
    assert errors.missed.tolist() == [not excused]


def test_a_double_is_no_other_error():
    errors = errors_of((truth((HERE, CAT)), found((HERE, CAT, 0.9), (HERE, CAT, 0.8))))
    assert counts(errors) == {"double": 1}
    # It comes after the last right one, and so costs nothing.
    assert errors.costs["double"].cost == 0


def test_what_each_cause_costs_on_paper():
    # Four cats. Best first: background, cat 1, a double of it, cat 2 named dog, cat 3 out of place,
    # cat 4 missed. Of cats, in order: wrong, right, wrong, wrong: precision 1/2 at recall 1/4.
    boxes = [[x, 0, x + 10, 10] for x in (0, 20, 40, 60)]
    detections = found(
        (NOWHERE, CAT, 0.9),
        (boxes[0], CAT, 0.8),
        (boxes[0], CAT, 0.7),
        (boxes[1], DOG, 0.6),
        ([40, 0, 50, 4], CAT, 0.5),
    )
    errors = errors_of((truth(*((box, CAT) for box in boxes)), detections))
    assert errors.base == pytest.approx(1 / 8)
    assert counts(errors) == {"class": 1, "place": 1, "double": 1, "background": 1, MISSED: 1}
    costs = {name: one.cost + errors.base for name, one in errors.costs.items()}
    assert costs == pytest.approx(
        {
            "background": 1 / 4,  # right, wrong, wrong
            "double": 1 / 8,  # wrong, right, wrong: it came after the last right one
            "place": (1 / 2 + 1 / 2) / 4,  # wrong, right, wrong, right
            "class": (1 / 2 + 1 / 2) / 4,  # wrong, right, wrong, right, wrong
            "both": 1 / 8,
            MISSED: (1 / 2) / 3,  # of three cats
        }
    )


def test_a_mended_detection_and_one_that_is_right_do_not_both_stay():
    # Out of place at 0.9 and right at 0.6: mended, the better one stays, and ranks before the cat
    # that is not there.
    detections = found((PART, CAT, 0.9), (NOWHERE, CAT, 0.8), (HERE, CAT, 0.6))
    errors = errors_of((truth((HERE, CAT)), detections))
    assert errors.base == pytest.approx(1 / 3)
    assert errors.costs["place"].cost == pytest.approx(1 - 1 / 3)


def test_a_wrong_class_costs_the_class_that_it_should_have_had():
    # One of two cats is called a dog, which is the only detection of a dog beside a right one.
    detections = found((HERE, DOG, 0.9), (THERE, CAT, 0.8), (NOWHERE, DOG, 0.7))
    errors = errors_of((truth((HERE, CAT), (THERE, CAT), (NOWHERE, DOG)), detections))
    # Cats: 1/2 found without mistake; dogs: wrong, right. Mended, all are right.
    assert errors.base == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert errors.costs["class"].cost == pytest.approx(1 / 2)


def test_difficult_objects_cause_no_error():
    # One detection finds the difficult cat, one misses its place, one its name.
    objects = truth((HERE, CAT, True), (NOWHERE, CAT))
    errors = errors_of((objects, found((HERE, CAT, 0.9), (PART, CAT, 0.8), (HERE, DOG, 0.7))))
    assert counts(errors) == {"place": 1, "class": 1, MISSED: 1}
    # Mended, they would find what does not count: it is as if they were taken away.
    assert errors.base == errors.costs["place"].cost == 0
    assert errors.missed.tolist() == [False, True]


def test_without_objects_or_without_detections():
    assert counts(errors_of((truth(), found((HERE, CAT, 0.9))))) == {"background": 1}
    errors = errors_of((truth((HERE, CAT)), found()))
    assert counts(errors) == {MISSED: 1}
    assert errors.base == 0
    assert errors_of().base == 0


def test_a_class_that_is_wholly_missed_costs_what_it_takes_from_the_mean():
    errors = errors_of((truth((HERE, CAT), (THERE, DOG)), found((HERE, CAT, 0.9))))
    assert (errors.base, errors.costs[MISSED].cost) == (1 / 2, 1 / 2)


def test_stored_detections_have_the_causes_that_the_authors_tool_finds(real_datasets):
    """Counts and costs of tidecv 1.0.1 on the same boxes, read as points of 101.

    Ours is the area under the curve, and a better detection may take the place of a right one, as
    the paper says; the tool drops it, which makes its "place" 6.14.
    """
    collection = stored_collection(real_datasets)
    outcome = match_tables(collection.found, collection.objects)
    errors = find_errors(collection, outcome)
    assert counts(errors) == {
        "class": 3,
        "place": 33,
        "both": 22,
        "double": 2,
        "background": 166,
        MISSED: 35,
    }
    assert errors.base == pytest.approx(0.6109, abs=1e-4)
    costs = {name: 100 * one.cost for name, one in errors.costs.items()}
    theirs = {"class": 2.46, "both": 4.62, "double": 0.0, "background": 10.91, MISSED: 7.58}
    for name, cost in theirs.items():
        assert costs[name] == pytest.approx(cost, abs=0.08), name
    assert costs["place"] == pytest.approx(6.57, abs=0.01)
