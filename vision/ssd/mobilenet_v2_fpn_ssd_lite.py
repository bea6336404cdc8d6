"""mb2-fpn-ssd-lite: MobileNetV2 with a feature pyramid, for small objects."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor, nn

from vision.nn.mobilenet_v2 import conv_bn_relu6, mobilenet_v2_layers
from vision.ssd.config import SSDConfig
from vision.ssd.heads import lite_bn_head
from vision.ssd.ssd import SSD, Stages, last_convolution

WIDTH = 128  # channels of every map
PYRAMID_MAPS = 3  # those of the backbone; the others are the coarsest one, halved again and again


class PyramidSSD(SSD):
    """An SSD whose maps each know what the coarser ones have seen (Lin et al. 2017).

    The first PYRAMID_MAPS add-ons bring the backbone's maps to WIDTH channels. Then each map is
    added to the next finer one, and the other add-ons smooth the sums.
    """

    def combine(self, maps: Sequence[Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the maps of the pyramid, and the coarsest of them for the first extra layer."""
        add_ons = list(self.source_layer_add_ons)
        laterals, smoothing = add_ons[:PYRAMID_MAPS], add_ons[PYRAMID_MAPS:]
        sums: list[Tensor] = []  # the coarsest first
        for lateral, one in zip(laterals[::-1], maps[::-1]):
            narrow = lateral(one)
            sums.append(narrow + _twice(sums[-1], narrow) if sums else narrow)
        pyramid = [smooth(one) for smooth, one in zip(smoothing, sums[::-1])]
        return pyramid, pyramid[-1]


def create_mobilenetv2_fpn_ssd_lite(
    num_classes: int, config: SSDConfig, width_mult: float = 1.0
) -> SSD:
    """Build mb2-fpn-ssd-lite with untrained weights; `width_mult` scales the backbone's channels.

    Layers and widths are like those of SSDLite with a feature pyramid in TensorFlow's model zoo.
    """
    base_net = mobilenet_v2_layers(width_mult)
    taps = [last_convolution(stage).out_channels for stage in _stages(base_net)[:PYRAMID_MAPS]]
    laterals = [nn.Sequential(*conv_bn_relu6(channels, WIDTH)[:2]) for channels in taps]
    smoothing = [_separable_bn(stride=1) for _ in taps]
    extras = [_separable_bn(stride=2) for _ in config.prior_specs[PYRAMID_MAPS:]]
    channels = [WIDTH] * len(config.prior_specs)
    add_ons = [*laterals, *smoothing]
    return PyramidSSD(
        config, num_classes, base_net, _stages, extras, channels, lite_bn_head, add_ons
    )


def _stages(base_net: nn.Sequential) -> Stages:
    """Take the maps of strides 8, 16 and 32 from the backbone."""
    layers = list(base_net)
    return layers[:7], layers[7:14], layers[14:], ()


def _separable_bn(stride: int) -> nn.Sequential:
    """Build a 3x3 convolution of each channel by itself, then a 1x1 one across them."""
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH, 3, stride, padding=1, groups=WIDTH, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU6(inplace=True),
        *conv_bn_relu6(WIDTH, WIDTH),
    )


def _twice(coarse: Tensor, fine: Tensor) -> Tensor:
    """Return a map twice as large, cut to the size of the finer one, which may be odd.

    Each cell becomes four. Not interpolate: as ONNX's Resize, TensorRT 7.1 cannot read it.
    """
    batch, channels, height, width = coarse.shape
    wide = torch.stack([coarse, coarse], dim=4).reshape(batch, channels, height, 2 * width)
    high = torch.stack([wide, wide], dim=3).reshape(batch, channels, 2 * height, 2 * width)
    return high[:, :, : fine.shape[2], : fine.shape[3]]
