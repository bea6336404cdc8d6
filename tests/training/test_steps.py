from __future__ import annotations

import json
import math

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, SIDE, drawn_batches, tiny_net, tiny_training, train_on
from vision.ssd import create_net
from vision.training.assignment import ASSIGNMENTS
from vision.training.bad_batches import BadBatches, DivergedError, guilty_pictures
from vision.training.compute.engine import Engine, is_out_of_memory, least_batch, make_engine
from vision.training.compute.mixed_precision import Precision, choose_precision
from vision.training.model_folder.state import Progress
from vision.training.steps import BatchNormStatistics, train_step
from vision.utils import device

CPU = torch.device("cpu")


def sizes(pictures, part_size, least=1):
    parts = Engine(part_size=part_size, least_part=least).parts(pictures)
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert (parts[0].start, parts[-1].stop) == (0, pictures)
    return [part.stop - part.start for part in parts]


def test_a_batch_is_cut_into_parts_of_nearly_one_size():
    assert sizes(8, None) == [8]
    assert sizes(8, 8) == sizes(8, 99) == [8]
    assert sizes(8, 4) == [4, 4]
    assert sizes(8, 3) == [2, 3, 3]
    assert sizes(3, 1) == [1, 1, 1]
    assert sizes(5, 2, least=2) == [2, 3]  # rather one too many than one alone
    assert sizes(1, 2, least=2) == [1]


def frozen_statistics(net):
    """Batch norm with the statistics that it has, so that a picture does not see the others."""
    return net.eval()


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
@pytest.mark.parametrize("part_size", [1, 2, 3])
def test_parts_add_up_to_the_gradients_of_the_whole(part_size, assignment):
    (batch,) = drawn_batches(1, negatives=1)
    whole, parted = tiny_training(optimizer="sgd"), tiny_training(optimizer="sgd")
    parted.engine = Engine(part_size=part_size)
    for training in (whole, parted):
        frozen_statistics(training.net)
        training.assignment = assignment
    torch.testing.assert_close(train_step(whole, batch), train_step(parted, batch))
    for one, other in zip(whole.net.parameters(), parted.net.parameters()):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
@pytest.mark.parametrize("at_once", [frozenset({"cpu"}), frozenset()], ids=["cpu", "gpu"])
def test_empty_room_in_a_batch_changes_no_bit(monkeypatch, at_once, assignment):
    """Batches have room for 4, 6, 8 objects and so on: which one, a step must not show."""
    monkeypatch.setattr(device, "READ_AT_ONCE", at_once)
    (batch,) = drawn_batches(1, negatives=1)
    room = torch.nn.functional.pad
    wider = batch._replace(
        boxes=room(batch.boxes, (0, 0, 0, 7)),
        labels=room(batch.labels, (0, 7)),
        difficult=room(batch.difficult, (0, 7)),
    )
    tight, wide = tiny_training(), tiny_training()
    for training in (tight, wide):
        training.net.train()
        training.assignment = assignment
    assert torch.equal(train_step(tight, batch), train_step(wide, wider))
    expected, found = state_of(tight), state_of(wide)
    for name, tensor in expected.items():
        assert torch.equal(tensor, found[name]), name


class Overflowing(torch.nn.Module):
    """Answers nan to pictures that are all black, and to any if `always`."""

    def __init__(self, net, always=False):
        super().__init__()
        self.net, self.always = net, always

    def forward(self, images):
        logits, locations = self.net.__class__.forward(self.net, images)
        black = (images.amax(dim=(1, 2, 3)) < -0.99) | self.always
        return torch.where(black[:, None, None], torch.nan, logits), locations


def with_overflow(training, always=False):
    training.net.forward = Overflowing(training.net, always).forward
    return training


def state_of(training):
    values = dict(training.net.state_dict())
    values.update({f"average {name}": t for name, t in training.average.net.state_dict().items()})
    return {name: tensor.clone() for name, tensor in values.items()}


def test_a_step_without_a_finite_loss_changes_nothing():
    good, bad = drawn_batches(2)
    training = with_overflow(tiny_training())
    train_step(training, good)
    before = state_of(training)
    moments = [state["exp_avg"].clone() for state in training.optimizer.state.values()]
    bad.images[2] = 0
    training.net.train()
    assert not training.is_lost
    assert train_step(training, bad).tolist() == [0, 0, 1]
    assert training.is_lost
    assert training.step == 2 and training.average.steps == 1
    assert all(torch.equal(before[name], tensor) for name, tensor in state_of(training).items())
    after = [state["exp_avg"] for state in training.optimizer.state.values()]
    assert all(map(torch.equal, moments, after))
    assert guilty_pictures(training, bad) == [2]
    assert training.net.training


