"""Recognising weights without a description: their net, width and classes, from the tensors."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import AbstractSet, Mapping, NamedTuple

import torch
from torch import Tensor

from vision.checkpoints.description import Description, describe_bare
from vision.checkpoints.own_labels import names_beside, own_class_names
from vision.ssd import NETS, create_net, resolve_net
from vision.ssd.config import SSDConfig
from vision.utils.overrides import Overrides

# Width multipliers to try, in percent, the usual ones first.
WIDTH_PERCENTS = sorted(range(10, 205, 5), key=lambda percent: abs(percent - 100))


def recognise(weights: Mapping[str, Tensor], path: Path, overrides: Overrides) -> Description:
    """Describe weights that carry no description, with the normalisation that upstream used.

    Class names come from `overrides.labels`, or from the labels.txt beside `path`.

    Raises:
        ValueError: naming `path`, if the weights are of no net here, or the labels do not fit.
    """
    name = _net_of(weights, path, overrides.net)
    resolution = overrides.resolution or 300
    num_classes = count_classes(weights, NETS[name].config(resolution))
    if not num_classes:
        raise ValueError(
            f"{path} has no prediction heads, so it is no {name}; a backbone is for --base-net"
        )
    class_names = tuple(own_class_names(path, overrides.labels, num_classes))
    width_mult = overrides.mb2_width_mult or 1.0
    if NETS[name].has_width_mult and overrides.mb2_width_mult is None:
        width_mult = recognise_width(name, weights)
    return describe_bare(name, class_names, resolution, width_mult)


class Origin(NamedTuple):
    """What weights are of, as far as can be told."""

    net: str  # a key of NETS
    num_classes: int  # BACKGROUND among them; 0 without heads
    class_names: tuple[str, ...] | None  # BACKGROUND first


def origin_of(
    weights: Mapping[str, Tensor], description: Description | None, path: Path, usual: str
) -> Origin:
    """Tell of which net weights are, and of which classes: from the file, or what lies beside it.

    Args:
        weights: of the file.
        description: that the file carries, if it does.
        path: of the file; a labels.txt beside it names the classes of weights without description.
        usual: a key of NETS, the net that tensors of no net are taken for.
    """
    if description is not None:
        return Origin(description.net, len(description.class_names), description.class_names)
    net = find_net(weights) or usual
    num_classes = count_classes(weights, NETS[net].config(300))
    return Origin(net, num_classes, names_beside(path, num_classes))


def count_classes(weights: Mapping[str, Tensor], config: SSDConfig) -> int:
    """Return how many classes the heads of weights have, with BACKGROUND; 0 without heads.

    The last head tells, which is one convolution in every net.
    """
    head = weights.get(f"classification_headers.{len(config.prior_specs) - 1}.weight")
    if head is None or not head.ndim:
        return 0
    return len(head) // config.prior_specs[-1].priors_per_cell


def _net_of(weights: Mapping[str, Tensor], path: Path, named: str | None) -> str:
    """Return the net that was named, if the tensors are not those of another one."""
    if not named:
        return recognise_net(weights, path)
    name, found = resolve_net(named), find_net(weights)
    if found is not None:
        require_net(path, found, name)
    return name


def require_net(path: Path, net: str, named: str) -> None:
    """Check that weights are of the net that was named for them.

    Raises:
        ValueError: naming the file and both nets.
    """
    if resolve_net(named) != net:
        raise ValueError(f"{path} is a {net}, not a {named}; name that net, or leave --net out")


def find_net(weights: Mapping[str, Tensor]) -> str | None:
    """Tell from the tensor names which net the weights belong to; None if they belong to none."""
    names = _names_of_any_width(weights)
    return next((net for net, its in _names_by_net().items() if its == names), None)


@lru_cache(maxsize=None)
def _names_by_net() -> Mapping[str, AbstractSet[str]]:
    with torch.device("meta"):
        return {name: _names_of_any_width(create_net(name, 2).state_dict()) for name in NETS}


def recognise_net(weights: Mapping[str, Tensor], path: Path) -> str:
    """Tell from the tensor names which net the weights belong to.

    Raises:
        ValueError: if they belong to none.
    """
    found = find_net(weights)
    if found is not None:
        return found
    raise ValueError(
        f"the {len(weights)} tensors of {path} are those of no net here ({', '.join(NETS)}); "
        "if it is a backbone, train with --base-net"
    )


def _names_of_any_width(weights: Mapping[str, Tensor]) -> set[str]:
    """Return the names without MobileNetV3's shortcuts, of which some exist at some widths only."""
    return {name for name in weights if ".shortcut." not in name}


def recognise_width(name: str, weights: Mapping[str, Tensor]) -> float:
    """Tell from the tensor shapes of the backbone which width multiplier it has; 1.0 if none."""
    shapes = _backbone_shapes(weights)
    for percent in WIDTH_PERCENTS:
        with torch.device("meta"):
            state = create_net(name, 2, width_mult=percent / 100).state_dict()
        if _backbone_shapes(state) == shapes:
            return percent / 100
    return 1.0


def _backbone_shapes(weights: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in weights.items() if name.startswith("base_net.")}
