from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import nn

from tests.tiny import SIDE, tiny_net
from vision.training.optimization import (
    OPTIMIZERS,
    SCHEDULES,
    Schedule,
    clip_gradients,
    freeze,
    parameter_groups,
    train_mode,
)
from vision.training.options import TrainOptions
from vision.training.recipe_options import PEAKS, LearningRates, OptimizerOptions

RATES = LearningRates(base_net=0.1, extras=0.2, headers=0.3)


@pytest.fixture
def net():
    return tiny_net()


@pytest.mark.parametrize("net_name", ["mb3-small-ssd-lite", "vgg16-ssd"])
def test_groups_hold_every_parameter_once(net_name):
    from vision.ssd import create_net

    with torch.device("meta"):
        net = create_net(net_name, 4)
    groups = parameter_groups(net, RATES, 0.01)
    held = [id(parameter) for group in groups for parameter in group["params"]]
    assert sorted(held) == sorted(map(id, net.parameters()))


def test_rates_and_decay_of_every_part(net):
    groups = {group["name"]: group for group in parameter_groups(net, RATES, 0.01)}
    assert list(groups) == [
        name + suffix
        for name in ("base_net", "extras", "headers")
        for suffix in ("", " without decay")
    ]
    for name, group in groups.items():
        assert group["lr"] == group["initial_lr"] == getattr(RATES, name.split()[0])
        plain = "without" in name
        assert group["weight_decay"] == (0.0 if plain else 0.01)
        assert all((parameter.ndim <= 1) == plain for parameter in group["params"])


def test_frozen_parts_have_no_group_and_keep_their_statistics(net):
    freeze(net, ["base_net", "extras"])
    names = [group["name"] for group in parameter_groups(net, RATES, 0.01)]
    assert names == ["headers", "headers without decay"]
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    train_mode(net)
    net(torch.randn(2, 3, SIDE, SIDE))
    changed = {
        name.split(".")[0]
        for name, tensor in net.state_dict().items()
        if not tensor.equal(before[name])
    }
    assert changed == {"classification_headers", "regression_headers"}


def test_nothing_frozen_trains_everywhere(net):
    train_mode(net.eval())
    assert all(
        module.training
        for module in net.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm)
    )


def factors(schedule, *steps):
    return [schedule.factor(step) for step in steps]


def test_cosine_on_paper():
    schedule = Schedule("cosine", t_max=100)
    assert factors(schedule, 0, 25, 50, 100) == pytest.approx([1, 0.853553, 0.5, 0])
    assert factors(schedule, 101, 150, 200, 10**6) == [0, 0, 0, 0]  # it does not climb again


def test_warm_up_rises_in_equal_steps_to_the_top_of_the_cosine():
    schedule = Schedule("cosine", warmup_steps=4, t_max=104)
    assert factors(schedule, 0, 1, 2, 3, 4) == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors(schedule, 54, 104) == pytest.approx([0.5, 0])


def test_a_run_shorter_than_its_warm_up():
    schedule = Schedule("cosine", warmup_steps=20, t_max=4)
    assert factors(schedule, 0, 3) == pytest.approx([1 / 21, 4 / 21])


def test_multi_step_on_paper():
    schedule = Schedule("multi-step", milestones=[10, 20], gamma=0.5, warmup_steps=1)
    assert factors(schedule, 0, 1, 9, 10, 19, 20, 99) == [0.5, 1, 1, 0.5, 0.5, 0.25, 0.25]


def test_no_schedule():
    assert factors(Schedule("none"), 0, 5, 10**6) == [1, 1, 1]
    assert factors(Schedule("none", warmup_steps=1), 0, 5) == [0.5, 1]


def test_a_step_sets_the_rate_of_every_group(net):
    optimizer = OPTIMIZERS["sgd"](parameter_groups(net, RATES, 0.01), OptimizerOptions())
    schedule = Schedule("cosine", t_max=10)
    for step, factor in ((5, 0.5), (0, 1.0), (10, 0.0)):  # from the number alone, in any order
        schedule.apply(optimizer, step)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([factor * rate for rate in (0.1, 0.1, 0.2, 0.2, 0.3, 0.3)])


def test_the_tables_are_the_options():
    from train_ssd import parse_args

    for name in OPTIMIZERS:
        assert parse_args(["--optim", name.upper()]).optim_choose == name
    for name in SCHEDULES:
        assert parse_args(["--scheduler", name]).scheduler == name


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_takes_a_step_downhill(name):
    weight = nn.Parameter(torch.tensor([[1.0]]))
    group = {"params": [weight], "lr": 0.1, "initial_lr": 0.1, "weight_decay": 0.0}
    optimizer = OPTIMIZERS[name]([group], OptimizerOptions())
    weight.square().sum().backward()
    optimizer.step()
    assert weight.item() == pytest.approx(0.8 if name == "sgd" else 0.9, abs=1e-6)


@pytest.mark.parametrize(("limit", "expected"), [(1.0, [0.6, 0.8]), (10.0, [3, 4]), (0.0, [3, 4])])
def test_clipping_on_paper(limit, expected):
    layer = nn.Linear(1, 2, bias=False)
    layer.weight.grad = torch.tensor([[3.0], [4.0]])  # of norm 5
    clip_gradients(layer, limit)
    assert layer.weight.grad.flatten().tolist() == pytest.approx(expected, abs=1e-5)


def test_every_optimizer_and_schedule_that_can_be_chosen_is_there():
    assert set(PEAKS) == set(OPTIMIZERS)
    kinds = {one.name: one.metadata["kind"] for one in fields(TrainOptions)}
    assert set(kinds["optim_choose"].words) == set(OPTIMIZERS)
    assert set(kinds["scheduler"].words) == set(SCHEDULES)
