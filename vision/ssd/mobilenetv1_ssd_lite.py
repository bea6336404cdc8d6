"""mb1-ssd-lite: MobileNetV1 with separable convolutions in the extra layers and heads."""

from __future__ import annotations

from vision.nn.mobilenet import mobilenet_v1_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_extra_layer, lite_head
from vision.ssd.mobilenetv1_ssd import MOBILENET_V1_CHANNELS, mobilenet_v1_stages
from vision.ssd.ssd import SSD


def create_mobilenetv1_ssd_lite(num_classes: int, config: SSDConfig) -> SSD:
    """Build mb1-ssd-lite with untrained weights."""
    extras = [
        lite_extra_layer(1024, 256, 512),
        lite_extra_layer(512, 128, 256),
        lite_extra_layer(256, 128, 256),
        lite_extra_layer(256, 128, 256),
    ]
    channels = MOBILENET_V1_CHANNELS
    base_net = mobilenet_v1_layers()
    return SSD(config, num_classes, base_net, mobilenet_v1_stages, extras, channels, lite_head)
