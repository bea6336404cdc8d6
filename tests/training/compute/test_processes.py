"""Two processes that train together, over gloo on the CPU, against one."""

from __future__ import annotations

import pytest
import torch
from torch import distributed, multiprocessing

from tests.drawing import CLASS_NAMES
from tests.tiny import drawn_batches, tiny_net, tiny_training
from vision.training.assignment import ByOverlap, ByPrediction
from vision.training.compute import processes
from vision.training.compute.engine import Engine
from vision.training.steps import train_step
from vision.training.validation import validate

pytestmark = pytest.mark.skipif(not distributed.is_available(), reason="torch is built without it")

CPU = torch.device("cpu")
STEPS, PICTURES = 4, 15


def share(batch, rank, size):
    """Return every `size`-th picture of a batch, as the sampler gives it out."""
    return type(batch)(*(None if one is None else one[rank::size] for one in batch))


def train(part_size=None, assignment=ByOverlap):
    """Take some steps and validate; return the losses, the weights and the validation.

    Batch norm keeps its statistics: those of half the pictures are others.
    """
    torch.set_num_threads(1)
    rank, size = processes.process_rank(), processes.process_count()
    training = tiny_training(optimizer="sgd")
    training.engine = Engine(part_size=part_size)
    training.assignment = assignment
    training.engine.model = processes.wrap(training.net)
    training.net.eval()
    losses = [
        train_step(training, share(batch, rank, size)).tolist()
        for batch in drawn_batches(STEPS, size=8, negatives=5)
    ]
    shares = [share(batch, rank, size) for batch in drawn_batches(2, size=8, seed=9)]
    validation = validate(training, shares, CLASS_NAMES, PICTURES)
    return torch.tensor(losses), dict(training.net.state_dict()), validation


def exchange():
    """Return what every kind of exchange gives this process."""
    rank = processes.process_rank()
    return {
        "sum": processes.sum_over_processes(torch.tensor([rank + 1])).item(),
        "any": [processes.any_process(flag, CPU) for flag in (False, rank == 1)],
        "gather": processes.gather_values("ab"[rank]),
        "interleave": processes.interleave([rank, rank + 10], 3),
        "from_main": processes.from_main(f"from {rank}"),
    }


def refused_sync():
    try:
        processes.wrap(tiny_net(), sync_batch_norm=True)
    except ValueError as error:
        return str(error)


def in_process(rank, path, results):
    distributed.init_process_group("gloo", init_method=f"file://{path}", rank=rank, world_size=2)
    try:
        aligned = train(part_size=2, assignment=ByPrediction)
        results[rank] = exchange(), train(), train(part_size=2), refused_sync(), aligned
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What each of two processes has exchanged and learnt."""
    with multiprocessing.Manager() as manager:
        results = manager.dict()
        multiprocessing.spawn(
            in_process, (tmp_path_factory.mktemp("world") / "meeting", results), nprocs=2
        )
        return [results[0], results[1]]


def assert_same(result, expected):
    losses, weights, validation = result
    torch.testing.assert_close(losses, expected[0], rtol=1e-4, atol=1e-5)
    for name, value in expected[1].items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4, msg=name)
    assert validation.losses.total == pytest.approx(expected[2].losses.total, rel=1e-4)
    assert validation.precision.mean == pytest.approx(expected[2].precision.mean, abs=1e-6)
    for one, other in zip(validation.precision.classes, expected[2].precision.classes):
        assert one.ground_truths == other.ground_truths


@pytest.mark.slow
def test_two_processes_are_one_with_the_doubled_batch(two):
    """Losses, weights and mAP, of 15 pictures of 16 that are shared."""
    alone = train()
    for process in two:
        assert_same(process[1], alone)
    assert two[0][1][2].precision == two[1][1][2].precision


@pytest.mark.slow
def test_so_they_are_with_batches_in_parts(two):
    alone = train()
    for process in two:
        assert_same(process[2], alone)


@pytest.mark.slow
def test_so_they_are_where_predictions_decide_what_is_learnt(two):
    alone = train(assignment=ByPrediction)
    for process in two:
        assert_same(process[4], alone)


@pytest.mark.slow
def test_what_processes_exchange(two):
    for process in two:
        assert process[0] == {
            "sum": 3,
            "any": [False, True],
            "gather": ["a", "b"],
            "interleave": [0, 1, 10],
            "from_main": "from 0",
        }


@pytest.mark.slow
def test_batch_norm_is_synchronised_on_gpus_only(two):
    assert two[0][3] == "--sync-bn needs GPUs; leave it out to train on CPUs"


def test_a_process_alone_gives_itself_what_it_has(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with processes.joined_processes(use_cuda=False), processes.main_first():
        assert processes.is_main() and processes.process_count() == 1
        assert exchange() == {
            "sum": 1,
            "any": [False, False],
            "gather": ["a"],
            "interleave": [0, 10],
            "from_main": "from 0",
        }
        net = tiny_net()
        assert processes.wrap(net, sync_batch_norm=True) is net
