"""One epoch of training, and the loss on data that is not trained on."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.ssd.matching import match_and_encode
from vision.ssd.ssd import SSD

from .averaging import WeightAverage
from .optimization import Schedule, clip_gradients, train_mode

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Losses:
    """Averages over a number of batches."""

    regression: float
    classification: float

    @property
    def total(self) -> float:
        """The sum, which is what is minimised."""
        return self.regression + self.classification


@dataclass
class Training:
    """Everything that changes while a net learns."""

    net: SSD
    criterion: nn.Module
    optimizer: Optimizer
    schedule: Schedule
    average: WeightAverage | None = None
    max_gradient_norm: float = 0.0
    step: int = 0  # optimizer steps done

    @property
    def best_net(self) -> SSD:
        """The net to measure and to keep: the average, where there is one."""
        return self.average.net if self.average else self.net


class LossMeter:
    """Sums losses where they are computed; only reading them waits for the device."""

    def __init__(self, device: torch.device, sums: Sequence[float] = (0, 0), count: int = 0):
        """Begin with nothing, or with what another meter had summed of `count` batches."""
        self.sums = torch.tensor(sums, dtype=torch.float32, device=device)
        self.count = count

    def add(self, regression: Tensor, classification: Tensor) -> None:
        """Take in the two losses of one batch."""
        self.sums += torch.stack([regression.detach(), classification.detach()])
        self.count += 1

    def average(self) -> Losses:
        """Return the averages since the meter was made; 0 if nothing was added."""
        regression, classification = (self.sums / max(1, self.count)).tolist()
        return Losses(regression, classification)


def train_one_epoch(
    training: Training,
    loader: Iterable,
    device: torch.device,
    debug_steps: int = 0,
    on_log: Callable[[int, Losses], None] | None = None,
    meter: LossMeter | None = None,
    after_step: Callable[[LossMeter], bool] | None = None,
) -> Losses:
    """Train on every batch once; return the averages over the epoch.

    Args:
        loader: of batches with uint8 images (B, 3, S, S), boxes (B, M, 4) xyxy in [0, 1] and labels
            (B, M), 0 = padding.
        debug_steps: call `on_log` with the step and the losses since the last call, so often.
        meter: of an epoch that was interrupted, whose remaining batches are in the loader.
        after_step: called with the epoch's meter; ends the epoch where it returns True.
    """
    train_mode(training.net)
    meter, recent = meter or LossMeter(device), LossMeter(device)
    for batch in batches_on(device, loader):
        losses = train_step(training, batch)
        meter.add(*losses)
        recent.add(*losses)
        if on_log and debug_steps and meter.count % debug_steps == 0:
            on_log(meter.count, recent.average())
            recent = LossMeter(device)
        if after_step and after_step(meter):
            break
    return meter.average()


def train_step(training: Training, batch) -> tuple[Tensor, Tensor]:
    """Learn from one batch; return its regression and classification loss."""
    training.schedule.apply(training.optimizer, training.step)
    training.optimizer.zero_grad(set_to_none=True)
    regression, classification = batch_losses(training.net, training.criterion, batch)
    (regression + classification).backward()
    clip_gradients(training.net, training.max_gradient_norm)
    training.optimizer.step()
    training.step += 1
    if training.average:
        training.average.update(training.net)
    return regression, classification


def batch_losses(net: SSD, criterion: nn.Module, batch) -> tuple[Tensor, Tensor]:
    """Compute the regression and classification loss of a batch that is on the net's device."""
    target_locations, labels = encode_targets(net, batch)
    class_logits, locations = net(net.normalise(batch.images))
    return criterion(class_logits, locations, labels, target_locations)


def encode_targets(net: SSD, batch) -> tuple[Tensor, Tensor]:
    """Return what the net shall predict for a batch: locations (B, P, 4) and labels (B, P)."""
    config = net.config
    return match_and_encode(
        batch.boxes,
        batch.labels,
        net.priors,
        center_variance=config.center_variance,
        size_variance=config.size_variance,
    )


def batches_on(device: torch.device, loader: Iterable) -> Iterator:
    """Yield the loader's batches on the device; pinned ones travel while the device works."""
    for batch in loader:
        yield batch.to(device, non_blocking=True)
