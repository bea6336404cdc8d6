"""sq-ssd-lite: SqueezeNet 1.1 with separable extra layers and heads."""

from __future__ import annotations

from torch import nn

from vision.nn.squeezenet import squeezenet_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_extra_layer, lite_head
from vision.ssd.ssd import SSD, Stages


def create_squeezenet_ssd_lite(num_classes: int, config: SSDConfig) -> SSD:
    """Build sq-ssd-lite with untrained weights."""
    extras = [
        lite_extra_layer(512, 256, 512, padding=2),
        lite_extra_layer(512, 256, 512),
        lite_extra_layer(512, 128, 256),
        lite_extra_layer(256, 128, 256),
        lite_extra_layer(256, 128, 256),
    ]
    channels = (512, 512, 512, 256, 256, 256)
    return SSD(config, num_classes, squeezenet_layers(), _stages, extras, channels, lite_head)


def _stages(base_net: nn.Sequential) -> Stages:
    """Put one head on the backbone, before its last Fire, which only the extra layers look at."""
    layers = list(base_net)
    return layers[:12], layers[12:]
