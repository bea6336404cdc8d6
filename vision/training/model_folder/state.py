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
from torch import Tensor
from torch.optim import Optimizer

from vision.checkpoints.description import Description
from vision.checkpoints.detector import BEST, LAST, PREVIOUS, require_fit
from vision.checkpoints.weights_file import describe, read_pth
from vision.training.options import TrainOptions
from vision.training.steps import LossMeter, Training
from vision.utils.facts import Kind, any_float, listed, named, or_none, read_facts
from vision.utils.files import atomic_write
from vision.utils.options import MAX_EPOCHS, Number, Whole, text
from vision.utils.text import shown

logger = logging.getLogger(__name__)

STATE_FORMAT = 1
ENDING = ".overwrite"  # beside a state that a run of several processes is about to remove
MOST_STEPS = 1 << 50


@dataclass
class Progress:
    """How far a run is."""

    epoch: int = 0  # the epoch that is running, or to be run next
    position: int = 0  # batches of it that are done
    loss_sums: list[float] = field(default_factory=lambda: [0.0, 0.0])  # of those batches
    skipped: int = 0  # of those batches, without a finite loss
    bad_batches: int = 0  # skipped in the whole run
    best_score: float = float("-inf")
    best_epoch: int = -1
    steps_per_epoch: int = 0
    judged_from: int = 0  # the first epoch whose score may be the best
    measured: str = ""  # what scores are of; "" in a state of an earlier version

    @classmethod
    def from_dict(cls, values: Any) -> Progress:
        """Return what a file says of a run.

        Raises:
            ValueError: if a number is missing, or cannot be.
        """
        count = Whole(0, MOST_STEPS)
        kinds: dict[str, Kind] = {
            "epoch": Whole(0, MAX_EPOCHS),
            "position": count,
            "loss_sums": lambda sums: list(listed(Number(), 2)(sums)),
            "skipped": count,
            "bad_batches": count,
            "best_score": _read_score,
            "best_epoch": Whole(-1, MAX_EPOCHS),
            "steps_per_epoch": count,
            "judged_from": Whole(0, MAX_EPOCHS),
            "measured": text,
        }
        later = ("judged_from", "measured")  # than some states
        progress = cls(**read_facts(values, kinds, "its progress", optional=later))
        if progress.position > progress.steps_per_epoch:
            raise ValueError(
                f"its progress: position must be at most {progress.steps_per_epoch}, the steps of "
                f"an epoch, got {progress.position}"
            )
        return progress

    def judge(self, score: float) -> bool:
        """Note the running epoch as the best if its score is; say whether it is."""
        is_best = score > self.best_score
        if is_best:
            self.best_score, self.best_epoch = score, self.epoch
        return is_best

    def judge_anew(self, why: str) -> None:
        """Look for the best epoch among those to come; patience begins anew too."""
        if self.best_epoch >= 0:
            logger.warning(
                "%s: the best epoch, %d until now, is looked for anew, from epoch %d on",
                why,
                self.best_epoch,
                self.epoch,
            )
        self.best_score, self.best_epoch, self.judged_from = float("-inf"), -1, self.epoch

    def begin(self, epoch: int) -> Progress:
        """Go to the start of an epoch."""
        self.epoch, self.position, self.loss_sums, self.skipped = epoch, 0, [0.0, 0.0], 0
        return self

    def reach(self, meter: LossMeter) -> Progress:
        """Note how far the epoch is."""
        self.position = meter.count
        self.loss_sums, self.skipped = meter.read()
        return self

    def meter(self, device: torch.device) -> LossMeter:
        """Return the sums of the epoch's losses so far."""
        return LossMeter(device, self.loss_sums, self.position, self.skipped)

    def fit_epochs(self, training: Training, steps_per_epoch: int) -> None:
        """Note the length of an epoch; if it has changed, go to the start of the one that ran."""
        if self.steps_per_epoch not in (0, steps_per_epoch):
            logger.warning(
                "An epoch now has %d steps; it had %d. Starting with epoch %d again",
                steps_per_epoch,
                self.steps_per_epoch,
                self.epoch,
            )
            self.begin(self.epoch)
            training.step = self.epoch * steps_per_epoch
        if not self.steps_per_epoch and not training.step:  # only the epoch is known
            training.step = self.epoch * steps_per_epoch
        self.steps_per_epoch = steps_per_epoch

    def is_out_of_patience(self, patience: int, validation_epochs: int) -> bool:
        """Say whether `patience` validations were no better; 0 is endless patience.

        Those before `judged_from` do not count.
        """
        first = max(self.best_epoch + 1, self.judged_from)
        waited = (self.epoch - 1) // validation_epochs - (first - 1) // validation_epochs
        return 0 < patience <= waited


