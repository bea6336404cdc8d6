"""vgg16-ssd: the net of the SSD paper."""

from __future__ import annotations

from torch import nn

from vision.nn.vgg import vgg16_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import conv_head, extra_layer
from vision.ssd.ssd import SSD, Stages


def create_vgg_ssd(num_classes: int, config: SSDConfig) -> SSD:
    """Build vgg16-ssd with untrained weights."""
    extras = [
        extra_layer(1024, 256, 512),
        extra_layer(512, 128, 256),
        extra_layer(256, 128, 256, stride=1, padding=0),
        extra_layer(256, 128, 256, stride=1, padding=0),
    ]
    # Where the paper scales conv4_3 by its L2 norm, the published weights have batch norm.
    add_ons = [nn.BatchNorm2d(512)]
    channels = (512, 1024, 512, 256, 256, 256)
    return SSD(config, num_classes, vgg16_layers(), _stages, extras, channels, conv_head, add_ons)


def _stages(base_net: nn.Sequential) -> Stages:
    """Put heads on conv4_3, of stride 8, and on fc7, of stride 16."""
    layers = list(base_net)
    return layers[:23], layers[23:], ()