def test_gradients_that_are_not_finite_skip_the_step_too():
    (batch,) = drawn_batches(1)
    training = tiny_training()
    before = state_of(training)
    training.net.extras[0].register_full_backward_hook(
        lambda module, inputs, outputs: tuple(value * math.inf for value in inputs)
    )
    training.net.train()
    assert train_step(training, batch).tolist() == [0, 0, 1]
    assert all(torch.equal(before[name], tensor) for name, tensor in state_of(training).items())


def test_bad_batches_are_named_written_down_and_end_the_run(tmp_path, caplog):
    batches = drawn_batches(3)
    batches[1].images[3] = 0
    training = with_overflow(tiny_training())
    progress = Progress()
    bad = BadBatches(tmp_path, CLASS_NAMES, 2, progress)
    training.net.train()
    for step, batch in enumerate(batches, start=1):
        bad.watch(training, batch, train_step(training, batch), 5, step)
    assert progress.bad_batches == 1
    guilty = batches[1].image_ids[3]
    assert (
        f"Epoch: 5, Step: 2: the loss is not finite, so the step is skipped; because of {guilty}"
        in (caplog.text)
    )
    (line,) = (tmp_path / "bad_batches.jsonl").read_text().splitlines()
    line = json.loads(line)
    assert [picture["guilty"] for picture in line["pictures"]] == [False, False, False, True]
    count = int((batches[1].labels[3] > 0).sum())
    assert line["pictures"][3]["boxes"] == batches[1].boxes[3][:count].tolist()
    assert set(line["pictures"][3]["classes"]) <= set(CLASS_NAMES[1:])
    with pytest.raises(DivergedError, match=r"2 batches .*Start again with a lower --lr"):
        bad.report(with_overflow(training, always=True), batches[1], 5, 3)
    assert "the learning rate may be too high" in caplog.text
    for name, advice in (
        ("best.pth", "Start again with --overwrite and a lower --lr"),
        ("last.pth", "last.pth is from before .* go on with --resume and a lower --lr"),
        ("previous.pth", "--resume (or --resume .*previous.pth, which is older) and a lower --lr"),
    ):
        (tmp_path / name).touch()
        with pytest.raises(DivergedError, match=advice.replace("(", r"\(").replace(")", r"\)")):
            bad.report(training, batches[1], 5, 4)


def test_bad_batches_do_not_weigh_on_the_average_of_the_losses():
    batches = drawn_batches(3)
    batches[1].images[3] = 0
    rate = {"kind": "multi-step", "milestones": [0], "gamma": 0.0}  # learns nothing
    with_bad = with_overflow(tiny_training(**rate))
    without = tiny_training(**rate)
    losses = train_on(with_bad, batches).average()
    assert losses.total == pytest.approx(train_on(without, batches[::2]).average().total, rel=1e-4)


def limited(net, most):
    """Let a net run out of memory above so many pictures."""

    def forward(images):
        if len(images) > most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return type(net).forward(net, images)

    net.forward = forward


def test_without_memory_the_batch_is_halved_until_it_fits(caplog):
    (batch,) = drawn_batches(1, size=8)
    training = tiny_training()
    training.engine = make_engine(training.net, CPU, 8, mixed=True)
    limited(training.net, 3)
    assert train_step(training, batch)[2] == 0
    assert training.engine.part_size == 2
    assert "with 8 pictures at a time. From now on it computes 4" in caplog.text
    assert "--batch-size 2 --accumulate 4" in caplog.text
    assert training.step == 1


def test_where_halving_ends_the_failure_is_the_users():
    (batch,) = drawn_batches(1)
    training = tiny_training()
    training.engine = make_engine(training.net, CPU, 4, mixed=True)
    limited(training.net, 0)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_step(training, batch)
    assert training.engine.part_size == 2  # batch norm has to compare two