@dataclass(frozen=True)
class SavedState:
    """What a last.pth holds."""

    description: Description
    progress: Progress
    arguments: dict[str, Any]
    tensors: dict[str, Any] = field(repr=False)  # of net, average and optimizer
    path: Path = Path(LAST)

    def restore(self, training: Training) -> None:
        """Put the weights, the averages, the optimizer and the step into a fresh training.

        Learning rates and the like stay those of the fresh training: they are its arguments.

        Raises:
            ValueError: if it is the state of another optimizer, or of other parameters.
        """
        training.net.load_state_dict(self.tensors["net"])
        _restore_optimizer(training.optimizer, self.tensors["optimizer"], self.path)
        training.engine.precision.load_state_dict(self.tensors["scaler"])
        training.step = self.tensors["step"]
        if training.average:  # one that begins now begins with the weights of now
            average = self.tensors["average"]
            training.average.net.load_state_dict(
                self.tensors["net"] if average is None else average
            )
            training.average.steps.fill_(self.tensors["average_steps"])


def _restore_optimizer(optimizer: Optimizer, saved: dict[str, Any], path: Path) -> None:
    """Take over the optimizer's state, but not its options.

    Raises:
        ValueError: if it is the state of another optimizer, or of other parameters.
    """
    if _fingerprint(saved["param_groups"]) != _fingerprint(optimizer.param_groups):
        raise ValueError(
            "the run to resume had another optimizer or other frozen parts; resume with its "
            "--optim and --freeze options, or start anew with --pretrained-ssd best.pth"
        )
    gathered = saved["state"]
    numbers = [number for group in saved["param_groups"] for number in group["params"]]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in zip(numbers, parameters):
        for name, tensor in gathered.get(number, {}).items():
            # Beside what it has gathered of each weight, Adam counts its steps.
            if tensor is not None and tensor.shape not in (parameter.shape, ()):
                raise ValueError(
                    f"{path} does not fit the net: the optimizer's {name} of parameter {number} is "
                    f"{tuple(tensor.shape)}, the parameter is {tuple(parameter.shape)}"
                )
    groups = [
        {**own, "params": group["params"]}
        for own, group in zip(optimizer.param_groups, saved["param_groups"])
    ]
    # Where a fused optimizer keeps the number of its steps follows from the options.
    optimizer.load_state_dict({"state": saved["state"], "param_groups": groups})


def _fingerprint(groups: list[dict[str, Any]]) -> list[tuple[int, bool]]:
    """Return the number of parameters of each group, and whether it is of Adam, not of SGD."""
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
        "scaler": training.engine.precision.state_dict(),
        "step": training.step,
        "average": average.net.state_dict() if average else None,
        "average_steps": int(average.steps) if average else 0,
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
    if not path.is_file() and not previous.is_file():
        raise ValueError(
            f"there is no file {path} to go on from; leave --resume out to begin a run, or name "
            "the model directory of one"
        )
    try:
        return load_state(path)
    except ValueError as error:
        if path.name != LAST or not previous.is_file():
            raise
        logger.warning("%s; going on from %s instead", error, previous)
        return load_state(previous)


def holds_run(folder: Path) -> bool:
    """Say whether a folder holds a run of which something was learnt, or may have been."""
    if (folder / BEST).exists():
        return True
    for path in (folder / LAST, folder / PREVIOUS):
        try:
            saved = load_state(path) if path.exists() else None
        except ValueError:
            return True  # of a later version, maybe
        if saved and (saved.progress.epoch or saved.progress.position):
            return True
    return False


