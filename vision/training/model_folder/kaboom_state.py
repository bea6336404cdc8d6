"""COMBO_CHECKPOINT files of kaboom-labs' scripts: how far `--resume` can go on from one.

Such a file is a dict: "epoch" (the last one done), "weights" and "optimizer" (state dicts), and
"scheduler" where there was one. Beside it are labels.txt and training_args.json.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import Tensor
from torch.optim import Optimizer

from vision.checkpoints.description import Description
from vision.checkpoints.detector import load_strictly, recognise_net, recognise_width
from vision.checkpoints.weights_file import read_pth, read_weights
from vision.ssd import NETS
from vision.ssd.ssd import SSD
from vision.training.model_folder.state import Progress, SavedState, find_state
from vision.training.options import OPTIONS
from vision.training.steps import Training
from vision.utils.labels import read_labels

logger = logging.getLogger(__name__)

ARGUMENTS = "training_args.json"
HEADERS = ("regression_headers.", "classification_headers.")
EXTRAS = ("source_layer_add_ons.", "extras.")
# The groups of parameters, in their order, by how many there are: fewer where parts were frozen.
GROUPS = {
    3: (("base_net.",), EXTRAS, HEADERS),
    2: (EXTRAS, HEADERS),
    1: (HEADERS,),
}
RATES = ("lr", "extra_layers_lr", "base_net_lr")  # of the groups, from the last to the first
# What the optimizers gather about a parameter, in its shape.
GATHERED = ("exp_avg", "exp_avg_sq", "momentum_buffer")


@dataclass(frozen=True)
class ComboState(SavedState):
    """What such a file holds; a run goes on from it at the start of an epoch."""

    def restore(self, training: Training) -> None:
        """Put the weights and what fits of the optimizer's state into a fresh training.

        Say what is not taken, and why.
        """
        load_strictly(training.net, self.tensors["net"], self.tensors["path"])
        if training.average:
            training.average.net.load_state_dict(training.net.state_dict())
        start = f"Going on at the start of epoch {self.progress.epoch} with the weights"
        try:
            gathered = gathered_by_name(self.tensors["optimizer"], self.tensors["net"])
            put_gathered(training.optimizer, training.net, gathered)
        except ValueError as error:
            logger.warning("%s; the optimizer starts anew: %s", start, error)
        else:
            logger.info("%s and what the optimizer has gathered", start)


def find_resumable(path: Path) -> SavedState | None:
    """Read the state to go on from, of a run of this program or of kaboom-labs' scripts.

    None for a file that holds weights only.

    Raises:
        ValueError: if there is no file, or none that can be read.
    """
    return find_state(path) or (load_combo(path) if path.is_file() else None)


def load_combo(path: Path) -> ComboState | None:
    """Read a COMBO_CHECKPOINT; None for another file.

    Raises:
        ValueError: if it is damaged, or there is no labels.txt beside it.
    """
    content = read_pth(path)
    if not isinstance(content, Mapping) or not {"epoch", "weights", "optimizer"} <= set(content):
        return None
    if not content["optimizer"].get("param_groups"):
        raise ValueError(f"{path} has no state of an optimizer; use it with --pretrained-ssd")
    weights = read_weights(path)[0]
    net = recognise_net(weights, path)
    labels = path.with_name("labels.txt")
    if not labels.is_file():
        raise ValueError(
            f"to resume {path} there must be a labels.txt beside it, the one of its training; "
            "or start anew with --pretrained-ssd"
        )
    width = recognise_width(net, weights) if NETS[net].has_width_mult else 1.0
    description = Description(net, tuple(read_labels(labels)), NETS[net].config(300), width)
    # Its schedule is an object of Python code, which is not run to ask it what it is.
    schedule = {} if "scheduler" in content else {"scheduler": "none"}
    if not schedule:
        logger.warning("The schedule in %s is not taken: --scheduler and --t-max say it", path)
    arguments = {
        **schedule,
        **arguments_of(content["optimizer"]),
        **read_arguments(path.with_name(ARGUMENTS)),
        "net": net,
        "mb2_width_mult": width,
        "checkpoint_folder": str(path.resolve().parent),
    }
    tensors = {"net": weights, "optimizer": content["optimizer"], "path": path}
    return ComboState(description, Progress(epoch=int(content["epoch"]) + 1), arguments, tensors)


def read_arguments(path: Path) -> dict[str, Any]:
    """Return the options that training_args.json sets and that there are here; name the others.

    Raises:
        ValueError: if it is no JSON object.
    """
    if not path.is_file():
        logger.warning("There is no %s; options that are not typed have their defaults", path)
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} must be JSON, it is not: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold names and values, got {type(values).__name__}")
    values = {_plain(name): value for name, value in values.items()}
    # The folder may have been moved since; its files are beside the one that is resumed.
    values.pop("checkpoint_folder", None)
    known = {_plain(names[0]) for rows in OPTIONS.values() for names, _ in rows}
    taken = {name: value for name, value in values.items() if name in known}
    for name in ("dataset_type", "optim_choose"):
        if name in taken:
            taken[name] = str(taken[name]).lower()
    if "datasets" in taken:
        taken["datasets"] = [str(Path(folder).resolve()) for folder in taken["datasets"]]
    unknown = sorted(set(values) - known)
    logger.info(
        "Taken from %s: %s; not known here: %s",
        *(path, ", ".join(taken) or "nothing", ", ".join(unknown) or "nothing"),
    )
    return taken


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_")


def arguments_of(optimizer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are in an optimizer's groups, the rates before any schedule."""
    groups = optimizer["param_groups"]
    rates = [group.get("initial_lr", group["lr"]) for group in reversed(groups)]
    arguments: dict[str, Any] = dict(zip(RATES, rates))
    arguments["weight_decay"] = groups[-1]["weight_decay"]
    for name in ("momentum", "nesterov", "betas"):
        if name in groups[-1]:
            arguments[name] = groups[-1][name]
    if "betas" in arguments:
        arguments["betas"] = list(arguments["betas"])
    arguments["optim_choose"] = "adam" if "betas" in arguments else "sgd"
    return arguments


