"""The weights that a training starts from: random ones, a backbone's, or another detector's."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Mapping, Sequence

import torch
from torch import Tensor, nn

from vision.checkpoints.recognition import Origin, origin_of
from vision.checkpoints.torchvision_backbones import (
    TORCHVISION,
    TorchvisionBackbone,
    convert,
    find_backbone,
    require_shapes,
)
from vision.checkpoints.weights_file import read_weights
from vision.ssd import NETS, create_net
from vision.ssd.ssd import SSD, last_convolution
from vision.utils.labels import BACKGROUND

logger = logging.getLogger(__name__)

# The classes of weights published for PASCAL VOC, which carry no names.
VOC_CLASS_NAMES = (
    BACKGROUND, "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
BACKBONE_PREFIXES = ("module.", "base_net.", "model.", "features.")
# Standard deviation of the weights of untrained heads. With a larger one, heads on maps of many
# channels give such extreme answers at first that the first training steps only undo them.
HEAD_DEVIATION = 0.001


def initialise(net: SSD) -> None:
    """Give every layer the weights that training from scratch starts from.

    Convolutions are drawn so that signals keep their size (He et al. 2015). Heads are drawn small,
    so that at first all classes are equally likely and every box is close to its prior.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for headers in (net.classification_headers, net.regression_headers):
        for head in headers:
            nn.init.normal_(last_convolution([head]).weight, std=HEAD_DEVIATION)


def load_base_net(net: SSD, path: str | Path) -> None:
    """Load the backbone from a classifier trained on ImageNet.

    The file may hold a state dict of torchvision's (see `load_imagenet`); one of this family, whose
    names may begin with `model.` or `features.`, or differ but stand in the same order; or a whole
    detector with the same backbone. The classifier behind the backbone is ignored; only VGG's
    becomes a part of the backbone.

    Raises:
        ValueError: if its layers are not those of the net's backbone.
    """
    weights, _ = read_weights(path)
    backbone = find_backbone(net.base_net, weights)
    if backbone:
        _load_torchvision(net, weights, backbone, path)
        return
    own = net.base_net.state_dict()
    given = _paired(weights, own)
    nets = [] if _same_shapes(given, own) else _nets_with_backbone(weights)
    if nets:
        raise ValueError(
            f"{path} is a backbone of another net: of {' or '.join(nets)}; type --net {nets[0]}, "
            "or name a backbone of this net with --base-net"
        )
    if len(given) < len(own):
        raise ValueError(
            f"{path} is a backbone of no net here (tensors: {len(weights)}, of this net's backbone "
            f"{len(own)}); --base-net takes weights trained on ImageNet for the same --net, and "
            "--base-net imagenet fetches torchvision's, where it has them"
        )
    require_shapes(given, own, path)
    net.base_net.load_state_dict(given)


def _nets_with_backbone(weights: Mapping[str, Tensor]) -> list[str]:
    """Return the nets, at their usual width, whose backbone a file holds."""
    found = []
    for name in NETS:
        with torch.device("meta"):
            base_net = create_net(name, 2).base_net
        own = base_net.state_dict()
        if find_backbone(base_net, weights) or _same_shapes(_paired(weights, own), own):
            found.append(name)
    return found


