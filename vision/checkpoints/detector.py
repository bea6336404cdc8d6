"""From a file, or a folder of them, to a detector that works."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

import torch
from torch import Tensor

from vision.checkpoints.description import Description, describe_bare
from vision.checkpoints.weights_file import read_weights
from vision.ssd import NETS, create_net, resolve_net
from vision.ssd.ssd import SSD
from vision.utils.labels import read_labels, with_background

logger = logging.getLogger(__name__)

LAST = "last.pth"  # the training state
PREVIOUS = "previous.pth"  # the one before it
BEST = "best.pth"  # the best weights so far
LOSS_IN_NAME = re.compile(r"-Loss-([-+.\w]+?)\.pth$")


@dataclass(frozen=True)
class Detector:
    """A net with its weights, and the facts about it."""

    net: SSD
    description: Description
    path: Path


@dataclass(frozen=True)
class Overrides:
    """What the user says of a checkpoint; only weights without a description need any of it."""

    net: str | None = None
    labels: Path | None = None
    resolution: int | None = None
    width_mult: float | None = None


def load_detector(path: str | Path, overrides: Overrides | None = None) -> Detector:
    """Load a checkpoint: described, bare, or a COMBO_CHECKPOINT.

    A bare file's net, number of classes and width are read from its tensors. Its class names come
    from `overrides.labels`, or from the labels.txt beside it.

    Raises:
        ValueError: if it cannot be read, or does not fit what is said of it.
    """
    path, overrides = Path(path), overrides or Overrides()
    weights, description = read_weights(path)
    if description is None:
        description = _describe(path, weights, overrides)
    else:
        _compare(path, description, overrides)
    if overrides.resolution and overrides.resolution != description.config.image_size:
        trained = description.config.image_size
        description = description.at_resolution(overrides.resolution)
        logger.warning(
            "%s was trained at %d x %d; its accuracy at %d is unmeasured",
            *(path, trained, trained, overrides.resolution),
        )
    net = description.create()
    load_strictly(net, weights, path)
    return Detector(net.eval(), description, path)


def load_strictly(net: SSD, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights that must fit tensor by tensor.

    Raises:
        ValueError: naming the first tensors that are missing, unknown or of another shape.
    """
    own = net.state_dict()
    faults = [f"{name} is missing" for name in own if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in own]
    faults += [
        f"{name} is {tuple(weights[name].shape)}, the net's is {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if faults:
        more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
        raise ValueError(f"{path} does not fit the net: {'; '.join(faults[:3])}{more}")
    net.load_state_dict(weights)


def best_checkpoint(folder: str | Path) -> Path:
    """Choose the best weights in a model directory from what the files say.

    The best.pth of the latest run comes first, then files that say an mAP, then those that say a
    loss, inside or, in older folders, in their name. Files with a loss that is not a finite number
    are never chosen.

    Raises:
        ValueError: if there is no folder or no usable file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no model directory {folder}")
    files = [path for path in sorted(folder.glob("[!.]*.pth")) if path.name not in (LAST, PREVIOUS)]
    ranked = [(_rank(path), path) for path in files]
    usable = [(rank, path) for rank, path in ranked if rank is not None]
    if not usable:
        raise ValueError(
            f"no usable checkpoint in {folder} ({len(files)} .pth files, none with a finite loss "
            "or an mAP); train first, or name a file"
        )
    return max(usable, key=_first)[1]


def _first(pair: tuple) -> tuple:
    return pair[0]


def _rank(path: Path) -> tuple[int, float] | None:
    """Return what to sort by, greater is better, or None for a file that cannot be judged."""
    try:
        _, description = read_weights(path)
    except ValueError as error:
        logger.warning("%s", error)
        return None
    metrics = description.metrics if description else {}
    if "mAP" in metrics and math.isfinite(metrics["mAP"]):
        return 3 if path.name == BEST else 2, metrics["mAP"]
    loss = metrics.get("loss")
    if loss is None:
        in_name = LOSS_IN_NAME.search(path.name)
        try:
            loss = float(in_name.group(1)) if in_name else math.nan
        except ValueError:
            loss = math.nan
    return (3 if path.name == BEST else 1, -loss) if math.isfinite(loss) else None


def _describe(path: Path, weights: Mapping[str, Tensor], overrides: Overrides) -> Description:
    name = resolve_net(overrides.net) if overrides.net else recognise_net(weights, path)
    resolution = overrides.resolution or 300
    spec = NETS[name].config(resolution).prior_specs[-1]
    try:
        num_classes = _out_channels("classification", weights) // spec.priors_per_cell
    except KeyError:
        raise ValueError(
            f"{path} has no prediction heads, so it is no {name}; a backbone is for --base-net"
        ) from None
    class_names = _class_names(path, num_classes, overrides.labels)
    width_mult = overrides.width_mult or 1.0
    if NETS[name].has_width_mult and overrides.width_mult is None:
        width_mult = recognise_width(name, weights)
    return describe_bare(name, class_names, resolution, width_mult)


def _out_channels(kind: str, weights: Mapping[str, Tensor]) -> int:
    """Return the width of the last head, which is one convolution in every net."""
    return len(weights[f"{kind}_headers.5.weight"])


def recognise_net(weights: Mapping[str, Tensor], path: Path) -> str:
    """Tell from the tensor names which net the weights belong to.

    Raises:
        ValueError: if they belong to none.
    """
    names = _names_of_any_width(weights)
    for name in NETS:
        with torch.device("meta"):
            if _names_of_any_width(create_net(name, 2).state_dict()) == names:
                return name
    raise ValueError(
        f"the {len(weights)} tensors of {path} are those of no net here ({', '.join(NETS)}); "
        "if it is a backbone, train with --base-net"
    )


def _names_of_any_width(weights: Mapping[str, Tensor]) -> set[str]:
    """Leave out MobileNetV3's shortcuts, which have weights where a width changes the channels."""
    return {name for name in weights if ".shortcut." not in name}


def recognise_width(name: str, weights: Mapping[str, Tensor]) -> float:
    """Tell from the tensor shapes of the backbone which width multiplier it has; 1.0 if none."""
    shapes = _backbone_shapes(weights)
    for percent in sorted(range(10, 205, 5), key=_distance_from_100):
        with torch.device("meta"):
            state = create_net(name, 2, width_mult=percent / 100).state_dict()
        if _backbone_shapes(state) == shapes:
            return percent / 100
    return 1.0


def _backbone_shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items() if name.startswith("base_net.")}


