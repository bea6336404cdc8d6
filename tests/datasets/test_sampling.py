from __future__ import annotations

import pytest

from vision.datasets.index.builder import IndexBuilder
from vision.datasets.sampling import EpochSampler, balance, repeat_rare


def rows(sampler):
    return [row for _, row in sampler]


def test_every_picture_once_an_epoch_in_an_order_of_its_own():
    sampler = EpochSampler(10, seed=3)
    first = list(sampler)
    assert sorted(first) == [(0, row) for row in range(10)]
    assert list(sampler) == first
    sampler.set_epoch(1)
    second = list(sampler)
    assert {epoch for epoch, _ in second} == {1}
    assert [row for _, row in second] != [row for _, row in first]
    assert rows(EpochSampler(10, seed=4)) != [row for _, row in first]


def test_without_shuffling_the_order_is_the_index():
    assert list(EpochSampler(3, shuffle=False)) == [(0, 0), (0, 1), (0, 2)]


@pytest.mark.parametrize(("length", "world_size"), [(10, 3), (10, 2), (2, 4), (1, 1), (0, 3)])
def test_processes_share_the_work(length, world_size):
    samplers = [
        EpochSampler(length, 0, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    shares = [rows(sampler) for sampler in samplers]
    assert len({len(share) for share in shares}) == 1
    in_turn = [row for turn in zip(*shares) for row in turn]
    assert sorted(in_turn[:length]) == list(range(length))
    assert in_turn[length:] == in_turn[: len(in_turn) - length]
    assert [len(sampler) for sampler in samplers] == [len(share) for share in shares]


def test_a_run_goes_on_amid_an_epoch():
    sampler = EpochSampler(10, seed=1)
    sampler.set_epoch(5)
    whole = list(sampler)
    sampler.start_at(4)
    assert list(sampler) == whole[4:]
    assert len(sampler) == 6
    sampler.start_at(12)
    assert (list(sampler), len(sampler)) == ([], 0)
    sampler.set_epoch(6)
    assert len(sampler) == 10


def test_a_rank_outside_the_world_is_refused():
    with pytest.raises(ValueError, match="rank must be 0 to 1, got 2"):
        EpochSampler(10, rank=2, world_size=2)


def make_index(*names_by_picture):
    builder = IndexBuilder()
    for number, names in enumerate(names_by_picture):
        builder.add(str(number), f"{number}.jpg", [(0, 0, 9, 9)] * len(names), names)
    return builder.build()


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
