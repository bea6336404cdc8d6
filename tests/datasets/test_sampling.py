from __future__ import annotations

import numpy as np
import pytest

from tests.datasets.indexes import make_index
from vision.datasets.sampling import balance, repeat_rare, spread_over_classes


def test_balance_draws_down_to_the_rarest_class():
    index = make_index(*[["cat"]] * 20, *[["dog", "dog"]] * 4, *[[]] * 9)
    balanced = balance(index, seed=0)
    assert balanced.boxes_per_class() == {"cat": 4, "dog": 8}
    assert balanced.num_negatives == 4
    assert list(balanced.image_ids) == list(balance(index, seed=0).image_ids)
    assert list(balanced.image_ids) != list(balance(index, seed=1).image_ids)


def test_balance_passes_over_classes_without_objects():
    index = make_index(["cat"], ["cat"], ["dog"]).with_classes(["BACKGROUND", "cat", "cow", "dog"])
    assert balance(index).boxes_per_class() == {"cat": 1, "cow": 0, "dog": 1}


def test_balance_of_nothing_is_nothing():
    assert len(balance(make_index())) == 0
    assert len(balance(make_index([], []))) == 2


def test_rare_classes_are_repeated_by_the_root_of_their_rarity():
    index = make_index(*[["cat"]] * 150, *[["dog", "dog"]] * 6, *[[]] * 9)
    repeated = repeat_rare(index, seed=0)  # the classes are on 78 pictures on average
    counts = repeated.boxes_per_class()
    assert counts["cat"] == 150
    assert counts["dog"] / 2 == pytest.approx(6 * (78 / 6) ** 0.5, abs=1.5)
    assert repeated.num_negatives == 9
    assert list(repeated.image_ids) == list(repeat_rare(index, seed=0).image_ids)


def test_a_picture_with_a_common_class_too_counts_as_rare():
    index = make_index(*[["cat"]] * 98, ["cat", "dog"], ["dog"])
    ids = list(repeat_rare(index).image_ids)
    assert min(ids.count("98"), ids.count("99")) >= 4  # the root of 50.5 / 2 is 5.02
    assert len(ids) == pytest.approx(98 + 2 * 5.02, abs=1)


def test_nothing_is_repeated_where_classes_are_even_or_absent():
    even = make_index(["cat"], ["dog"], [])
    assert list(repeat_rare(even).image_ids) == ["0", "1", "2"]
    assert len(repeat_rare(make_index())) == 0
    assert len(repeat_rare(make_index([], []))) == 2


@pytest.mark.parametrize("count", [1, 3, 4, 7, 100])
def test_pictures_of_all_classes(count):
    # As the drawn fruit lies: all pictures of the first class come first.
    labels = [1] * 40 + [2] * 3 + [3] * 2
    rows = spread_over_classes(make_index(*([str(label)] for label in labels), *[[]] * 5), count)
    assert len(rows) == len(set(rows.tolist())) == min(count, 50)
    assert (np.diff(rows) > 0).all()
    shown = [labels[row] for row in rows if row < len(labels)]
    assert len(set(shown)) == min(count, 3)
    if count == 7:
        assert [shown.count(label) for label in (1, 2, 3)] == [3, 2, 2]


def test_an_index_without_objects_or_pictures_still_gives_what_it_has():
    assert spread_over_classes(make_index([], []), 4).tolist() == [0, 1]
    assert spread_over_classes(make_index(), 4).tolist() == []
