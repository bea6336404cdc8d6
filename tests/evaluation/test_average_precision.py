from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NAMES, NOWHERE, THERE, found, truth
from vision.evaluation.average_precision import average_precision, mean_average_precision
from vision.structures import Sample


@pytest.mark.parametrize("number", range(3))
def test_golden_vectors(golden, number):
    vectors = golden("core.npz")
    ranked, objects = vectors[f"ap{number}_true_positive"], int(vectors[f"ap{number}_num_objects"])
    assert average_precision(ranked, objects) == pytest.approx(vectors[f"ap{number}_voc2007"], 1e-9)
    assert average_precision(ranked, objects, False) == pytest.approx(
        vectors[f"ap{number}_area"], 1e-9
    )


def test_average_precision_on_paper():
    # Four objects. Recall after each is 1/4, 1/4, 2/4, 2/4; precision is 1, 1/2, 2/3, 1/2.
    ranked = [True, False, True, False]
    # Points 0, 0.1, 0.2 have precision 1; 0.3, 0.4, 0.5 have 2/3; the others 0.
    assert average_precision(ranked, 4) == pytest.approx((3 * 1 + 3 * 2 / 3) / 11)
    assert average_precision(ranked, 4, False) == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3)


def test_later_precision_counts_for_earlier_recall():
    # Precision 0, 1/2, 2/3, 3/4, all of 3 found: the best from any point on is 3/4.
    ranked = [False, True, True, True]
    assert average_precision(ranked, 3) == pytest.approx(3 / 4)
    assert average_precision(ranked, 3, False) == pytest.approx(3 / 4)


@pytest.mark.parametrize(("count", "points"), [(1, 2), (3, 4), (6, 7), (7, 8), (10, 11)])
def test_a_recall_of_tenths_reaches_its_point(count, points):
    assert average_precision([True] * count, 10) == pytest.approx(points / 11)


@pytest.mark.parametrize("use_2007_metric", [True, False])
def test_extremes(use_2007_metric):
    assert average_precision([], 3, use_2007_metric) == 0
    assert average_precision([False] * 5, 3, use_2007_metric) == 0
    assert average_precision([True] * 3, 3, use_2007_metric) == pytest.approx(1)
    with pytest.raises(ValueError, match="got 0 objects"):
        average_precision([False], 0, use_2007_metric)


def test_two_classes_on_two_pictures():
    detections = [
        found((HERE, 1, 0.9), (THERE, 2, 0.8), (NOWHERE, 1, 0.7)),
        found((HERE, 1, 0.6)),
    ]
    truths = [truth((HERE, 1), (THERE, 2)), truth((HERE, 1), (THERE, 2))]
    result = mean_average_precision(detections, truths, NAMES[:3], use_2007_metric=False)
    cat, dog = result.classes
    # Cat: 0.9 hit, 0.7 miss, 0.6 hit of 2 objects; dog: hit of 2.
    assert (cat.name, cat.ground_truths, cat.true_positives, cat.false_positives) == (
        "cat",
        2,
        2,
        1,
    )
    assert cat.average_precision == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert (dog.name, dog.ground_truths, dog.true_positives, dog.false_positives) == (
        "dog",
        2,
        1,
        0,
    )
    assert dog.average_precision == pytest.approx(1 / 2)
    assert result.mean == pytest.approx((5 / 6 + 1 / 2) / 2)


def test_pictures_are_ranked_together():
    # One picture at a time the first would be precise; over all, the wrong one of 0.9 leads.
    detections = [found((HERE, 1, 0.5)), found((NOWHERE, 1, 0.9))]
    result = mean_average_precision(detections, [truth((HERE, 1)), truth()], NAMES[:2])
    assert result.mean == pytest.approx(1 / 2)


def test_difficult_objects_count_neither_way():
    truths = [truth((HERE, 1, True), (THERE, 1))]
    # Both of those that find the difficult one are left out; one that finds nothing is not.
    detections = [found((HERE, 1, 0.9), (HERE, 1, 0.8), (THERE, 1, 0.7), (NOWHERE, 1, 0.6))]
    cat = mean_average_precision(detections, truths, NAMES[:2]).classes[0]
    assert (cat.ground_truths, cat.true_positives, cat.false_positives) == (1, 1, 1)
    assert cat.average_precision == pytest.approx(1)


def test_a_class_without_objects_stays_out_of_the_mean():
    detections = [found((HERE, 1, 0.9), (NOWHERE, 3, 0.8))]
    truths = [truth((HERE, 1), (THERE, 2, True))]
    result = mean_average_precision(detections, truths, NAMES)
    cat, dog, emu = result.classes
    assert (dog.average_precision, emu.average_precision) == (None, None)
    assert (dog.ground_truths, emu.ground_truths) == (0, 0)
    assert emu.false_positives == 1
    assert result.mean == cat.average_precision == pytest.approx(1)


def test_a_class_that_is_never_found_counts_as_zero():
    result = mean_average_precision([found((HERE, 1, 0.9))], [truth((HERE, 1), (THERE, 2))], NAMES)
    assert [one.average_precision for one in result.classes] == [pytest.approx(1), 0, None]
    assert result.mean == pytest.approx(1 / 2)


def test_empty_cases():
    result = mean_average_precision([found()], [truth((HERE, 1))], NAMES)
    assert result.mean == 0
    for detections, truths in (
        ([found()], [truth()]),
        ([found((HERE, 1, 0.9))], [truth()]),
        ([], []),
    ):
        result = mean_average_precision(detections, truths, NAMES)
        assert result.mean is None
        assert all(one.average_precision is None for one in result.classes)


def test_a_sample_may_stand_for_the_truth():
    image = np.zeros((20, 40, 3), np.uint8)
    objects = truth((HERE, 1))
    sample = Sample(image, objects.boxes, objects.labels, objects.difficult, "drawn")
    assert mean_average_precision([found((HERE, 1, 0.9))], [sample], NAMES).mean == 1


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="got 1 and 2"):
        mean_average_precision([found()], [truth(), truth()], NAMES)
    with pytest.raises(ValueError, match="number of classes, 2, got 3"):
        mean_average_precision([found()], [truth((HERE, 3))], NAMES[:2])
