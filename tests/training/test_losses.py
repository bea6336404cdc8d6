from __future__ import annotations

import math

import pytest
import torch

from tests.tiny import drawn_batches, tiny_net, tiny_training, train_on
from vision.training.assignment import ByOverlap
from vision.training.steps import Losses, LossMeter, batch_losses, train_step

CPU = torch.device("cpu")


def total(training, batch):
    with torch.no_grad():
        return sum(batch_losses(training, batch)).item()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_two_steps_on_drawn_squares_reduce_their_loss(optimizer):
    (batch,) = drawn_batches(1)
    training = tiny_training(optimizer=optimizer)
    before = total(training, batch)
    for _ in range(2):
        train_step(training, batch)
    assert total(training, batch) < before
    assert training.step == training.average.steps == 2


def test_a_meter_returns_the_averages_of_what_was_added():
    batches = drawn_batches(3)
    losses = train_on(tiny_training(), batches).average()
    training = tiny_training()
    training.net.train()
    seen = torch.stack([train_step(training, batch) for batch in batches])
    regression, classification, skipped = seen.mean(dim=0).tolist()
    assert skipped == 0
    assert losses.regression == pytest.approx(regression)
    assert losses.classification == pytest.approx(classification)
    assert losses.total == losses.regression + losses.classification


def test_a_meter_that_is_popped_begins_anew():
    meter = LossMeter(CPU)
    for losses in ([1.0, 2.0, 0.0], [3.0, 6.0, 0.0]):
        meter.add(torch.tensor(losses))
    assert meter.pop() == Losses(2.0, 4.0)
    assert meter.count == 0 and math.isnan(meter.average().total)
    meter.add(torch.tensor([5.0, 7.0, 0.0]))
    assert meter.pop() == Losses(5.0, 7.0)


def test_a_skipped_batch_counts_but_does_not_weigh():
    meter = LossMeter(CPU, sums=[4.0, 8.0], count=3, skipped=1)
    meter.add(torch.tensor([0.0, 0.0, 1.0]))
    assert (meter.count, meter.read()) == (4, ([4.0, 8.0], 2))
    assert meter.average() == Losses(2.0, 4.0)


def test_a_batch_without_objects_costs_nothing_and_breaks_nothing():
    (batch,) = drawn_batches(1, negatives=4)
    assert batch.labels.shape == (4, 4) and not batch.labels.any()
    training = tiny_training()
    assert train_step(training, batch).tolist() == [0, 0, 0]
    assert all(torch.isfinite(parameter).all() for parameter in training.net.parameters())


def test_an_epoch_of_no_batches():
    assert math.isnan(LossMeter(CPU).average().total)


def test_the_schedule_and_the_limit_of_gradients_hold():
    (batch,) = drawn_batches(1)
    training = tiny_training(optimizer="sgd", kind="multi-step", milestones=[1], gamma=0.0)
    train_step(training, batch)
    before = {name: tensor.clone() for name, tensor in training.net.named_parameters()}
    train_step(training, batch)  # at a rate of 0
    assert all(tensor.equal(before[name]) for name, tensor in training.net.named_parameters())

    training.max_gradient_norm = 1e-3
    train_step(training, batch)
    norms = torch.stack([parameter.grad.norm() for parameter in training.net.parameters()])
    assert norms.norm().item() == pytest.approx(1e-3, rel=1e-3)


def test_what_is_measured_and_kept():
    with_average, without = tiny_training(), tiny_training(average_decay=0)
    assert with_average.best_net is with_average.average.net
    assert without.best_net is without.net
    train_step(without, drawn_batches(1)[0])


def test_targets_use_the_variances_of_the_net():
    (batch,) = drawn_batches(1)
    net = tiny_net()
    locations, labels, *_ = ByOverlap(net, batch).all
    assert locations.shape == (4, len(net.priors), 4)
    boxes = net.decode(torch.zeros(4, len(net.priors), 4), locations)[1]
    for row in range(4):
        for box, label in zip(boxes[row][labels[row] > 0], labels[row][labels[row] > 0]):
            distance = (batch.boxes[row] - box).abs().amax(dim=1)
            assert distance.min() < 1e-5
            assert batch.labels[row, distance.argmin()] == label
