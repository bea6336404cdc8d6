"""A first learning rate from the data: raise it step by step and watch the loss (Smith 2017)."""

from __future__ import annotations

import copy
import logging
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np
import torch
from torch.optim import Optimizer

from vision.ssd.ssd import SSD
from vision.training.loop import batches_on
from vision.training.optimization import train_mode
from vision.training.steps import Training, train_step
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)

SMOOTHING = 0.9  # of the loss that is watched while it runs
EXPLODED = 4.0  # times the least loss so far
MIN_POINTS = 5  # fewer have no slope


@dataclass(frozen=True)
class LearningRateCurve:
    """The loss at every learning rate that was tried, as long as it did not explode."""

    rates: list[float]  # ascending
    losses: list[float]
    smoothed: list[float] = field(repr=False)  # as many
    suggestion: float | None  # where the loss falls fastest; None where it never falls

    def __str__(self) -> str:
        tried = f"{len(self.rates)} learning rates from {self.rates[0]:.1e} to {self.rates[-1]:.1e}"
        if self.suggestion is None:
            return f"{tried}: the loss never falls, so none is suggested"
        return f"{tried}: the loss falls fastest at --lr {self.suggestion:.1e}"


@dataclass(frozen=True)
class Ramp:
    """A schedule that ignores all peaks but their ratio: the greatest becomes `rates[step]`."""

    rates: list[float]

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set the learning rates of a step."""
        greatest = max(group["initial_lr"] for group in optimizer.param_groups)
        for group in optimizer.param_groups:
            group["lr"] = self.rates[step] * group["initial_lr"] / greatest


def find_learning_rate(
    make_training: Callable[[SSD], Training],
    net: SSD,
    batches: Iterable,
    device: torch.device,
    rates: Iterable[float] | None = None,
) -> LearningRateCurve:
    """Train a copy of the net with ever greater learning rates until its loss explodes.

    Backbone, extra layers and heads keep the ratio of their rates.

    Args:
        make_training: gives the training of the net that it is given; its average and its schedule
            are not used.
        net: stays as it is.
        batches: as for `train_one_epoch`; begun again where there are fewer than rates.
        rates: ascending, of the part that learns fastest (default: `exponential_rates()`).

    Raises:
        ValueError: if there are no batches, or the loss is not finite from the start.
    """
    rates = list(exponential_rates() if rates is None else rates)
    training = make_training(copy.deepcopy(net))
    training.average, training.schedule, training.step = None, Ramp(rates), 0
    train_mode(training.net)
    losses: list[float] = []
    average, least = 0.0, math.inf
    for _, batch in zip(rates, _endless(device, batches)):
        step_losses = train_step(training, batch)
        loss = math.inf if step_losses is None else float(step_losses.sum())
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        watched = average / (1 - SMOOTHING ** (len(losses) + 1))
        if not math.isfinite(watched) or watched > EXPLODED * least:
            break
        least = min(least, watched)
        losses.append(loss)
    if not losses:
        raise ValueError(f"the loss of the first batch is {loss}; look at the data before the rate")
    smoothed = _smooth(np.array(losses))
    tried = rates[: len(losses)]
    return LearningRateCurve(tried, losses, smoothed.tolist(), _steepest(tried, smoothed))


def suggest_learning_rate(
    make_training: Callable[[SSD], Training], net: SSD, batches: Iterable, folder: Path
) -> None:
    """Log the learning rate that rising ones suggest, and draw learning_rates.png in a folder.

    Raises:
        ValueError: if there is none.
    """
    curve = find_learning_rate(make_training, net, batches, net.priors.device)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "learning_rates.png"
    plot_curve(curve, path)
    if curve.suggestion is None:
        raise ValueError(f"the loss falls at no learning rate; look at {path}")
    logger.info("Suggested: --lr=%.2g (%s)", curve.suggestion, path)


def exponential_rates(lowest: float = 1e-6, highest: float = 1.0, steps: int = 100) -> list[float]:
    """Return learning rates with equal ratios from `lowest` to `highest`.

    Raises:
        ValueError: if they do not ascend from above 0, or there are fewer than two.
    """
    if not 0 < lowest < highest or steps < 2:
        raise ValueError(
            f"learning rates must rise from above 0 in 2 steps or more, got {lowest} to {highest} "
            f"in {steps}"
        )
    return np.geomspace(lowest, highest, steps).tolist()


def _endless(device: torch.device, batches: Iterable) -> Iterator:
    """Yield batches on the device, over and over."""
    while True:
        batch = None
        for batch in batches_on(device, batches):
            yield batch
        if batch is None:
            raise ValueError("a learning rate cannot be found without batches, there are none")


def _smooth(losses: np.ndarray) -> np.ndarray:
    """Average each loss (N,) with those around it, so that the curve is not moved to the right."""
    places = np.arange(len(losses))
    width = max(1.0, len(losses) / 25)
    weights = np.exp(-(((places[:, None] - places[None]) / width) ** 2) / 2)
    return (weights @ losses) / weights.sum(axis=1)


def _steepest(rates: list[float], smoothed: np.ndarray) -> float | None:
    """Return the rate, before the least loss, at which it falls fastest by the rate's logarithm."""
    end = int(smoothed.argmin()) + 1
    if end < MIN_POINTS:
        return None
    slope = np.gradient(smoothed[:end], np.log(rates[:end]))
    return float(rates[int(slope.argmin())])


def plot_curve(curve: LearningRateCurve, path: str | Path) -> None:
    """Draw loss over learning rate into a picture file; its ending says which format."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(curve.rates, curve.losses, color="lightgrey", label="loss of a batch")
    axes.plot(curve.rates, curve.smoothed, color="tab:blue", label="smoothed")
    if curve.suggestion is not None:
        label = f"suggested: {curve.suggestion:.1e}"
        axes.axvline(curve.suggestion, color="tab:orange", linestyle="--", label=label)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.grid(alpha=0.3)
    axes.legend()
    with atomic_write(path) as temporary:
        figure.savefig(temporary, dpi=120)
