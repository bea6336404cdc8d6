from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.training.averaging import WeightAverage

TAKEN, SKIPPED = torch.tensor(False), torch.tensor(True)


def layer(weight):
    net = nn.BatchNorm1d(1)
    nn.init.constant_(net.weight, weight)
    net.running_mean.fill_(10 * weight)
    return net


def test_on_paper():
    average = WeightAverage(layer(0.0), decay=0.5)
    assert average.net.weight.item() == 0
    # The past weighs 2/11, then 3/12, then 4/13: less than 0.5.
    expected = 0.0
    for step, past in enumerate((2 / 11, 3 / 12, 4 / 13), 1):
        average.update(layer(float(step)), TAKEN)
        expected = past * expected + (1 - past) * step
        assert average.net.weight.item() == pytest.approx(expected)
        assert average.net.running_mean.item() == pytest.approx(10 * expected)
    assert average.steps == 3


def test_the_past_never_weighs_more_than_the_decay():
    average = WeightAverage(layer(0.0), decay=0.5)
    average.steps.fill_(1000)
    average.update(layer(8.0), TAKEN)
    assert average.net.weight.item() == pytest.approx(4.0)


def test_counters_are_copied():
    net = layer(1.0)
    net.num_batches_tracked.fill_(7)
    average = WeightAverage(layer(1.0), decay=0.9)
    average.update(net, TAKEN)
    assert average.net.num_batches_tracked.item() == 7


def test_the_average_is_a_net_of_its_own_that_does_not_learn():
    net = layer(1.0)
    average = WeightAverage(net, decay=0.9)
    nn.init.constant_(net.weight, 5.0)
    assert average.net.weight.item() == 1
    assert not average.net.training
    assert net.training
    assert not average.net.weight.requires_grad
    assert net.weight.requires_grad
    # It normalises by its running mean of 10, not by what it is given.
    assert average.net(torch.ones(2, 1)).flatten().tolist() == pytest.approx([-9, -9], rel=1e-4)


def test_a_skipped_step_is_not_taken_in():
    average = WeightAverage(layer(0.0), decay=0.5)
    average.update(layer(4.0), TAKEN)
    before = average.net.weight.item()
    average.update(layer(9.0), SKIPPED)
    assert average.net.weight.item() == before
    assert average.steps == 1