def explain_run(folder: Path, weights: Path | None) -> str:
    """Return what to do where a folder holds a run that is not gone on with.

    Args:
        folder: of the run.
        weights: the file of weights that --resume names.
    """
    if weights and weights.parent.resolve() == folder.resolve():
        return (
            f"--resume={weights} names weights only, without the state of the run in {folder}; "
            f"type --resume without a file, or --resume={folder / LAST}, to go on exactly where it "
            "stopped, or begin anew with these weights by --overwrite or in another --model-dir"
        )
    return (
        f"--model-dir {folder} holds a run, whose weights would be overwritten; name another "
        "folder, go on with it by --resume, or begin anew there by --overwrite"
    )


def own_state_in(folder: Path, overwrites: bool) -> Path | None:
    """Return the folder if it holds a state of the run that torchrun has started again.

    With --overwrite the state may still be that of the run which is to end.
    """
    is_there = any((folder / name).is_file() for name in (LAST, PREVIOUS))
    is_old = overwrites and (folder / ENDING).exists()
    return folder if is_there and not is_old else None


def load_state(path: Path) -> SavedState | None:
    """Read a last.pth; None for a file that holds weights only.

    Raises:
        ValueError: if it is damaged, a later version wrote it, or something in it cannot be.
    """
    content = read_pth(path)
    if not isinstance(content, dict) or "state_format" not in content:
        return None
    if content["state_format"] != STATE_FORMAT:
        raise ValueError(
            f"{path} has state format {shown(content['state_format'])}, this program reads "
            f"{STATE_FORMAT}"
        )
    description = describe(content.get("description"), path)
    try:
        kinds: dict[str, Kind] = {
            "progress": Progress.from_dict,
            "arguments": _read_arguments,
            "net": named(_read_tensor),
            "optimizer": _read_optimizer,
            "scaler": named(any_float),
            "step": Whole(0, MOST_STEPS),
            "average": or_none(named(_read_tensor)),
            "average_steps": Whole(0, MOST_STEPS),
        }
        known = {n: v for n, v in content.items() if n not in ("state_format", "description")}
        facts = read_facts(known, kinds, "the state")
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from None
    with torch.device("meta"):
        own = description.create().state_dict()
    for name in ("net", "average"):
        if facts[name] is not None:
            require_fit(facts[name], own, path)
    progress, arguments = facts.pop("progress"), facts.pop("arguments")
    return SavedState(description, progress, arguments, facts, path)


def _read_score(value: Any) -> float:
    """Read a score; before the first validation it is minus infinity."""
    score = any_float(value)
    if score != float("-inf") and not abs(score) < float("inf"):
        raise ValueError(f"must be a finite number, got {score}")
    return score


def _read_arguments(values: Any) -> dict[str, Any]:
    arguments = named(lambda value: value)(values)
    TrainOptions.of(arguments)
    return arguments


def _read_tensor(value: Any) -> Tensor:
    if not isinstance(value, Tensor) or value.is_complex():
        raise ValueError(f"must be a tensor of numbers, got {shown(value)}")
    return value


def _read_optimizer(values: Any) -> dict[str, Any]:
    """Read what an optimizer has gathered, and the numbers of its parameters by group."""
    facts = read_facts(
        values,
        {"state": lambda state: state, "param_groups": listed(_read_group)},
        "(of the run)",
    )
    kinds: dict[str, Kind] = {"momentum_buffer": or_none(_read_tensor)}  # of SGD
    if any("betas" in group for group in facts["param_groups"]):
        kinds = dict.fromkeys(("step", "exp_avg", "exp_avg_sq"), _read_tensor)
    if not isinstance(facts["state"], dict):
        raise ValueError(f"must hold a state, got {shown(facts['state'])}")
    facts["state"] = {
        Whole(0)(number): read_facts(gathered, kinds, f"state {shown(number)}")
        for number, gathered in facts["state"].items()
    }
    return facts


def _read_group(values: Any) -> dict[str, Any]:
    group = named(lambda value: value)(values)
    if "params" not in group:
        raise ValueError("has a group without params")
    return {**group, "params": list(listed(Whole(0))(group["params"]))}