def _distance_from_100(percent: int) -> int:
    return abs(percent - 100)


def _class_names(path: Path, num_classes: int, labels: Path | None) -> tuple[str, ...]:
    beside = path.with_name("labels.txt")
    labels = labels or (beside if beside.is_file() else None)
    if labels is None:
        raise ValueError(
            f"{path} does not say its class names and there is no {beside}; "
            f"name a file of {num_classes - 1} classes with --labels"
        )
    names = read_labels(labels)
    if len(names) != num_classes:
        raise ValueError(
            f"{path} has {num_classes} classes with BACKGROUND, {labels} lists {len(names)}; "
            "give the labels.txt that was written when it was trained"
        )
    return tuple(names)


def _compare(path: Path, description: Description, overrides: Overrides) -> None:
    """Refuse what contradicts a description, which knows better than an option."""
    if overrides.net and resolve_net(overrides.net) != description.net:
        raise ValueError(f"{path} is a {description.net}, not a {overrides.net}; leave --net out")
    if overrides.labels:
        names: Sequence[str] = with_background(read_labels(overrides.labels), overrides.labels)
        if tuple(names) != description.class_names:
            raise ValueError(
                f"{path} was trained on {', '.join(description.class_names[1:])}, "
                f"{overrides.labels} lists {', '.join(names[1:])}; leave --labels out"
            )
    if overrides.width_mult and overrides.width_mult != description.width_mult:
        raise ValueError(f"{path} has width multiplier {description.width_mult}; leave it out")
