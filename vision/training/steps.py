"""One optimizer step, all that changes with it, and the losses that it returns."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field
from functools import partial
from typing import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.nn.multibox_loss import MatchTotals, MultiboxLoss
from vision.ssd.ssd import SSD
from vision.training.assignment import Assignment, ByOverlap
from vision.training.averaging import WeightAverage
from vision.training.compute.engine import Engine, is_out_of_memory
from vision.training.compute.processes import gradients_stay, process_count, sum_over_processes
from vision.training.optimization import Schedule, clip_gradients
from vision.transforms import Batch


@dataclass(frozen=True)
class Losses:
    """Averages over a number of batches."""

    regression: float
    classification: float

    @property
    def total(self) -> float:
        """The sum, which is what is minimised."""
        return self.regression + self.classification


class LossMeter:
    """Sums what steps return, where it was computed; only reading it waits for the device."""

    def __init__(
        self, device: torch.device, sums: Sequence[float] = (0, 0), count: int = 0, skipped: int = 0
    ) -> None:
        """Begin with nothing, or with what another meter had summed of `count` batches."""
        self._sums = torch.tensor([*sums, skipped], dtype=torch.float32, device=device)
        self.count = count

    def add(self, result: Tensor) -> None:
        """Take in what `train_step` has returned, (3,), for one batch."""
        self._sums += result
        self.count += 1

    def read(self) -> tuple[list[float], int]:
        """Return the sums of the two losses, and the number of batches that were skipped."""
        regression, classification, skipped = self._sums.tolist()
        return [regression, classification], int(skipped)

    def average(self) -> Losses:
        """Return the averages since the meter was made, without skipped batches; nan of nothing."""
        sums, skipped = self.read()
        taken = np.float32(self.count - skipped)
        if not taken:
            return Losses(math.nan, math.nan)
        return Losses(*(float(np.float32(one) / taken) for one in sums))

    def pop(self) -> Losses:
        """Return the averages, and begin with nothing again."""
        losses = self.average()
        self._sums, self.count = torch.zeros_like(self._sums), 0
        return losses


@dataclass
class Training:
    """Everything that changes while a net learns."""

    net: SSD
    criterion: MultiboxLoss
    optimizer: Optimizer
    schedule: Schedule
    average: WeightAverage | None = None
    max_gradient_norm: float = 0.0
    engine: Engine = field(default_factory=Engine)
    assignment: type[Assignment] = ByOverlap
    step: int = 0  # steps done, those that were skipped included
    # () bool, whether the last step was skipped, or the net has no finite loss in validation.
    is_lost: Tensor = field(default_factory=partial(torch.tensor, False))

    @property
    def best_net(self) -> SSD:
        """The net to measure and to keep: the average, where there is one."""
        return self.average.net if self.average else self.net

    def learning_rates(self) -> dict[str, float]:
        """Return the present rates of base_net, extras and headers, without those frozen."""
        groups = self.optimizer.param_groups
        return {group["name"].split(" ")[0]: group["lr"] for group in groups}

    @property
    def device(self) -> torch.device:
        """Where the net is."""
        return next(self.net.parameters()).device


def train_step(training: Training, batch: Batch) -> Tensor:
    """Learn from one batch; nothing here waits for the device.

    Returns:
        (3,): the regression and the classification loss, over all processes, and 0. Where these or
        their gradients are not finite it is 0, 0 and 1: the step was skipped, and has changed
        nothing but its number.
    """
    training.schedule.apply(training.optimizer, training.step)
    training.step += 1
    statistics = BatchNormStatistics(training.net)
    losses = _backward_within_memory(training, batch, statistics)
    precision, optimizer = training.engine.precision, training.optimizer
    precision.unscale(optimizer)
    norm = clip_gradients(training.net, training.max_gradient_norm)
    finite = torch.isfinite(losses).all()
    if not precision.scaler:  # in float16 gradients overflow now and then; its scaler sees to that
        finite = finite & torch.isfinite(norm)
    training.is_lost = skipped = ~finite
    statistics.restore_where(skipped)
    precision.step(optimizer, skipped)
    if training.average:
        training.average.update(training.net, skipped)
    return torch.cat([losses.masked_fill(skipped, 0), skipped.to(losses.dtype)[None]])


class BatchNormStatistics:
    """Remembers what a forward pass changes in a net without any optimizer."""

    def __init__(self, net: nn.Module) -> None:
        # The synchronised ones of PyTorch are no BatchNorm2d, but share its base class.
        norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        buffers = [buffer for norm in norms if norm.training for buffer in norm.buffers()]
        # Means and variances, and the counters of steps: each kind in one tensor, so that a GPU
        # is asked for a few things and not for hundreds.
        kinds = [
            [b for b in buffers if b.is_floating_point() == floats] for floats in (True, False)
        ]
        self.groups = [(group, _joined(group)) for group in kinds if group]

    def restore_where(self, condition: Tensor) -> None:
        """Put the statistics back to what they were where a condition, () bool, holds."""
        for buffers, values in self.groups:
            _split_into(buffers, torch.where(condition, values, _joined(buffers)))

    def restore(self) -> None:
        """Put the statistics back to what they were."""
        for buffers, values in self.groups:
            _split_into(buffers, values)


def _joined(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _split_into(tensors: list[Tensor], values: Tensor) -> None:
    parts = values.split([tensor.numel() for tensor in tensors])
    with torch.no_grad():
        torch._foreach_copy_(tensors, [p.view_as(t) for p, t in zip(parts, tensors)])


def _backward_within_memory(
    training: Training, batch: Batch, statistics: BatchNormStatistics
) -> Tensor:
    """Compute losses and gradients, in smaller parts where the GPU's memory asks for it."""
    while True:
        try:
            return _backward(training, batch)
        except RuntimeError as error:
            if not is_out_of_memory(error) or not training.engine.halve(len(batch.images)):
                raise
        # Only here, behind the exception with its stack frames, is their memory free.
        statistics.restore()
        if training.device.type == "cuda":
            torch.cuda.empty_cache()


