"""Which pictures are taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vision.download.choice.choosing import (
    apportion,
    covered_by_group,
    in_clean_pictures,
    limit_per_class,
    sample_pictures,
)


def columns(*contents):
    """Return pictures and classes of boxes, from a string of class digits for each picture."""
    pictures = [number for number, content in enumerate(contents) for _ in content]
    classes = [int(digit) for content in contents for digit in content]
    return np.array(pictures, np.int64), np.array(classes, np.int64)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_unwanted_box_takes_its_picture_out():
    pictures = np.array([0, 0, 1, 2, 2])
    unwanted = np.array([False, True, False, False, False])
    assert in_clean_pictures(pictures, unwanted).tolist() == [False, False, True, True, True]


def test_single_boxes_in_a_group_box_of_their_class_are_covered():
    boxes = np.array(
        [
            [0, 0, 10, 10],  # the group
            [1, 1, 3, 3],  # inside
            [9, 0, 11, 10],  # half outside
            [1, 1, 3, 3],  # inside, of another class
            [1, 1, 3, 3],  # at its place in another picture
            [0, 0, 10, 11],  # 10/11 inside, more than 90 %
            [0, 0, 10, 12],  # 10/12 inside
            [2, 2, 4, 4],  # a group inside a group
        ],
        float,
    )
    pictures = np.array([0, 0, 0, 0, 1, 0, 0, 0])
    classes = np.array([0, 0, 0, 1, 0, 0, 0, 0])
    groups = np.array([True, False, False, False, False, False, False, True])
    covered = covered_by_group(pictures, classes, groups, boxes)
    assert np.flatnonzero(covered).tolist() == [1, 5]


def test_nothing_is_covered_where_there_is_nothing():
    none = np.empty(0, np.int64)
    assert covered_by_group(none, none, none.astype(bool), np.empty((0, 4))).tolist() == []
    pictures, classes = columns("00")
    boxes = np.zeros((2, 4))
    for group in (False, True):
        groups = np.full(2, group)
        assert not covered_by_group(pictures, classes, groups, boxes).any()


def test_the_limit_is_kept_and_the_rare_class_loses_nothing():
    # Class 1 is rare; each of its pictures holds three of class 0 too.
    pictures, classes = columns(*["0001"] * 3, *["0"] * 50)
    chosen = limit_per_class(pictures, classes, 10, rng())
    counts = np.bincount(classes[chosen[pictures]])
    assert counts.tolist() == [10, 3]
    assert chosen[:3].all()


def test_a_picture_with_too_many_boxes_is_left_out():
    pictures, classes = columns("00000", "0", "0")
    assert limit_per_class(pictures, classes, 2, rng()).tolist() == [False, True, True]


def test_no_limit_takes_all():
    pictures, classes = columns("01", "1")
    assert limit_per_class(pictures, classes, 2, rng()).tolist() == [True, True]
    none = np.empty(0, np.int64)
    assert limit_per_class(none, none, 2, rng()).tolist() == []


@settings(max_examples=50, deadline=None)
@given(
    contents=st.lists(st.text("01234", max_size=6), max_size=60),
    most=st.integers(1, 12),
    seed=st.integers(0, 9),
)
def test_no_class_exceeds_the_limit_and_no_picture_that_fits_is_left(contents, most, seed):
    pictures, classes = columns(*contents)
    chosen = limit_per_class(pictures, classes, most, rng(seed))
    counts = np.bincount(classes[chosen[pictures]], minlength=5)
    assert (counts <= most).all()
    for picture in np.unique(pictures):
        inside = np.bincount(classes[pictures == picture], minlength=5)
        assert chosen[picture] or (counts + inside > most).any()


def test_a_sample_keeps_the_proportions_of_splits_and_classes():
    contents = ["0"] * 600 + ["1"] * 300 + ["01"] * 60 + ["2"] * 40
    pictures, classes = columns(*contents * 2)
    splits = np.repeat([0, 1], 1000)
    chosen = sample_pictures(pictures, classes, splits, 200, rng())
    for split in (0, 1):
        part = chosen & (splits == split)
        assert part.sum() == 100
        counts = np.bincount(classes[part[pictures]])
        np.testing.assert_allclose(counts, [66, 36, 4], atol=1)


def test_the_seed_decides():
    pictures, classes = columns(*["0", "01"] * 100)
    splits = np.zeros(200, np.int64)
    first, again, other = (
        sample_pictures(pictures, classes, splits, 50, rng(seed)) for seed in (1, 1, 2)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_a_sample_of_all_or_more_is_all():
    pictures, classes = columns("0", "", "1")
    splits = np.zeros(3, np.int64)
    for count in (2, 5):
        chosen = sample_pictures(pictures, classes, splits, count, rng())
        assert chosen.tolist() == [True, False, True]
    none = np.empty(0, np.int64)
    assert sample_pictures(none, none, splits, 5, rng()).tolist() == []


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 50), min_size=1, max_size=3), data=st.data())
def test_a_sample_has_the_size_asked_for(sizes, data):
    count = data.draw(st.integers(1, sum(sizes)))
    splits = np.repeat(np.arange(len(sizes)), sizes)
    pictures, classes = columns(*(str(number % 7) for number in range(sum(sizes))))
    chosen = sample_pictures(pictures, classes, splits, count, rng())
    assert chosen.sum() == count
    if count >= len(sizes):
        assert (np.bincount(splits[chosen], minlength=len(sizes)) >= 1).all()


@pytest.mark.parametrize(
    ("count", "sizes", "shares"),
    [
        (10, [50, 30, 20], [5, 3, 2]),
        (10, [98, 1, 1], [8, 1, 1]),
        (2, [98, 1, 1], [2, 0, 0]),
        (3, [0, 5, 5], [0, 2, 1]),
        (0, [5, 5], [0, 0]),
    ],
)
def test_apportion(count, sizes, shares):
    assert apportion(count, np.array(sizes)).tolist() == shares
