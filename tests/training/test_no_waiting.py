"""On a GPU a step gives its work away and goes on: nothing in it may read what was computed.

Without a GPU the operators tell: those that read a value, and those whose result has a shape that
depends on values, would each wait for the device.
"""

from __future__ import annotations

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tiny import drawn_batches, tiny_training
from vision.ssd.matching import match_priors
from vision.training.assignment import ASSIGNMENTS
from vision.training.bad_batches import BadBatches
from vision.training.compute.engine import Engine
from vision.training.compute.mixed_precision import Precision
from vision.training.model_folder.state import Progress
from vision.training.steps import LossMeter, train_step
from vision.utils import device

WAITING = ("_local_scalar_dense", "item", "nonzero", "masked_select", "unique", "is_nonzero")
BY_VALUES = ("index.Tensor", "index_put", "repeat_interleave.Tensor", "bincount", "equal.default")


class WaitingError(AssertionError):
    """An operator that would wait for a GPU."""


class NoWaiting(TorchDispatchMode):
    """Refuses what a GPU would have to be waited for."""

    # Of a tensor on the CPU these read the memory without any operator.
    methods = ("tolist", "numpy", "cpu", "item")

    def __enter__(self):
        self.patch = pytest.MonkeyPatch()
        for name in self.methods:
            self.patch.setattr(torch.Tensor, name, self.refuse)
        return super().__enter__()

    def __exit__(self, *exception):
        self.patch.undo()
        return super().__exit__(*exception)

    @staticmethod
    def refuse(*arguments):
        raise WaitingError("a tensor is read")

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = str(func)
        if any(f".{one}" in f".{name}" for one in (*WAITING, *BY_VALUES)):
            raise WaitingError(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Let the code believe that reading a value takes time."""
    monkeypatch.setattr(device, "READ_AT_ONCE", frozenset())


def test_the_guard_refuses_what_waits():
    values = torch.tensor([1.0, 0.0])
    with NoWaiting():
        for wait in (
            lambda: bool(values.any()),
            lambda: values[0].item(),
            lambda: values.nonzero(),
            lambda: values[values > 0],
            lambda: values.tolist(),
            lambda: values.numpy(),
            lambda: values.cpu(),
        ):
            with pytest.raises(WaitingError):
                wait()


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_an_epoch_never_waits(as_on_a_gpu, tmp_path, optimizer, assignment):
    batches = drawn_batches(4, negatives=1)
    training = tiny_training(optimizer=optimizer)
    training.assignment = assignment
    training.engine = Engine(part_size=2)
    if not training.optimizer.defaults.get("fused"):
        pytest.skip("this torch has no fused optimizer for a CPU, only for a GPU")
    training.net.train()
    meter, recent = LossMeter(training.device), LossMeter(training.device)
    bad = BadBatches(tmp_path, ["BACKGROUND", "red", "green", "blue"], 10, Progress())
    with NoWaiting():
        for step, batch in enumerate(batches, start=1):
            result = train_step(training, batch)
            meter.add(result)
            recent.add(result)
            bad.watch(training, batch, result, 0, step)
    assert meter.count == 4 and meter.average().total > 0
    assert meter.average() == recent.average()


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_half_precision_never_waits(as_on_a_gpu, assignment):
    training = tiny_training()
    training.assignment = assignment
    training.engine = Engine(Precision(torch.bfloat16, "cpu"))
    training.net.train()
    with NoWaiting():
        train_step(training, drawn_batches(1)[0])


def test_the_step_that_never_waits_is_the_same_step(monkeypatch):
    """Bit for bit, also where a batch in the middle is skipped."""
    results = []
    for at_once in (frozenset({"cpu"}), frozenset()):
        monkeypatch.setattr(device, "READ_AT_ONCE", at_once)
        batches = drawn_batches(3)
        batches[1].boxes[0, 0] = float("nan")
        training = tiny_training()
        training.net.train()
        values = [train_step(training, batch) for batch in batches]
        results.append((values, training.net.state_dict(), training.average.net.state_dict()))
    (one, net, average), (other, other_net, other_average) = results
    assert [value[2].item() for value in one] == [0, 1, 0]
    assert all(map(torch.equal, one, other))
    for name, tensor in net.items():
        assert torch.equal(tensor, other_net[name]), name
    for name, tensor in average.items():
        assert torch.equal(tensor, other_average[name]), name


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_bad_batches_are_read_some_steps_later(as_on_a_gpu, tmp_path, caplog, assignment):
    batches = drawn_batches(3)
    batches[1].boxes[2, 0] = float("nan")
    training, progress = tiny_training(), Progress()
    training.assignment = assignment
    training.net.train()
    bad = BadBatches(tmp_path, ["BACKGROUND", "red", "green", "blue"], 10, progress)
    for step, batch in enumerate(batches, start=1):
        bad.watch(training, batch, train_step(training, batch), 3, step)
    assert progress.bad_batches == 0
    bad.read(training)
    assert progress.bad_batches == 1
    assert "Epoch: 3, Step: 2: the loss is not finite, so the step is skipped; because of " in (
        caplog.text
    )
    assert batches[1].image_ids[2] in caplog.text


@pytest.mark.parametrize("seed", range(5))
def test_all_rounds_match_as_the_needed_rounds_do(monkeypatch, seed):
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(2, 12, 2, generator=generator) * 0.2  # a crowd in one place
    boxes = torch.cat([corners, corners + 0.05], dim=2)
    labels = torch.randint(0, 3, (2, 12), generator=generator)
    places = torch.cartesian_prod(torch.arange(8) / 8, torch.arange(8) / 8)
    priors = torch.cat([places, torch.full((64, 2), 0.2)], dim=1)
    expected = match_priors(boxes, labels, priors)
    monkeypatch.setattr(device, "READ_AT_ONCE", frozenset())
    with NoWaiting():
        found = match_priors(boxes, labels, priors)
    assert all(map(torch.equal, expected, found))
