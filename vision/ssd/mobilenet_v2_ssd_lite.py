"""mb2-ssd-lite: MobileNetV2 with inverted residuals as extra layers."""

from __future__ import annotations

from torch import nn

from vision.nn.mobilenet_v2 import InvertedResidual, mobilenet_v2_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_bn_head
from vision.ssd.ssd import SSD, Stages, last_convolution


def create_mobilenetv2_ssd_lite(
    num_classes: int, config: SSDConfig, width_mult: float = 1.0
) -> SSD:
    """Build mb2-ssd-lite with untrained weights; `width_mult` scales the backbone's channels."""
    base_net = mobilenet_v2_layers(width_mult)
    widened, last = (last_convolution(stage).out_channels for stage in _stages(base_net)[:2])
    extras = [
        InvertedResidual(last, 512, stride=2, expansion=256 / last),
        InvertedResidual(512, 256, stride=2, expansion=0.25),
        InvertedResidual(256, 256, stride=2, expansion=0.5),
        InvertedResidual(256, 64, stride=2, expansion=0.25),
    ]
    channels = (widened, last, 512, 256, 256, 64)
    return SSD(config, num_classes, base_net, _stages, extras, channels, lite_bn_head)


def _stages(base_net: nn.Sequential) -> Stages:
    """Put heads on the widened channels inside block 14, of stride 16, and on the last layer.

    Block 14 has no shortcut, so running it in two parts is exact.
    """
    layers, opened = list(base_net), list(base_net[14].get_submodule("conv").children())
    return [*layers[:14], *opened[:3]], [*opened[3:], *layers[15:]], ()