def _backward(training: Training, batch: Batch) -> Tensor:
    """Compute the gradients of a batch; return its two losses, (2,)."""
    training.optimizer.zero_grad(set_to_none=True)
    net, engine = training.net, training.engine
    model = net if engine.model is None else engine.model
    assigned = training.assignment(net, batch)
    totals = match_totals(training.criterion, assigned)
    losses = torch.zeros(2, device=batch.labels.device)  # regression and classification
    parts = engine.parts(len(batch.labels))
    for number, part in enumerate(parts):
        is_last = number + 1 == len(parts)
        # Between processes gradients travel once, with the last part.
        with contextlib.nullcontext() if is_last else gradients_stay(model):
            with engine.precision.forward():
                class_logits, locations = engine.predict(net, net.normalise(batch.images[part]))
            targets = assigned.targets(part, class_logits, locations)
            both = torch.stack(training.criterion(class_logits, locations, targets, totals))
            # Gradients are averaged over the processes; they shall be those of the sum.
            engine.precision.scale(both.sum() * process_count()).backward()
        losses += both.detach()
    return sum_over_processes(losses)


def batch_losses(training: Training, batch: Batch) -> tuple[Tensor, Tensor]:
    """Compute the regression and classification loss of a batch in this process alone."""
    net, criterion = training.net, training.criterion
    class_logits, locations = net(net.normalise(batch.images))
    assigned = training.assignment(net, batch)
    targets = assigned.targets(slice(None), class_logits, locations)
    return criterion(class_logits, locations, targets, assigned.totals(criterion))


def match_totals(criterion: MultiboxLoss, assigned: Assignment) -> MatchTotals:
    """Count what the losses of a batch are measured by, over its shares in all processes."""
    return MatchTotals(*sum_over_processes(torch.stack(assigned.totals(criterion))))