def gathered_by_name(
    optimizer: Mapping[str, Any], weights: Mapping[str, Tensor]
) -> dict[str, dict[str, Any]]:
    """Return what an optimizer has gathered about every parameter, by the parameter's name.

    Args:
        optimizer: its state dict, which knows parameters by their place.
        weights: of the net, in the order of the file.

    Raises:
        ValueError: if the numbers or the shapes of the parameters are others.
    """
    groups = optimizer["param_groups"]
    if len(groups) not in GROUPS:
        raise ValueError(f"its parameters are in {len(groups)} groups, not in 1 to 3")
    found = {}
    for group, prefixes in zip(groups, GROUPS[len(groups)]):
        names = [name for prefix in prefixes for name in _parameters(weights, prefix)]
        if len(names) != len(group["params"]):
            raise ValueError(
                f"{', '.join(prefixes)} have {len(names)} parameters, the optimizer has "
                f"{len(group['params'])}"
            )
        for name, number in zip(names, group["params"]):
            state = optimizer["state"].get(number, {})
            for kind in GATHERED:
                if state.get(kind) is not None and state[kind].shape != weights[name].shape:
                    raise ValueError(
                        f"{name} is {tuple(weights[name].shape)}, its {kind} is "
                        f"{tuple(state[kind].shape)}"
                    )
            found[name] = state
    return found


def _parameters(weights: Mapping[str, Tensor], prefix: str) -> list[str]:
    """Return the names of the parameters of a part of the net; what batch norm counts is none."""
    counted = ("running_mean", "running_var", "num_batches_tracked")
    return [name for name in weights if name.startswith(prefix) and not name.endswith(counted)]


def put_gathered(optimizer: Optimizer, net: SSD, gathered: Mapping[str, dict[str, Any]]) -> None:
    """Give an optimizer what another one of its kind has gathered, and nothing else of it.

    Raises:
        ValueError: if it is of another kind.
    """
    own = optimizer.state_dict()
    kinds = {"exp_avg", "exp_avg_sq"} if "betas" in own["param_groups"][0] else {"momentum_buffer"}
    others = {kind for state in gathered.values() for kind in GATHERED if kind in state}
    if not others <= kinds:
        raise ValueError(
            f"it gathered {' and '.join(sorted(others))}, this one {' and '.join(sorted(kinds))}; "
            "see --optim-choose"
        )
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    places = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    missing = [names[place] for place in places if names[place] not in gathered]
    if missing:
        raise ValueError(f"it knows nothing of {missing[0]}; see --freeze-base-net, --freeze-net")
    for number, place in enumerate(places):
        state = gathered[names[place]]
        kept = {kind: state[kind] for kind in kinds if state.get(kind) is not None}
        if kept and "step" in state:
            kept["step"] = torch.as_tensor(float(state["step"]))
        own["state"][number] = kept
    own["state"] = {number: state for number, state in own["state"].items() if state}
    optimizer.load_state_dict(own)
