"""mb1-ssd: MobileNetV1 with plain convolutions behind it, NVIDIA's tutorial net."""

from __future__ import annotations

from torch import nn

from vision.nn.mobilenet import mobilenet_v1_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import conv_head, extra_layer
from vision.ssd.ssd import SSD, Stages

MOBILENET_V1_CHANNELS = (512, 1024, 512, 256, 256, 256)


def create_mobilenetv1_ssd(num_classes: int, config: SSDConfig) -> SSD:
    """Build mb1-ssd with untrained weights."""
    extras = [
        extra_layer(1024, 256, 512),
        extra_layer(512, 128, 256),
        extra_layer(256, 128, 256),
        extra_layer(256, 128, 256),
    ]
    channels = MOBILENET_V1_CHANNELS
    base_net = mobilenet_v1_layers()
    return SSD(config, num_classes, base_net, mobilenet_v1_stages, extras, channels, conv_head)


def mobilenet_v1_stages(base_net: nn.Sequential) -> Stages:
    """Put heads on layer 11, of stride 16, and on the last layer, of stride 32."""
    layers = list(base_net)
    return layers[:12], layers[12:], ()
