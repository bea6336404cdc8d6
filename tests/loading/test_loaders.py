from __future__ import annotations

import gc
import multiprocessing

import pytest
import torch

from tests.drawing import write_voc
from vision.datasets.opening import open_split
from vision.loading.loaders import EpochLoader, LoaderOptions
from vision.transforms import EvalTransform, TrainTransform

CPU = torch.device("cpu")


@pytest.fixture
def pictures(tmp_path):
    """Return a function that gives an index of so many pictures."""
    write_voc(tmp_path, {"test": 8})
    index = open_split(tmp_path)

    def first(count):
        return index.select(range(count))

    return first


def batch_sizes(index, batch_size, shuffle):
    loader = EpochLoader(index, EvalTransform(32), LoaderOptions(batch_size, 0, CPU), shuffle)
    sizes = [len(batch.images) for batch in loader]
    assert len(loader) == len(sizes)
    return sizes


@pytest.mark.parametrize(
    ("count", "batch_size", "expected"),
    [(4, 2, [2, 2]), (5, 3, [3, 2]), (5, 2, [2, 2]), (1, 2, [1]), (3, 1, [1, 1, 1]), (3, 9, [3])],
)
def test_only_a_single_picture_at_the_end_is_left_out(pictures, count, batch_size, expected):
    assert batch_sizes(pictures(count), batch_size, shuffle=True) == expected


def test_nothing_is_left_out_of_a_validation(pictures):
    assert batch_sizes(pictures(5), 2, shuffle=False) == [2, 2, 1]


def test_batches_are_what_the_loop_takes(pictures):
    loader = EpochLoader(
        pictures(3), TrainTransform(32), LoaderOptions(3, 0, CPU, seed=1), shuffle=True
    )
    (batch,) = loader
    assert (batch.images.shape, batch.images.dtype) == ((3, 3, 32, 32), torch.uint8)
    assert batch.boxes.shape == (*batch.labels.shape, 4)
    assert batch.boxes.min() >= 0
    assert batch.boxes.max() <= 1
    assert loader.dataset.class_names == ["BACKGROUND", "red", "green", "blue"]


def test_the_order_follows_from_seed_and_epoch(pictures):
    def order(seed, epoch):
        loader = EpochLoader(pictures(6), EvalTransform(32), LoaderOptions(6, 0, CPU, seed), True)
        return [image_id for batch in loader.epoch(epoch) for image_id in batch.image_ids]

    assert order(0, 0) == order(0, 0)
    assert len({tuple(order(seed, epoch)) for seed in (0, 1) for epoch in (0, 1)}) == 4
    assert sorted(order(0, 0)) == sorted(order(1, 1))


def test_memory_is_pinned_for_a_gpu_only(pictures):
    index = pictures(2)
    for device, pinned in ((CPU, False), (torch.device("cuda:0"), True)):
        loader = EpochLoader(index, EvalTransform(32), LoaderOptions(2, 0, device))
        assert loader.data_loader.pin_memory == pinned


def test_workers_live_on_between_the_epochs_of_a_training(pictures):
    index = pictures(2)
    for shuffle in (True, False):
        loader = EpochLoader(index, EvalTransform(32), LoaderOptions(2, 2, CPU), shuffle)
        assert loader.data_loader.persistent_workers == shuffle
        assert loader.data_loader.num_workers == 2


def test_a_loader_that_is_nobodys_any_more_ends_its_workers_without_the_garbage_collector(pictures):
    """The collector breaks their queues first, and then waits five seconds for each worker."""
    before = set(multiprocessing.active_children())
    loader = EpochLoader(pictures(4), EvalTransform(32), LoaderOptions(2, 2, CPU), shuffle=True)
    gc.disable()
    try:
        assert len(list(loader.epoch(0))) == len(list(loader.epoch(1, position=1))) + 1 == 2
        workers = set(multiprocessing.active_children()) - before
        assert len(workers) == 2
        del loader
        assert [worker.exitcode for worker in workers] == [0, 0]
    finally:
        gc.enable()


def test_any_epoch_from_any_position(pictures):
    loader = EpochLoader(pictures(6), TrainTransform(32), LoaderOptions(2, 0, CPU), shuffle=True)
    whole = list(loader.epoch(3))
    late = list(loader.epoch(3, position=1))
    assert len(loader) == len(whole) == 3
    assert [batch.image_ids for batch in late] == [batch.image_ids for batch in whole[1:]]
    assert all(torch.equal(one.images, two.images) for one, two in zip(late, whole[1:]))
    assert [batch.image_ids for batch in loader] != [batch.image_ids for batch in whole]
    assert len(loader) == 3
    assert len(loader.sample_batch(4).images) == 4


def test_processes_that_train_together_share_every_batch(pictures):
    """Two processes of batch 2 see in each step what one of batch 4 sees."""

    def steps(batch_size, rank=0, world_size=1):
        options = LoaderOptions(batch_size, 0, CPU, 7, rank, world_size)
        loader = EpochLoader(pictures(8), EvalTransform(32), options, shuffle=True)
        return [batch.image_ids for batch in loader.epoch(2)]

    shares = zip(steps(2, 0, 2), steps(2, 1, 2))
    assert [set(a + b) for a, b in shares] == [set(whole) for whole in steps(4)]