@pytest.mark.parametrize("pictures", [3, 7, 15])
def test_odd_batches_are_not_halved_for_ever(pictures):
    engine = Engine(part_size=pictures, least_part=2)
    times = 0
    while engine.halve(pictures):
        times += 1
        assert times < 5
    assert max(part.stop - part.start for part in engine.parts(pictures)) == 3


def test_statistics_of_every_kind_of_batch_norm_are_remembered():
    norm = torch.nn.SyncBatchNorm(2)
    statistics = BatchNormStatistics(norm)
    norm.running_mean.fill_(torch.nan)
    statistics.restore()
    assert norm.running_mean.tolist() == [0, 0]


def test_a_retried_step_is_the_step():
    (batch,) = drawn_batches(1, size=4)
    retried, plain = tiny_training(), tiny_training()
    for training in (retried, plain):
        training.net.train()
    retried.engine, plain.engine = Engine(part_size=4), Engine(part_size=2)
    limited(retried.net, 2)
    train_step(retried, batch)
    train_step(plain, batch)
    for name, value in plain.net.state_dict().items():
        assert torch.equal(value, retried.net.state_dict()[name]), name


def test_what_is_a_lack_of_memory():
    assert is_out_of_memory(RuntimeError("CUDA error: out of memory"))
    assert is_out_of_memory(RuntimeError("NVML_SUCCESS == r INTERNAL ASSERT FAILED at ..."))
    assert is_out_of_memory(RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"))
    assert is_out_of_memory(RuntimeError("GET was unable to find an engine to execute this"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


needs_float16 = pytest.mark.skipif(
    not hasattr(torch.amp, "GradScaler"), reason="this torch has float16 on GPUs only"
)


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, pytest.param(torch.float16, marks=needs_float16)]
)
def test_half_precision_learns_what_float32_learns(dtype):
    (batch,) = drawn_batches(1)
    half, full = tiny_training(), tiny_training()
    half.engine = Engine(precision=Precision(dtype, "cpu"))
    if dtype == torch.float16:  # a scale whose gradients do not overflow
        half.engine.precision.scaler.load_state_dict(
            {**half.engine.precision.state_dict(), "scale": 64.0}
        )
    for training in (half, full):
        training.net.train()
        results = [train_step(training, batch) for _ in range(3)]
        training.last = results[-1].sum().item()
    assert half.last == pytest.approx(full.last, rel=0.05)
    assert all(value.dtype == torch.float32 for value in half.net.parameters())


@needs_float16
def test_overflowing_float16_gradients_halve_the_scale_and_are_no_bad_batch():
    (batch,) = drawn_batches(1)
    training = tiny_training()
    precision = Precision(torch.float16, "cpu")
    precision.scaler.load_state_dict({**precision.state_dict(), "scale": 2.0**60})
    training.engine = Engine(precision=precision)
    training.net.train()
    before = [value.clone() for value in training.net.parameters()]
    assert train_step(training, batch)[2] == 0
    assert all(map(torch.equal, before, training.net.parameters()))
    assert precision.state_dict()["scale"] == 2.0**59

    resumed = Precision(torch.float16, "cpu")
    resumed.load_state_dict(precision.state_dict())
    assert resumed.state_dict()["scale"] == 2.0**59
    Precision().load_state_dict(precision.state_dict())  # of float32, which has no scale


def test_a_cpu_computes_in_float32():
    assert choose_precision(CPU).dtype is None
    assert str(Precision()) == "float32" and str(Precision(torch.bfloat16)) == "bfloat16"


def test_batches_of_one_picture_are_refused_where_batch_norm_needs_more():
    with pytest.raises(ValueError, match="--batch-size 2 or more"):
        make_engine(tiny_net(), CPU, 1, mixed=False)
    assert make_engine(tiny_net(), CPU, 2, mixed=False).least_part == 2
    assert make_engine(create_net("mb1-ssd", 2, SIDE), CPU, 1, mixed=False).least_part == 1


@pytest.mark.parametrize("net", ["mb1-ssd", "mb1-ssd-lite", "sq-ssd-lite", NET])
@pytest.mark.parametrize("side", [32, 33])
def test_the_fewest_pictures_are_those_that_torch_can_learn_from(net, side):
    made = create_net(net, 2, side).train()
    least = least_batch(made)
    assert least == 2 or made(torch.randn(least, 3, side, side))
    if least == 2:
        with pytest.raises(ValueError, match="more than 1 value per channel"):
            made(torch.randn(1, 3, side, side))
