"""Which weights learn how fast, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Callable, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vision.ssd.ssd import SSD
from vision.training.recipe_options import LearningRates, OptimizerOptions, ScheduleOptions


def parameter_groups(net: SSD, rates: LearningRates, weight_decay: float) -> list[dict]:
    """Sort the net's parameters by their rate, and those that must not decay from the others.

    Biases and the weights of batch norm have no decay: it would pull them from where the data
    wants them without making anything simpler.
    """
    parts: dict[str, tuple[float, list[nn.Module]]] = {
        "base_net": (rates.base_net, [net.base_net]),
        "extras": (rates.extras, [net.source_layer_add_ons, net.extras]),
        "headers": (rates.headers, [net.regression_headers, net.classification_headers]),
    }
    groups = []
    for name, (rate, modules) in parts.items():
        parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        for suffix, decay, chosen in (
            ("", weight_decay, [p for p in parameters if p.ndim > 1]),
            (" without decay", 0.0, [p for p in parameters if p.ndim <= 1]),
        ):
            if chosen:
                group = {"params": chosen, "lr": rate, "initial_lr": rate, "weight_decay": decay}
                groups.append({"name": name + suffix, **group})
    return groups


def freeze(net: SSD, parts: Sequence[str]) -> None:
    """Stop parts of a net, such as "base_net", from learning."""
    for part in parts:
        for parameter in getattr(net, part).parameters():
            parameter.requires_grad = False


def train_mode(net: SSD) -> None:
    """Switch to training; batch norm keeps its statistics in parts that do not learn."""
    net.train()
    for part in net.children():
        if not any(parameter.requires_grad for parameter in part.parameters()):
            part.eval()


def _sgd(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    momentum = {"momentum": options.momentum, "nesterov": options.nesterov}
    optimizer = _fused(torch.optim.SGD, groups, **momentum)
    if options.momentum:
        # The first step would take memory as it comes, and leave it so if the step is skipped.
        for parameter in (p for group in groups for p in group["params"]):
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def _adam(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    return _fused(torch.optim.Adam, groups, betas=options.betas)


def _adamw(groups: list[dict], options: OptimizerOptions) -> Optimizer:
    return _fused(torch.optim.AdamW, groups, betas=options.betas)


def _fused(kind: Callable[..., Optimizer], groups: list[dict], **options: Any) -> Optimizer:
    """Make an optimizer whose step is one piece of work for the device, where torch has it.

    It can also skip a step by a flag that is on the device (see `Precision.step`).
    """
    try:
        return kind(groups, fused=True, **options)
    except (RuntimeError, TypeError):  # torch before 2.3 for SGD, before 2.4 for a CPU
        return kind(groups, **options)


OPTIMIZERS: dict[str, Callable[[list[dict], OptimizerOptions], Optimizer]] = {
    "adamw": _adamw,
    "adam": _adam,
    "sgd": _sgd,
}


@dataclass(frozen=True)
class Schedule:
    """The factor on every learning rate, by the number of the step.

    It is computed from the number alone, so a resumed run needs no more than that number.
    """

    kind: str  # a key of SCHEDULES
    warmup_steps: int = 0
    t_max: int = 1  # steps of the whole cosine, warm-up included
    milestones: Sequence[int] = field(default_factory=tuple)  # steps
    gamma: float = 0.1

    @classmethod
    def of(cls, options: ScheduleOptions, steps_per_epoch: int) -> Schedule:
        """Return the schedule of a run, whose options count in epochs."""
        return cls(
            options.scheduler,
            options.warm_up,
            t_max=round((options.t_max or options.num_epochs) * steps_per_epoch),
            milestones=[epoch * steps_per_epoch for epoch in options.milestones],
            gamma=options.gamma,
        )

    def factor(self, step: int) -> float:
        """Return the factor for one step, in [0, 1]; steps count from 0."""
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        return warmup * SCHEDULES[self.kind](self, step)

    def apply(self, optimizer: Optimizer, step: int) -> None:
        """Set the learning rates of a step."""
        factor = self.factor(step)
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] * factor


def _cosine(schedule: Schedule, step: int) -> float:
    """Fall to 0 at `t_max` and stay there; it never climbs again."""
    progress = (step - schedule.warmup_steps) / max(1, schedule.t_max - schedule.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * min(1.0, max(0.0, progress))))


def _multi_step(schedule: Schedule, step: int) -> float:
    return schedule.gamma ** sum(step >= milestone for milestone in schedule.milestones)


def _constant(schedule: Schedule, step: int) -> float:
    return 1.0


SCHEDULES: dict[str, Callable[[Schedule, int], float]] = {
    "cosine": _cosine,
    "multi-step": _multi_step,
    "none": _constant,
}


def clip_gradients(modules: nn.Module, max_norm: float) -> Tensor:
    """Scale the gradients down so that their common norm is at most `max_norm`; 0 leaves them.

    Returns:
        (), the norm before.
    """
    return nn.utils.clip_grad_norm_(modules.parameters(), max_norm or math.inf)
