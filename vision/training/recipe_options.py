"""The options that say how a net learns: its loss, its optimizer, and its schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vision.utils.options import (
    MAX_EPOCHS,
    ListOf,
    Number,
    NumberOrWord,
    OneOf,
    Options,
    Whole,
    option,
    switch,
)

AUTO = "auto"
ALIGNED, OVERLAP = "aligned", "overlap"  # --assignment
LOWEST_SGD_RATE = 0.005


class Peak(NamedTuple):
    """The learning rates of an optimizer where none are given."""

    rate: float  # of heads and extra layers
    base_net_share: float  # the backbone's part of it


PEAKS = {"adamw": Peak(2e-3, 1 / 3), "adam": Peak(2e-3, 1 / 3), "sgd": Peak(0.01, 0.1)}


class LearningRates(NamedTuple):
    """Peak learning rates; a part with rate 0 is frozen."""

    base_net: float
    extras: float
    headers: float


@dataclass(frozen=True)
class OptimizerOptions(Options):
    """How the weights are changed."""

    optim_choose: str | None = option(
        None,
        *("--optim", "--optimizer", "--optim-choose"),
        kind=OneOf(*sorted(PEAKS)),
        help="the optimizer (default: adamw; sgd where --lr is 0.005 or more)",
    )
    lr: float | None = option(
        None,
        *("--lr", "--learning-rate"),
        kind=Number(0, 100),
        help="peak learning rate of heads and extra layers (default: 0.002; with sgd 0.01)",
    )
    base_net_lr: float | None = option(
        None,
        kind=Number(0, 100),
        help="peak learning rate of the backbone (default: a third of --lr; with sgd a tenth)",
    )
    extra_layers_lr: float | None = option(
        None,
        kind=Number(0, 100),
        help="peak learning rate of the extra layers (default: the same as --lr)",
    )
    momentum: float = option(0.9, kind=Number(0, below=1), help="momentum of sgd")
    nesterov: bool = switch(help="use Nesterov's momentum with sgd")
    betas: tuple[float, float] = option(
        (0.9, 0.999), nargs=2, kind=Number(0, below=1), help="betas of adam and adamw"
    )
    weight_decay: float = option(
        5e-4, kind=Number(0, 1), help="weight decay, of all weights but biases and batch norm"
    )
    assignment: str = option(
        ALIGNED,
        kind=OneOf(ALIGNED, OVERLAP),
        help="which priors learn an object: aligned: those whose predictions fit it best; overlap: "
        "those that overlap it most, as in the SSD paper and the older scripts",
    )
    object_balance: float | str = option(
        AUTO,
        kind=NumberOrWord(0, 1, words=(AUTO,)),
        metavar="B",
        help="0: each prior counts the same in the loss, as in the older scripts, so that objects "
        "with more priors count more; 1: each object does; or between; auto: 1; but with "
        "--assignment overlap only where objects of one class have far more priors than those of "
        "another, else 0",
    )
    clip_gradients: float = option(
        10.0,
        kind=Number(0),
        metavar="NORM",
        help="scale gradients down to this norm where it is exceeded; 0: never",
    )
    accumulate: int = option(
        1,
        kind=Whole(1),
        metavar="N",
        help="accumulate gradients over N batches per optimizer step",
    )
    average_decay: float = option(
        0.998,
        kind=Number(0, below=1),
        metavar="DECAY",
        help="decay of the moving average of the weights; the average is measured and kept; 0: no "
        "average",
    )

    @property
    def optimizer(self) -> str:
        """The optimizer: the one named, else adamw, but sgd for a rate that only sgd can bear.

        Commands written for older scripts say `--lr=0.01` and no optimizer, and mean sgd.
        """
        if self.optim_choose is not None:
            return self.optim_choose
        return "sgd" if self.lr is not None and self.lr >= LOWEST_SGD_RATE else "adamw"

    @property
    def balance_of_objects(self) -> float:
        """The number of --object-balance; 0 as long as the data have not decided it."""
        return 0.0 if self.object_balance == AUTO else float(self.object_balance)

    def peak_rates(self) -> LearningRates:
        """Return the peak learning rates, those that are given and those that follow from them."""
        peak = PEAKS[self.optimizer]
        headers = peak.rate if self.lr is None else self.lr
        base_net = headers * peak.base_net_share if self.base_net_lr is None else self.base_net_lr
        return LearningRates(
            base_net, headers if self.extra_layers_lr is None else self.extra_layers_lr, headers
        )


@dataclass(frozen=True)
class ScheduleOptions(Options):
    """How long to train, and how the learning rate changes."""

    num_epochs: int = option(
        30, "--epochs", kind=Whole(1, MAX_EPOCHS), metavar="N", help="number of epochs"
    )
    scheduler: str = option(
        "cosine",
        kind=OneOf("cosine", "multi-step", "none"),
        help="how the learning rate falls; none: it stays at its peak",
    )
    t_max: float | None = option(
        None,
        kind=Number(above=0),
        metavar="EPOCHS",
        help="the epoch at which the cosine reaches 0 (default: the last)",
    )
    milestones: tuple[int, ...] = option(
        (80, 100),
        kind=ListOf(Whole(0)),
        nargs=",",
        metavar="EPOCHS",
        help="the epochs, with commas between them, at which multi-step multiplies the learning "
        "rate by --gamma",
    )
    gamma: float = option(
        0.1, kind=Number(0, 1), help="what multi-step multiplies the learning rate by"
    )
    warm_up: int = option(
        20,
        kind=Whole(0),
        metavar="STEPS",
        help="number of steps in which the learning rate rises to its peak",
    )
