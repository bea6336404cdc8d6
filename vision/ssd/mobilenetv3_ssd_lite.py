"""mb3-large-ssd-lite and mb3-small-ssd-lite: the two MobileNetV3 backbones."""

from __future__ import annotations

from functools import partial

from torch import nn

from vision.nn.mobilenetv3 import (
    InvertedResidualV3,
    mobilenet_v3_large_layers,
    mobilenet_v3_small_layers,
)
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_bn_head
from vision.ssd.ssd import SSD, Stages, last_convolution


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
    stages = partial(_stages, tapped=tapped)
    first, last = (last_convolution(stage).out_channels for stage in stages(base_net)[:2])
    extras = [
        InvertedResidualV3(last, 256, 512, stride=2),
        InvertedResidualV3(512, 128, 256, stride=2),
        InvertedResidualV3(256, 128, 256, stride=2),
        InvertedResidualV3(256, 64, 64, stride=2),
    ]
    channels = (first, last, 512, 256, 256, 64)
    return SSD(config, num_classes, base_net, stages, extras, channels, lite_bn_head)


def _stages(base_net: nn.Sequential, tapped: int) -> Stages:
    layers = list(base_net)
    return layers[: tapped + 1], layers[tapped + 1 :], ()
