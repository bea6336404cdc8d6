"""Torchvision's ImageNet weights, converted for the backbones here.

First the tables: which layer of torchvision's classifiers is which layer of a backbone. MobileNetV1
is not among torchvision's nets. Then the conversion: torchvision trained on (p / 255 - MEAN) /
DEVIATION, a detector sees (p - mean) / std. The difference goes into the first convolution. That is
exact except at the border of a picture: the pixels beyond it had the mean colour of ImageNet, and
now have the detector's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.nn.mobilenet_v2 import MOBILENET_V2_BLOCKS
from vision.nn.mobilenetv3 import (
    MOBILENET_V3_LARGE_BLOCKS,
    MOBILENET_V3_SMALL_BLOCKS,
    InvertedResidualV3,
)
from vision.ssd.config import SSDConfig
from vision.ssd.ssd import SSD

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of pixels in [0, 1]
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
HARDSWISH_DEPTH = 0.375  # the least value of Hardswish is minus this
# The input of a hard sigmoid whose output is 0.9: near 1, and where the slope is not yet 0.
NEUTRAL_EXCITATION = 2.4

LAYER_TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
# Layers of an inverted residual of MobileNetV2: name in its `conv` here -> torchvision's.
V2_BLOCK = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}
V2_BLOCK_WITHOUT_WIDENING = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}


@dataclass(frozen=True)
class TorchvisionBackbone:
    """One of torchvision's nets, and which of its layers are which layers here."""

    model: str  # a function of torchvision.models
    layers: Mapping[str, str]  # name in `base_net` -> torchvision's name
    norm_epsilon: float = 1e-5  # of its batch norms

    def is_for(self, base_net: nn.Sequential) -> bool:
        """Return whether a backbone has all these layers."""
        own = base_net.state_dict()
        return all(f"{name}.weight" in own for name in self.layers)

    def holds(self, weights: Mapping[str, Tensor]) -> bool:
        """Return whether a state dict is one of this net of torchvision's."""
        return all(f"{name}.weight" in weights for name in self.layers.values())

    def rename(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of torchvision's state dict under their names in `base_net`."""
        return {
            f"{own}.{tensor}": weights[f"{theirs}.{tensor}"]
            for own, theirs in self.layers.items()
            for tensor in LAYER_TENSORS
            if f"{theirs}.{tensor}" in weights
        }


def _v2_layers() -> dict[str, str]:
    table = {f"{layer}.{i}": f"features.{layer}.{i}" for layer in (0, 18) for i in (0, 1)}
    num_blocks = sum(repeats for _, _, repeats, _ in MOBILENET_V2_BLOCKS)
    for block in range(1, num_blocks + 1):
        names = V2_BLOCK if block > 1 else V2_BLOCK_WITHOUT_WIDENING
        table.update(
            {f"{block}.conv.{own}": f"features.{block}.conv.{i}" for own, i in names.items()}
        )
    return table


def _v3_layers(blocks: list[tuple], same: int) -> dict[str, str]:
    """Pair the stem, the first `same` blocks, and, if those are all, the last layer.

    Two things have no pair. Torchvision's squeeze-and-excite stands before the projection and works
    on other channels; and its first block does not widen.
    """
    table = {"0": "features.0.0", "1": "features.0.1"}
    for i, (_, _, _, _, squeeze_excite, _) in enumerate(blocks[:same]):
        theirs = ["0", "1", "3" if squeeze_excite else "2"]
        parts = ["1", "2", "3"]
        if i == 0:
            theirs, parts = ["0", "2" if squeeze_excite else "1"], ["2", "3"]
        for part, j in zip(parts, theirs):
            table[f"{i + 3}.conv{part}"] = f"features.{i + 1}.block.{j}.0"
            table[f"{i + 3}.bn{part}"] = f"features.{i + 1}.block.{j}.1"
    if same == len(blocks):
        table[f"{same + 3}"] = f"features.{same + 1}.0"
        table[f"{same + 4}"] = f"features.{same + 1}.1"
    return table


# VGG's convolutions; fc6 and fc7 are made of larger layers of the classifier.
VGG16_PAIRS = {
    **{f"{i}": f"features.{i}" for i in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)},
    "31": "classifier.0",
    "33": "classifier.3",
}
FIRE_PARTS = [
    f"{fire}.{part}"
    for fire in (3, 4, 6, 7, 9, 10, 11, 12)
    for part in ("squeeze", "expand1x1", "expand3x3")
]
MOBILENET_V2 = TorchvisionBackbone("mobilenet_v2", _v2_layers())  # of two nets
# In each table the first layer sees the picture, and the second is its batch norm if it has one.
TORCHVISION = {
    "mb2-ssd-lite": MOBILENET_V2,
    "mb2-fpn-ssd-lite": MOBILENET_V2,
    # Block 13 here has stride 1 and 14 has stride 2; torchvision's 13 has stride 2 and there is no
    # such 14. The kernels of 13 fit; from 14 on the layers mean something else and start untrained.
    "mb3-large-ssd-lite": TorchvisionBackbone(
        "mobilenet_v3_large", _v3_layers(MOBILENET_V3_LARGE_BLOCKS, same=13), 1e-3
    ),
    "mb3-small-ssd-lite": TorchvisionBackbone(
        "mobilenet_v3_small", _v3_layers(MOBILENET_V3_SMALL_BLOCKS, same=11), 1e-3
    ),
    "sq-ssd-lite": TorchvisionBackbone(
        "squeezenet1_1", {name: f"features.{name}" for name in ["0", *FIRE_PARTS]}
    ),
    "vgg16-ssd": TorchvisionBackbone("vgg16", VGG16_PAIRS),
}


