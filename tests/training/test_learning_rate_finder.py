"""The learning rate finder on a parabola, whose best rates are known, and on a net."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from vision.nn.multibox_loss import MultiboxLoss
from vision.ssd import create_net
from vision.training import learning_rate_finder
from vision.training.averaging import WeightAverage
from vision.training.learning_rate_finder import exponential_rates, find_learning_rate, plot_curve
from vision.training.optimization import LearningRates, Schedule, parameter_groups
from vision.training.steps import Training
from vision.transforms import Batch

CPU = torch.device("cpu")


class Number:
    """A batch that says how steep the parabola is."""

    def __init__(self, curvature):
        self.curvature = curvature

    def to(self, device, non_blocking=False):
        return self


def parabola_training(net):
    group = {"params": list(net.parameters()), "lr": 0.0, "initial_lr": 0.3}
    return Training(net, nn.Identity(), torch.optim.SGD([group]), Schedule("none"))


def step_on_parabola(training, batch):
    """Loss c / 2 * w ** 2; a step makes w into (1 - lr * c) * w."""
    training.schedule.apply(training.optimizer, training.step)
    training.optimizer.zero_grad()
    loss = (batch.curvature / 2 * training.net.weight.square()).sum()
    loss.backward()
    training.optimizer.step()
    training.step += 1
    return torch.stack([torch.tensor(0.0), loss.detach()])


@pytest.fixture
def parabola(monkeypatch):
    monkeypatch.setattr(learning_rate_finder, "train_step", step_on_parabola)
    net = nn.Linear(1, 1, bias=False)
    nn.init.ones_(net.weight)
    return net


def test_losses_are_those_of_the_parabola_and_the_suggestion_lies_before_it_diverges(parabola):
    """From rate 2 / c on w grows; it is reached at step 90 of 100."""
    rates = exponential_rates(1e-4, 6.0, 100)
    curve = find_learning_rate(parabola_training, parabola, [Number(1.0)], CPU, rates)
    w, expected = 1.0, []
    for rate in curve.rates:
        expected.append(w**2 / 2)
        w *= 1 - rate
    np.testing.assert_allclose(curve.losses, expected, rtol=1e-5)
    assert curve.rates == rates[: len(curve.rates)]
    assert 0.02 < curve.suggestion < 0.5
    assert f"--lr {curve.suggestion:.1e}" in str(curve)
    assert parabola.weight.item() == 1 and parabola.weight.grad is None


def test_ten_times_the_curvature_is_a_tenth_of_the_rate(parabola):
    suggestions = [
        find_learning_rate(
            parabola_training,
            parabola,
            [Number(curvature)],
            CPU,
            exponential_rates(1e-4 / curvature, 6.0 / curvature),
        ).suggestion
        for curvature in (1.0, 10.0)
    ]
    assert suggestions[0] == pytest.approx(10 * suggestions[1])


def test_it_stops_where_the_loss_explodes_or_is_no_number(parabola):
    rates = exponential_rates(1e-3, 1e3, 60)
    curve = find_learning_rate(parabola_training, parabola, [Number(1.0)], CPU, rates)
    assert len(curve.rates) < 60 and max(curve.losses) <= 10 * max(1, curve.losses[0])
    batches = [Number(1.0)] * 10 + [Number(math.nan)]
    curve = find_learning_rate(parabola_training, parabola, batches, CPU, rates)
    assert len(curve.losses) == 10
    with pytest.raises(ValueError, match="loss of the first batch is nan"):
        find_learning_rate(parabola_training, parabola, [Number(math.nan)], CPU, rates)


def test_loss_that_only_rises_suggests_nothing(parabola):
    rates = exponential_rates(2.5, 100, 20)
    curve = find_learning_rate(parabola_training, parabola, [Number(1.0)], CPU, rates)
    assert curve.suggestion is None and "never falls" in str(curve)


def test_no_batches_are_refused(parabola):
    with pytest.raises(ValueError, match="without batches, there are none"):
        find_learning_rate(parabola_training, parabola, [], CPU)


def test_rates_have_equal_ratios_and_both_ends():
    np.testing.assert_allclose(exponential_rates(1e-4, 1, 5), [1e-4, 1e-3, 1e-2, 1e-1, 1])
    assert len(exponential_rates()) == 100
    for lowest, highest, steps in ((0, 1, 9), (1, 1, 9), (1e-3, 1, 1)):
        with pytest.raises(ValueError, match="must rise from above 0 in 2 steps or more"):
            exponential_rates(lowest, highest, steps)


def test_the_parts_of_a_net_keep_their_ratio_and_the_net_stays_as_it_is():
    torch.manual_seed(0)
    net = create_net("mb3-small-ssd-lite", 3, 64).eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    made = []

    def make_training(copied):
        groups = parameter_groups(copied, LearningRates(0.1, 0.5, 1.0), 0.0)
        optimizer = torch.optim.SGD(groups)
        schedule = Schedule("cosine", warmup_steps=10)
        average = WeightAverage(copied, 0.9)
        made.append(Training(copied, MultiboxLoss(), optimizer, schedule, average, 10.0))
        return made[-1]

    generator = torch.Generator().manual_seed(1)
    batch = Batch(
        torch.randint(0, 256, (2, 3, 64, 64), generator=generator, dtype=torch.uint8),
        torch.tensor([[[0.1, 0.1, 0.6, 0.7]], [[0.3, 0.2, 0.9, 0.8]]]),
        torch.tensor([[1], [2]]),
        torch.zeros(2, 1, dtype=torch.bool),
        ["a", "b"],
    )
    rates = [1e-5, 1e-4, 1e-3]
    first = find_learning_rate(make_training, net, [batch], CPU, rates)
    second = find_learning_rate(make_training, net, [batch], CPU, rates)
    assert first == second and first.rates == rates and made[0].step == 3
    last = {group["name"]: group["lr"] for group in made[0].optimizer.param_groups}
    assert last["base_net"] == pytest.approx(1e-4) and last["headers"] == pytest.approx(1e-3)
    assert not net.training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize("name", ["curve.png", "curve.svg"])
def test_curve_is_drawn(parabola, tmp_path, name):
    curve = find_learning_rate(parabola_training, parabola, [Number(1.0)], CPU)
    plot_curve(curve, tmp_path / name)
    assert (tmp_path / name).stat().st_size > 5000
    assert [path.name for path in tmp_path.iterdir()] == [name]
