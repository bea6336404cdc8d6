from __future__ import annotations

import pytest
import torch

from tests.tiny import drawn_batches, tiny_net, tiny_training
from vision.training.loop import Losses, LossMeter, Watch, train_one_epoch
from vision.training.steps import batch_losses, encode_targets, train_step

CPU = torch.device("cpu")


def total(training, batch):
    with torch.no_grad():
        return sum(batch_losses(training.net, training.criterion, batch)).item()


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_two_steps_on_drawn_squares_reduce_their_loss(optimizer):
    (batch,) = drawn_batches(1)
    training = tiny_training(optimizer=optimizer)
    before = total(training, batch)
    for _ in range(2):
        train_step(training, batch)
    assert total(training, batch) < before
    assert training.step == training.average.steps == 2


def test_an_epoch_visits_every_batch_and_returns_the_averages():
    batches = drawn_batches(3)
    losses = train_one_epoch(tiny_training(), batches)
    training, seen = tiny_training(), []
    training.net.train()
    for batch in batches:
        seen.append([loss.item() for loss in train_step(training, batch)])
    regression, classification = torch.tensor(seen).mean(dim=0).tolist()
    assert losses.regression == pytest.approx(regression)
    assert losses.classification == pytest.approx(classification)
    assert losses.total == losses.regression + losses.classification


def test_logs_are_averages_since_the_last_one():
    calls = []

    def log(step, losses):
        calls.append((step, losses.total))

    batches = drawn_batches(5)
    train_one_epoch(tiny_training(), batches, Watch(2, log))
    single = []

    def keep(step, losses):
        single.append(losses.total)

    train_one_epoch(tiny_training(), batches, Watch(1, keep))
    assert [step for step, _ in calls] == [2, 4]
    assert calls[0][1] == pytest.approx((single[0] + single[1]) / 2, rel=1e-5)
    assert calls[1][1] == pytest.approx((single[2] + single[3]) / 2, rel=1e-5)
    train_one_epoch(tiny_training(), batches[:1], Watch(0, log))
    assert len(calls) == 2


def test_a_batch_without_objects_costs_nothing_and_breaks_nothing():
    (batch,) = drawn_batches(1, negatives=4)
    assert batch.boxes.shape == (4, 0, 4)
    training = tiny_training()
    assert [loss.item() for loss in train_step(training, batch)] == [0, 0]
    assert all(torch.isfinite(parameter).all() for parameter in training.net.parameters())


def test_an_epoch_of_no_batches():
    assert train_one_epoch(tiny_training(), []) == Losses(0.0, 0.0)
    assert LossMeter(CPU).average() == Losses(0.0, 0.0)


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
    locations, labels = encode_targets(net, batch)
    assert locations.shape == (4, len(net.priors), 4)
    boxes = net.decode(torch.zeros(4, len(net.priors), 4), locations)[1]
    for row in range(4):
        for box, label in zip(boxes[row][labels[row] > 0], labels[row][labels[row] > 0]):
            distance = (batch.boxes[row] - box).abs().amax(dim=1)
            assert distance.min() < 1e-5
            assert batch.labels[row, distance.argmin()] == label
