"""last.pth: all that a training run needs to go on as if it had never stopped.

No random state is among it: the order of the pictures and every augmentation follow from the seed,
the epoch and the number of the picture, and the nets draw nothing.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from vision.ssd.description import Description
from vision.utils.files import atomic_write

from .checkpoints import LAST, PREVIOUS
from .loop import LossMeter, Training
from .weights_file import describe, read_pth

logger = logging.getLogger(__name__)

STATE_FORMAT = 1


@dataclass
class Progress:
    """How far a run is."""

    epoch: int = 0  # the epoch that is running, or to be run next
    position: int = 0  # batches of it that are done
    loss_sums: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of those batches
    best_score: float = float("-inf")
    best_epoch: int = -1

    def begin(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch, self.position, self.loss_sums = epoch, 0, [0.0, 0.0]

    def reach(self, meter: LossMeter) -> None:
        """Note how far the epoch is."""
        self.position, self.loss_sums = meter.count, meter.sums.tolist()


@dataclass(frozen=True)
class SavedState:
    """What a last.pth holds."""

    description: Description
    progress: Progress
    arguments: dict[str, Any]
    tensors: dict[str, Any] = field(repr=False)  # of net, average and optimizer

    def restore(self, training: Training) -> None:
        """Put the weights, the averages, the optimizer and the step into a fresh training.

        Learning rates and the like stay those of the fresh training: they are its arguments.
        """
        training.net.load_state_dict(self.tensors["net"])
        _restore_optimizer(training.optimizer, self.tensors["optimizer"])
        training.step = self.tensors["step"]
        if training.average and self.tensors["average"] is not None:
            training.average.net.load_state_dict(self.tensors["average"])
            training.average.steps = self.tensors["average_steps"]


def _restore_optimizer(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Take over what the optimizer has gathered about every parameter, and nothing else.

    Raises:
        ValueError: if it gathers something else, or about other parameters.
    """
    if _gathers(saved["param_groups"]) != _gathers(optimizer.param_groups):
        raise ValueError(
            "the run to resume had another optimizer or other frozen parts; resume with its "
            "--optim and --freeze options, or start anew with --pretrained-ssd best.pth"
        )
    options = [
        {name: value for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    optimizer.load_state_dict(saved)
    for group, own in zip(optimizer.param_groups, options):
        group.update(own)


def _gathers(groups: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    """Return the number of parameters of each group, and whether squares of gradients are kept."""
    return [(len(group["params"]), "betas" in group) for group in groups]


def save_state(
    path: Path,
    training: Training,
    progress: Progress,
    description: Description,
    arguments: dict[str, Any],
) -> None:
    """Write a last.pth; what was there before becomes previous.pth, beside it."""
    average = training.average
    content = {
        "state_format": STATE_FORMAT,
        "description": description.to_dict(),
        "progress": dict(vars(progress)),
        "arguments": arguments,
        "net": training.net.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "step": training.step,
        "average": average.net.state_dict() if average else None,
        "average_steps": average.steps if average else 0,
    }
    with atomic_write(path) as temporary:
        torch.save(content, temporary)
        if path.is_file():
            path.replace(path.with_name(PREVIOUS))


def find_state(path: Path) -> SavedState | None:
    """Read the state of a run from its last.pth or its folder; None for a file of weights only.

    A last.pth that is missing or damaged gives way to the previous one, with a warning.

    Raises:
        ValueError: if there is no file, or none that can be read.
    """
    path = path / LAST if path.is_dir() else path
    previous = path.with_name(PREVIOUS)
    try:
        return load_state(path)
    except ValueError as error:
        if path.name != LAST or not previous.is_file():
            raise
        logger.warning("%s; going on from %s instead", error, previous)
        return load_state(previous)


def load_state(path: Path) -> SavedState | None:
    """Read a last.pth; None for a file that holds weights only.

    Raises:
        ValueError: if it is damaged, or a later version wrote it.
    """
    content = read_pth(path)
    if not isinstance(content, dict) or "state_format" not in content:
        return None
    if content["state_format"] != STATE_FORMAT:
        raise ValueError(
            f"{path} has state format {content['state_format']}, this program reads {STATE_FORMAT}"
        )
    tensors = {
        key: content[key] for key in ("net", "optimizer", "step", "average", "average_steps")
    }
    return SavedState(
        describe(content["description"], path),
        Progress(**content["progress"]),
        content["arguments"],
        tensors,
    )