def find_backbone(
    base_net: nn.Sequential, weights: Mapping[str, Tensor]
) -> TorchvisionBackbone | None:
    """Return the net of torchvision's that a state dict belongs to, if it fits the backbone."""
    for backbone in TORCHVISION.values():
        if backbone.is_for(base_net) and backbone.holds(weights):
            return backbone
    return None


@torch.no_grad()
def convert(
    weights: Mapping[str, Tensor], backbone: TorchvisionBackbone, net: SSD, source: str | Path
) -> dict[str, Tensor]:
    """Return the tensors of the net's `base_net` that torchvision's state dict gives.

    Raises:
        ValueError: naming `source`, if the shapes are those of another width.
    """
    given = backbone.rename(weights)
    _subsample_fully_connected(given)
    own = net.base_net.state_dict()
    require_shapes(given, own, source)
    given = {name: tensor.clone() for name, tensor in given.items()}
    for name, layer in net.base_net.named_modules():
        if isinstance(layer, nn.BatchNorm2d) and name in backbone.layers:
            given[f"{name}.running_var"] += backbone.norm_epsilon - layer.eps
    _fold_normalisation(given, list(backbone.layers)[:2], net.config)
    for name, layer in net.base_net.named_children():
        if isinstance(layer, InvertedResidualV3) and f"{name}.conv3" in backbone.layers:
            for added in (f"{name}.shortcut.1.weight", f"{name}.shortcut.1.bias"):
                if added in own:  # the shortcut starts as zero, which changes nothing
                    given[added] = torch.zeros_like(own[added])
            if f"{name}.se.se.5.weight" in own:
                projection = backbone.layers[f"{name}.conv3"].split(".")  # features.K.block.J.0
                place = ".".join([*projection[:3], str(int(projection[3]) - 1)])
                _replace_squeeze_excite(given, name, layer, place, weights)
            if f"{name}.conv1" not in backbone.layers:
                _pass_through_widening(given, name, layer)
    return given


def require_shapes(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str | Path
) -> None:
    """Check that tensors have the shapes of a backbone's own.

    Raises:
        ValueError: naming the first that has not.
    """
    for name, tensor in weights.items():
        if tensor.shape != own[name].shape:
            raise ValueError(
                f"{source} is a backbone of another net or width: {name} is "
                f"{tuple(tensor.shape)}, here it must be {tuple(own[name].shape)}"
            )


