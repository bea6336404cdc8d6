"""One epoch of training, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from vision.training.optimization import train_mode
from vision.training.steps import Training, train_step


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
    """Sums losses where they are computed; only reading them waits for the device."""

    def __init__(
        self, device: torch.device, sums: Sequence[float] = (0, 0), count: int = 0, skipped: int = 0
    ) -> None:
        """Begin with nothing, or with what another meter had summed of `count` batches."""
        self.sums = torch.tensor(sums, dtype=torch.float32, device=device)
        self.count, self.skipped = count, skipped

    def add(self, losses: Tensor) -> None:
        """Take in the regression and classification loss, (2,), of one batch."""
        self.sums += losses
        self.count += 1

    def skip(self) -> None:
        """Count a batch that has no losses."""
        self.count += 1
        self.skipped += 1

    def average(self) -> Losses:
        """Return the averages since the meter was made; 0 if nothing was added."""
        regression, classification = (self.sums / max(1, self.count - self.skipped)).tolist()
        return Losses(regression, classification)


@dataclass(frozen=True)
class Watch:
    """Who is told what while an epoch runs.

    Args:
        debug_steps: how often `on_log` is called, with the step and the losses since the last call.
        after_step: called with the epoch's meter; ends the epoch where it returns True.
        on_bad_batch: called with a batch whose step was skipped, and its number.
    """

    debug_steps: int = 0
    on_log: Callable[[int, Losses], None] | None = None
    after_step: Callable[[LossMeter], bool] | None = None
    on_bad_batch: Callable[[Any, int], None] | None = None


def train_one_epoch(
    training: Training, loader: Iterable, watch: Watch | None = None, meter: LossMeter | None = None
) -> Losses:
    """Train on every batch once; return the averages over the epoch.

    Args:
        loader: of batches with uint8 images (B, 3, S, S), boxes (B, M, 4) xyxy in [0, 1] and labels
            (B, M), 0 = padding.
        meter: of an epoch that was interrupted, whose remaining batches are in the loader.
    """
    device, watch = training.device, watch or Watch()
    train_mode(training.net)
    meter, recent = meter or LossMeter(device), LossMeter(device)
    for batch in batches_on(device, loader):
        losses = train_step(training, batch)
        if losses is None:
            meter.skip()
            if watch.on_bad_batch:
                watch.on_bad_batch(batch, meter.count)
        else:
            meter.add(losses)
            recent.add(losses)
        if watch.on_log and watch.debug_steps and meter.count % watch.debug_steps == 0:
            watch.on_log(meter.count, recent.average())
            recent = LossMeter(device)
        if watch.after_step and watch.after_step(meter):
            break
    return meter.average()


def batches_on(device: torch.device, loader: Iterable) -> Iterator:
    """Yield the loader's batches on the device; pinned ones travel while the device works."""
    for batch in loader:
        yield batch.to(device, non_blocking=True)
