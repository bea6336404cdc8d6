"""How a net shall learn, as options say it, and the training that follows from them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Sequence

from vision.nn.multibox_loss import MultiboxLoss
from vision.ssd.ssd import SSD
from vision.training import optimization
from vision.training.averaging import WeightAverage
from vision.training.compute.engine import Engine
from vision.training.options import choose_optimizer, peak_rates
from vision.training.steps import Training

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """What decides about the learning; the fields are named as the options of train_ssd.py."""

    num_epochs: int
    optim_choose: str | None = None
    lr: float | None = None
    base_net_lr: float | None = None
    extra_layers_lr: float | None = None
    momentum: float = 0.9
    nesterov: bool = False
    betas: Sequence[float] = (0.9, 0.999)
    weight_decay: float = 5e-4
    clip_gradients: float = 10.0
    average_decay: float = 0.998
    scheduler: str = "cosine"
    t_max: float | None = None  # epochs
    milestones: Sequence[int] = field(default_factory=tuple)  # epochs
    gamma: float = 0.1
    warm_up: int = 20  # steps
    freeze_base_net: bool = False
    freeze_net: bool = False

    def schedule(self, steps_per_epoch: int) -> optimization.Schedule:
        """Return the factor on the rates, by step."""
        return optimization.Schedule(
            self.scheduler,
            warmup_steps=self.warm_up,
            t_max=round((self.t_max or self.num_epochs) * steps_per_epoch),
            milestones=[epoch * steps_per_epoch for epoch in self.milestones],
            gamma=self.gamma,
        )


def make_training(
    net: SSD, recipe: Recipe, steps_per_epoch: int, engine: Engine | None = None
) -> Training:
    """Choose what is frozen, the rates, the optimizer and the schedule of a net."""
    if recipe.freeze_base_net or recipe.freeze_net:
        optimization.freeze(net, ["base_net"])
    if recipe.freeze_net:
        optimization.freeze(net, ["extras", "source_layer_add_ons"])
    kind = choose_optimizer(recipe.optim_choose, recipe.lr)
    rates = optimization.LearningRates(
        *peak_rates(kind, recipe.lr, recipe.base_net_lr, recipe.extra_layers_lr)
    )
    logger.info(
        "Learning rate: %g, Base net learning rate: %g, Extra Layers learning rate: %g.",
        *(rates.headers, rates.base_net, rates.extras),
    )
    options = {
        "momentum": recipe.momentum,
        "nesterov": recipe.nesterov,
        "betas": tuple(recipe.betas),
    }
    groups = optimization.parameter_groups(net, rates, recipe.weight_decay)
    logger.info("Uses %s and the %s learning rate schedule.", kind, recipe.scheduler)
    return Training(
        net,
        MultiboxLoss(),
        optimization.OPTIMIZERS[kind](groups, options),
        recipe.schedule(steps_per_epoch),
        WeightAverage(net, recipe.average_decay) if recipe.average_decay else None,
        recipe.clip_gradients,
        engine or Engine(),
    )