def _same_shapes(given: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Return whether tensors have the names and the shapes of a backbone's own."""
    return {name: one.shape for name, one in given.items()} == {
        name: one.shape for name, one in own.items()
    }


def _paired(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors under a backbone's own names: by their names, else in their order.

    The classifier comes last, and is left out. Where there are too few, some names are missing.
    """
    for prefix in BACKBONE_PREFIXES:
        weights = {
            name[len(prefix) :] if name.startswith(prefix) else name: tensor
            for name, tensor in weights.items()
        }
    if set(own) <= set(weights):
        return {name: weights[name] for name in own}
    return dict(zip(own, weights.values()))


def load_imagenet(net: SSD, name: str) -> None:
    """Load the backbone that torchvision has trained on ImageNet; torchvision may download it.

    mb2-ssd-lite, sq-ssd-lite and vgg16-ssd then compute torchvision's features, except at the
    border of the picture, and except that SqueezeNet's poolings end elsewhere. mb3-small-ssd-lite
    and the first half of mb3-large-ssd-lite compute them with torchvision's squeeze-and-excite
    replaced by its average.

    Args:
        name: a key of NETS, the net's.

    Raises:
        ValueError: if torchvision has no such backbone or cannot fetch it, saying how to go on.
    """
    if name not in TORCHVISION:
        raise ValueError(
            f"torchvision has no backbone of {name}, only of {', '.join(TORCHVISION)}; name a file "
            "with --base-net FILE, or leave --base-net out"
        )
    backbone = TORCHVISION[name]
    weights = _fetch(backbone.model)
    _load_torchvision(net, weights, backbone, f"torchvision's {backbone.model}")


def _fetch(model: str) -> Mapping[str, Tensor]:
    """Return weights that torchvision downloads, or has downloaded before."""
    try:
        from torchvision.models import get_model_weights

        weights = get_model_weights(model).IMAGENET1K_V1
    except (ImportError, RuntimeError) as error:
        raise ValueError(
            f"--base-net imagenet needs a torchvision that fits torch {torch.__version__}: {error}"
        ) from None
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError, HTTPException) as error:
        raise ValueError(
            f"torchvision cannot fetch {weights.url} ({error}); get it by other means and name it "
            "with --base-net FILE, or leave --base-net out"
        ) from None


def _load_torchvision(
    net: SSD, weights: Mapping[str, Tensor], backbone: TorchvisionBackbone, source: str | Path
) -> None:
    given = convert(weights, backbone, net, source)
    own = net.base_net.state_dict()
    net.base_net.load_state_dict({**own, **given})
    logger.info("Took %d of the backbone's %d tensors from %s.", len(given), len(own), source)


@dataclass(frozen=True)
class Transferred:
    """What was taken from a pretrained detector."""

    tensors: int
    of_tensors: int  # the number that the net has
    classes: tuple[str, ...]  # whose rows in the heads were taken

    def __str__(self) -> str:
        heads = f"heads of {', '.join(self.classes)}" if self.classes else "heads are new"
        return f"{self.tensors} of {self.of_tensors} tensors; {heads}"


@torch.no_grad()
def load_pretrained(
    net: SSD, name: str, path: str | Path, class_names: Sequence[str]
) -> Transferred:
    """Copy all tensors that fit from another detector; in the class heads, row by class name.

    The class names are those that the file says, else those of the labels.txt beside it. Without
    them, a file of 21 classes counts as trained on PASCAL VOC. From another one, no class is taken
    but BACKGROUND. From another net with the same backbone nothing else is taken: what of it fits
    has learnt with other layers.

    Args:
        net: that gets them.
        name: a key of NETS, the net's.
        path: the file of the detector.
        class_names: that the net learns, BACKGROUND first.

    Raises:
        ValueError: if the file cannot be read or is of a net with another backbone.
    """
    weights, description = read_weights(path)
    own = net.state_dict()
    _require_backbone(weights, own, path)
    origin = origin_of(weights, description, Path(path), name)
    if origin.net != name:
        logger.warning("%s is a %s; %s takes its backbone only", path, origin.net, name)
        backbone = {f"base_net.{one}": tensor for one, tensor in net.base_net.state_dict().items()}
        for one, tensor in backbone.items():
            tensor.copy_(weights[one])
        return Transferred(len(backbone), len(own), ())
    source = _names_or_places(origin)
    shared = [name for name in class_names if name in source]
    by_class = _tensors_by_class(net)
    taken, has_heads = 0, False
    for one, tensor in own.items():
        given = weights.get(one)
        if given is None:
            continue
        if one in by_class:
            if _has_rows_for(one, weights, own, len(source) / len(class_names)):
                _copy_rows(tensor, given, class_names, source)
                taken, has_heads = taken + 1, True
        elif given.shape == tensor.shape:
            tensor.copy_(given)
            taken += 1
    classes = tuple(one for one in shared if one != BACKGROUND) if has_heads else ()
    return Transferred(taken, len(own), classes)


def _require_backbone(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path
) -> None:
    """Refuse another net: some of its extra layers or heads may fit by chance."""
    for name, tensor in own.items():
        if name.startswith("base_net.") and (
            name not in weights or weights[name].shape != tensor.shape
        ):
            nets = _nets_with_backbone(weights)
            reason = f"but that of {' or '.join(nets)}" if nets else f"{name} is missing or differs"
            raise ValueError(
                f"{path} does not hold this net's backbone ({reason}); --pretrained-ssd takes an "
                "SSD of the same --net, --base-net a backbone alone"
            )


def _names_or_places(origin: Origin) -> tuple[str, ...]:
    """Return a name for each class of the heads: its own, or one that no class has."""
    if origin.class_names is not None or not origin.num_classes:
        return origin.class_names or ()
    if origin.num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return (BACKGROUND, *[f"unnamed class {i}" for i in range(1, origin.num_classes)])


def _tensors_by_class(net: SSD) -> set[str]:
    """Return the names of the tensors with rows for classes: the last layer of each class head."""
    last = [last_convolution([head]) for head in net.classification_headers]
    return {
        f"{name}.{tensor}"
        for name, module in net.named_modules()
        if any(module is one for one in last)
        for tensor in ("weight", "bias")
    }


def _has_rows_for(
    name: str, weights: Mapping[str, Tensor], own: Mapping[str, Tensor], times: float
) -> bool:
    """Say whether a layer's rows are of as many priors a cell, and of the same features.

    A bias fits any features, and means nothing without its weight.

    Args:
        name: of a tensor of the layer.
        weights: those given.
        own: the net's.
        times: how many times as many classes are given.
    """
    layer = name.rpartition(".")[0]
    for one in (f"{layer}.weight", f"{layer}.bias"):
        given, tensor = weights.get(one), own[one]
        if given is None or not given.ndim or given.shape[1:] != tensor.shape[1:]:
            return False
        if len(given) != round(len(tensor) * times):
            return False
    return True


def _copy_rows(
    tensor: Tensor, given: Tensor, class_names: Sequence[str], source: Sequence[str]
) -> None:
    """Copy rows of (priors_per_cell * C, ...) for the classes that both have."""
    rows = tensor.unflatten(0, (-1, len(class_names)))
    given_rows = given.unflatten(0, (-1, len(source)))
    for i, name in enumerate(class_names):
        if name in source:
            rows[:, i] = given_rows[:, list(source).index(name)]
