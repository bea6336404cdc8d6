from __future__ import annotations

import pytest

from vision.loading.sampler import EpochSampler


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
