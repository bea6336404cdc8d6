"""mb3-large-ssd-lite and mb3-small-ssd-lite: the two MobileNetV3 backbones."""

from __future__ import annotations

from functools import partial

from torch import nn

from vision.nn.mobilenetv3 import Block, mobilenet_v3_large_layers, mobilenet_v3_small_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_bn_head
from vision.ssd.ssd import SSD, Stages


def create_mobilenetv3_large_ssd_lite(
    num_classes: int, config: SSDConfig, width_mult: float = 1.0
) -> SSD:
    """Build mb3-large-ssd-lite with untrained weights; `width_mult` scales the backbone."""
    return _create(num_classes, config, mobilenet_v3_large_layers(width_mult), tapped=14)


def create_mobilenetv3_small_ssd_lite(
    num_classes: int, config: SSDConfig, width_mult: float = 1.0
) -> SSD:
    """Build mb3-small-ssd-lite with untrained weights; `width_mult` scales the backbone."""
    return _create(num_classes, config, mobilenet_v3_small_layers(width_mult), tapped=10)


def _create(num_classes: int, config: SSDConfig, base_net: nn.Sequential, tapped: int) -> SSD:
    """Put a head on layer `tapped`, the last of stride 16, and on the end of the backbone."""
    last = base_net[-3].out_channels
    extras = [
        Block(last, 256, 512, stride=2),
        Block(512, 128, 256, stride=2),
        Block(256, 128, 256, stride=2),
        Block(256, 64, 64, stride=2),
    ]
    channels = (base_net[tapped].conv3.out_channels, last, 512, 256, 256, 64)
    stages = partial(_stages, tapped=tapped)
    return SSD(config, num_classes, base_net, stages, extras, channels, lite_bn_head)


def _stages(base_net: nn.Sequential, tapped: int) -> Stages:
    layers = list(base_net)
    return layers[: tapped + 1], layers[tapped + 1 :], ()
