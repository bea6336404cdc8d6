"""The small layers of an SSD: prediction heads, and the extra layers behind the backbone.

A head is built from (in_channels, out_channels, is_last): on the last map, a single cell, the lite
nets have a plain 1x1 convolution.
"""

from __future__ import annotations

from torch import nn


def conv_head(in_channels: int, out_channels: int, is_last: bool) -> nn.Module:
    """Build a plain 3x3 convolution."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def lite_head(in_channels: int, out_channels: int, is_last: bool) -> nn.Module:
    """Build a separable convolution, or a 1x1 one on the last map."""
    if is_last:
        return nn.Conv2d(in_channels, out_channels, 1)
    return separable_conv(in_channels, out_channels)


def lite_bn_head(in_channels: int, out_channels: int, is_last: bool) -> nn.Module:
    """Build a separable convolution with batch norm inside, or a 1x1 one on the last map."""
    if is_last:
        return nn.Conv2d(in_channels, out_channels, 1)
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels),
        nn.BatchNorm2d(in_channels),
        nn.ReLU6(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def separable_conv(
    in_channels: int, out_channels: int, stride: int = 1, padding: int = 1
) -> nn.Sequential:
    """Build a 3x3 convolution of each channel by itself, then a 1x1 one across them."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding, groups=in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1),
    )


def extra_layer(
    in_channels: int, hidden: int, out_channels: int, stride: int = 2, padding: int = 1
) -> nn.Sequential:
    """Build a layer that makes the next, smaller map: 1x1 to `hidden` channels, then 3x3."""
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, 1),
        nn.ReLU(inplace=True),
        nn.Conv2d(hidden, out_channels, 3, stride, padding),
        nn.ReLU(inplace=True),
    )


def lite_extra_layer(
    in_channels: int, hidden: int, out_channels: int, padding: int = 1
) -> nn.Sequential:
    """Build an extra layer with a separable 3x3 convolution, and no activation behind it."""
    return nn.Sequential(
        nn.Conv2d(in_channels, hidden, 1),
        nn.ReLU(inplace=True),
        separable_conv(hidden, out_channels, stride=2, padding=padding),
    )