def _subsample_fully_connected(given: dict[str, Tensor]) -> None:
    """Make fc6 and fc7 of a detector from those of a VGG-16 classifier (SSD paper, section 3).

    Take every fourth channel, and of fc6 every third of 7 x 7 pixels; its dilation spreads those
    over the same area again.
    """
    if "31.weight" in given and given["31.weight"].shape == (4096, 512 * 7 * 7):
        given["31.weight"] = given["31.weight"].unflatten(1, (512, 7, 7))[::4, :, ::3, ::3]
        given["33.weight"] = given["33.weight"][::4, ::4, None, None]
        for name in ("31.bias", "33.bias"):
            given[name] = given[name][::4]


def _fold_normalisation(given: dict[str, Tensor], first: list[str], config: SSDConfig) -> None:
    """Make the first layer answer to (p - mean) / std as it did to torchvision's pictures."""
    conv, norm = first
    mean, deviation = torch.tensor(IMAGENET_MEAN) * 255, torch.tensor(IMAGENET_DEVIATION) * 255
    scale = (config.image_std / deviation).view(1, 3, 1, 1)
    shift = ((torch.tensor(config.image_mean) - mean) / deviation).view(1, 3, 1, 1)
    kernel = given[f"{conv}.weight"]  # (channels, 3, height, width)
    response = (kernel * shift).sum(dim=(1, 2, 3))
    given[f"{conv}.weight"] = kernel * scale
    if f"{conv}.bias" in given:
        given[f"{conv}.bias"] += response
    else:
        given[f"{norm}.running_mean"] -= response


def _replace_squeeze_excite(
    given: dict[str, Tensor],
    name: str,
    block: InvertedResidualV3,
    place: str,
    weights: Mapping[str, Tensor],
) -> None:
    """Weigh channels by constants, where torchvision weighs them by what is in the picture.

    The constants are the answers of torchvision's squeeze-and-excite to the channel means that the
    batch norm before it promises. The squeeze-and-excite here stands behind the projection; it
    starts by weighing all channels alike.
    """

    def dense(layer: str, x: Tensor) -> Tensor:
        return weights[f"{place}.{layer}.weight"].flatten(1) @ x + weights[f"{place}.{layer}.bias"]

    means, _ = _moments(given[f"{name}.bn2.weight"], given[f"{name}.bn2.bias"], block.activation)
    excitation = F.hardsigmoid(dense("fc2", F.relu(dense("fc1", means))))
    given[f"{name}.conv3.weight"] *= excitation.view(1, -1, 1, 1)
    last = f"{name}.se.se.5"
    own = block.state_dict()
    start = torch.full_like(own["se.se.5.bias"], NEUTRAL_EXCITATION)
    given[f"{last}.weight"] = torch.zeros_like(own["se.se.5.weight"])
    given[f"{last}.bias"] = start
    for tensor in ("weight", "bias"):
        given[f"{name}.bn3.{tensor}"] /= F.hardsigmoid(start)


def _pass_through_widening(given: dict[str, Tensor], name: str, block: InvertedResidualV3) -> None:
    """Make the widening of the first block an identity, as torchvision's first block has none.

    Its input has passed Hardswish behind the stem's batch norm, so it is never below -3/8. Raised
    by 3/8 it passes ReLU unchanged, and the next batch norm takes the 3/8 away.
    """
    stem = "1"
    mean, variance = _moments(given[f"{stem}.weight"], given[f"{stem}.bias"], F.hardswish)
    given[f"{name}.conv1.weight"] = torch.eye(len(mean))[:, :, None, None]
    given[f"{name}.bn1.running_mean"] = mean
    given[f"{name}.bn1.running_var"] = variance
    given[f"{name}.bn1.weight"] = (variance + block.bn1.eps).sqrt()
    given[f"{name}.bn1.bias"] = mean + HARDSWISH_DEPTH
    raised = HARDSWISH_DEPTH * given[f"{name}.conv2.weight"].sum(dim=(1, 2, 3))
    given[f"{name}.bn2.running_mean"] += raised


def _moments(
    weight: Tensor, bias: Tensor, activation: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of an activation behind batch norm, for Gaussian input."""
    nodes = torch.linspace(-5, 5, 401)
    density = torch.exp(-nodes.square() / 2)
    density /= density.sum()
    values = activation(bias[:, None] + weight.abs()[:, None] * nodes)
    mean = values @ density
    return mean, ((values - mean[:, None]).square() @ density)
