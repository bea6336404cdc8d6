"""Torchvision's weights, made fit for the backbones here.

Torchvision's nets were trained on (p / 255 - MEAN) / DEVIATION; a detector sees (p - mean) / std.
The difference goes into the first convolution, exactly but for the pixels beyond the border, which
were the mean colour and are now the detector's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vision.checkpoints.backbone_tables import Backbone
from vision.nn.mobilenetv3 import Block
from vision.ssd.config import SSDConfig
from vision.ssd.ssd import SSD

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # RGB, of pixels in [0, 1]
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
HARDSWISH_DEPTH = 0.375  # minus its least value
# Before the hard sigmoid; it weighs by 0.9, near enough to 1 and not yet where it has no slope.
NEUTRAL_EXCITATION = 2.4


@torch.no_grad()
def convert(
    weights: Mapping[str, Tensor], backbone: Backbone, net: SSD, source: str | Path
) -> dict[str, Tensor]:
    """Return those tensors of the net's `base_net` that follow from a state dict of torchvision's.

    Raises:
        ValueError: naming `source`, if the shapes are those of another width.
    """
    given = backbone.rename(weights)
    _subsample_fully_connected(given)
    require_shapes(given, net.base_net.state_dict(), source)
    given = {name: tensor.clone() for name, tensor in given.items()}
    for name, layer in net.base_net.named_modules():
        if isinstance(layer, nn.BatchNorm2d) and name in backbone.layers:
            given[f"{name}.running_var"] += backbone.norm_epsilon - layer.eps
    _fold_normalisation(given, list(backbone.layers)[:2], net.config)
    for name, layer in net.base_net.named_children():
        if isinstance(layer, Block) and f"{name}.conv3" in backbone.layers:
            _adapt_block(given, name, layer, backbone, weights)
    return given


def require_shapes(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], source: str | Path
) -> None:
    """Check that tensors have the shapes of those of a backbone.

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

    Every fourth channel is taken, and of fc6 every third of 7 x 7 pixels, which its dilation
    spreads over the whole again.
    """
    if "31.weight" in given and given["31.weight"].shape == (4096, 512 * 7 * 7):
        given["31.weight"] = given["31.weight"].unflatten(1, (512, 7, 7))[::4, :, ::3, ::3]
        given["33.weight"] = given["33.weight"][::4, ::4, None, None]
        for name in ("31.bias", "33.bias"):
            given[name] = given[name][::4]


def _fold_normalisation(given: dict[str, Tensor], first: list[str], config: SSDConfig) -> None:
    """Let the first layer see (p - mean) / std as it saw torchvision's pictures."""
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


def _adapt_block(
    given: dict[str, Tensor],
    name: str,
    block: Block,
    backbone: Backbone,
    weights: Mapping[str, Tensor],
) -> None:
    """Bring what a block of MobileNetV3 has beyond torchvision's to where it changes nothing."""
    if len(block.shortcut):
        given[f"{name}.shortcut.1.weight"] = torch.zeros_like(block.shortcut[1].weight)
        given[f"{name}.shortcut.1.bias"] = torch.zeros_like(block.shortcut[1].bias)
    if not isinstance(block.se, nn.Identity):
        projection = backbone.layers[f"{name}.conv3"].split(".")  # features.K.block.J.0
        place = ".".join([*projection[:3], str(int(projection[3]) - 1)])
        _replace_squeeze_excite(given, name, block, place, weights)
    if f"{name}.conv1" not in backbone.layers:
        _pass_through_widening(given, name, block)


def _replace_squeeze_excite(
    given: dict[str, Tensor], name: str, block: Block, place: str, weights: Mapping[str, Tensor]
) -> None:
    """Weigh channels by constants, where torchvision weighs them by what is in the picture.

    The constants are what its squeeze-and-excite answers to the means that batch norm promises. Our
    own, which stands behind the projection, starts by weighing all channels alike.
    """
    means, _ = _moments(given[f"{name}.bn2.weight"], given[f"{name}.bn2.bias"], block.activation)
    squeezed = F.relu(_dense(weights, f"{place}.fc1", means))
    excitation = F.hardsigmoid(_dense(weights, f"{place}.fc2", squeezed))
    given[f"{name}.conv3.weight"] *= excitation.view(1, -1, 1, 1)
    last = block.se.se[5]
    start = torch.full_like(last.bias, NEUTRAL_EXCITATION)
    given[f"{name}.se.se.5.weight"] = torch.zeros_like(last.weight)
    given[f"{name}.se.se.5.bias"] = start
    for tensor in ("weight", "bias"):
        given[f"{name}.bn3.{tensor}"] /= F.hardsigmoid(start)


def _dense(weights: Mapping[str, Tensor], name: str, x: Tensor) -> Tensor:
    return weights[f"{name}.weight"].flatten(1) @ x + weights[f"{name}.bias"]


def _pass_through_widening(given: dict[str, Tensor], name: str, block: Block) -> None:
    """Make the widening of the first block, which torchvision's has not, an identity.

    What comes in has passed Hardswish behind the stem's batch norm; lifted by 3/8 it passes ReLU
    unchanged, and the next batch norm takes the 3/8 away.
    """
    stem = "1"
    mean, variance = _moments(given[f"{stem}.weight"], given[f"{stem}.bias"], F.hardswish)
    given[f"{name}.conv1.weight"] = torch.eye(len(mean))[:, :, None, None]
    given[f"{name}.bn1.running_mean"] = mean
    given[f"{name}.bn1.running_var"] = variance
    given[f"{name}.bn1.weight"] = (variance + block.bn1.eps).sqrt()
    given[f"{name}.bn1.bias"] = mean + HARDSWISH_DEPTH
    lifted = HARDSWISH_DEPTH * given[f"{name}.conv2.weight"].sum(dim=(1, 2, 3))
    given[f"{name}.bn2.running_mean"] += lifted


def _moments(weight: Tensor, bias: Tensor, activation) -> tuple[Tensor, Tensor]:
    """Return mean and variance (C,) of an activation behind batch norm, of Gaussian input."""
    nodes = torch.linspace(-5, 5, 401)
    density = torch.exp(-nodes.square() / 2)
    density /= density.sum()
    values = activation(bias[:, None] + weight.abs()[:, None] * nodes)
    mean = values @ density
    return mean, ((values - mean[:, None]).square() @ density)
