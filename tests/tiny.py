"""A net, batches and a training that are small enough for tests."""

from __future__ import annotations

import torch

from tests.drawing import CLASS_NAMES, draw_samples
from vision.checkpoints.description import Description
from vision.checkpoints.initial_weights import initialise
from vision.nn.multibox_loss import MultiboxLoss
from vision.ssd import NETS
from vision.training.averaging import WeightAverage
from vision.training.optimization import OPTIMIZERS, Schedule, parameter_groups
from vision.training.recipe_options import LearningRates, OptimizerOptions
from vision.training.steps import LossMeter, Training, train_step
from vision.transforms import collate

NET, SIDE = "mb3-small-ssd-lite", 64
RATES = LearningRates(1e-3, 2e-3, 3e-3)


def tiny_description(net=NET, class_names=CLASS_NAMES, **facts):
    """Describe a net of 64 x 64 pixels for the drawn classes."""
    return Description(net, tuple(class_names), NETS[net].config(SIDE), **facts)


def tiny_net(seed=0, **facts):
    """Build that net with weights that follow from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = tiny_description(**facts).create()
        initialise(net)
    return net


def drawn_batches(count, size=4, seed=0, negatives=0):
    """Draw `count` batches of `size` pictures with squares."""
    samples = draw_samples(count * size, seed, size=(SIDE, SIDE), negatives=negatives)
    return [collate(samples[first : first + size]) for first in range(0, len(samples), size)]


def tiny_training(net=None, optimizer="adamw", average_decay=0.9, **schedule):
    """Make a training of a tiny net; `schedule` are fields of a `Schedule`."""
    net = tiny_net() if net is None else net
    groups = parameter_groups(net, RATES, weight_decay=1e-4)
    average = WeightAverage(net, average_decay) if average_decay else None
    schedule = Schedule(**{"kind": "none", **schedule})
    return Training(
        net, MultiboxLoss(), OPTIMIZERS[optimizer](groups, OptimizerOptions()), schedule, average
    )


def train_on(training, batches):
    """Take a step for each batch; return the meter of their losses."""
    training.net.train()
    meter = LossMeter(training.device)
    for batch in batches:
        meter.add(train_step(training, batch))
    return meter
