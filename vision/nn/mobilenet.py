"""MobileNetV1 (Howard et al. 2017, table 1), without its classifier."""

from __future__ import annotations

from torch import nn

# (output channels, stride) of the depthwise separable blocks.
MOBILENET_V1_BLOCKS = [
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2),
    (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1),
]  # fmt: skip


def mobilenet_v1_layers() -> nn.Sequential:
    """Build the 14 layers of MobileNetV1; layer 11 ends at stride 16 (512 channels), 13 at 32."""
    layers = [
        nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
        )
    ]
    in_channels = 32
    for out_channels, stride in MOBILENET_V1_BLOCKS:
        layers.append(depthwise_separable(in_channels, out_channels, stride))
        in_channels = out_channels
    return nn.Sequential(*layers)


def depthwise_separable(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    """Build a 3x3 convolution of each channel by itself and a 1x1 convolution across them."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
