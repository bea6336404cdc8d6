"""MobileNetV3 large and small (Howard et al. 2019, tables 1 and 2), as SSD checkpoints have them.

The published checkpoints differ from the paper in two ways. Squeeze-and-excite stands behind the
projection, with batch norm inside; and a block of stride 1 whose channels change has a 1x1
shortcut. Their tensors depend on both, so both are kept here.
"""

from __future__ import annotations

from torch import Tensor, nn

# (kernel, expanded channels, output channels, activation, squeeze-and-excite, stride)
MOBILENET_V3_LARGE_BLOCKS = [
    (3, 16, 16, nn.ReLU, False, 1),
    (3, 64, 24, nn.ReLU, False, 2),
    (3, 72, 24, nn.ReLU, False, 1),
    (5, 72, 40, nn.ReLU, True, 2),
    (5, 120, 40, nn.ReLU, True, 1),
    (5, 120, 40, nn.ReLU, True, 1),
    (3, 240, 80, nn.Hardswish, False, 2),
    (3, 200, 80, nn.Hardswish, False, 1),
    (3, 184, 80, nn.Hardswish, False, 1),
    (3, 184, 80, nn.Hardswish, False, 1),
    (3, 480, 112, nn.Hardswish, True, 1),
    (3, 672, 112, nn.Hardswish, True, 1),
    (5, 672, 160, nn.Hardswish, True, 1),
    (5, 672, 160, nn.Hardswish, True, 2),
    (5, 960, 160, nn.Hardswish, True, 1),
]
MOBILENET_V3_SMALL_BLOCKS = [
    (3, 16, 16, nn.ReLU, True, 2),
    (3, 72, 24, nn.ReLU, False, 2),
    (3, 88, 24, nn.ReLU, False, 1),
    (5, 96, 40, nn.Hardswish, True, 2),
    (5, 240, 40, nn.Hardswish, True, 1),
    (5, 240, 40, nn.Hardswish, True, 1),
    (5, 120, 48, nn.Hardswish, True, 1),
    (5, 144, 48, nn.Hardswish, True, 1),
    (5, 288, 96, nn.Hardswish, True, 2),
    (5, 576, 96, nn.Hardswish, True, 1),
    (5, 576, 96, nn.Hardswish, True, 1),
]


class SqueezeExcite(nn.Module):
    """Multiply each channel by a number in [0, 1], computed from the means of all channels."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.se = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // reduction, 1, bias=False),
            nn.BatchNorm2d(channels // reduction),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // reduction, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x * self.se(x)


class InvertedResidualV3(nn.Module):
    """Widen by 1x1, filter each channel, project by 1x1, weigh the channels, add what came in."""

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        activation: type[nn.Module] = nn.Hardswish,
        squeeze_excite: bool = False,
    ) -> None:
        super().__init__()
        # The order of these attributes is the order of the tensors in the published checkpoints.
        self.se = SqueezeExcite(out_channels) if squeeze_excite else nn.Identity()
        self.conv1 = nn.Conv2d(in_channels, expanded, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(expanded)
        self.conv2 = nn.Conv2d(
            expanded, expanded, kernel_size, stride, kernel_size // 2, groups=expanded, bias=False
        )
        self.bn2 = nn.BatchNorm2d(expanded)
        self.conv3 = nn.Conv2d(expanded, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.activation = activation(inplace=True)
        self.has_shortcut = stride == 1
        self.shortcut = nn.Sequential()
        if self.has_shortcut and in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H / stride, W / stride)."""
        out = self.activation(self.bn1(self.conv1(x)))
        out = self.activation(self.bn2(self.conv2(out)))
        out = self.se(self.bn3(self.conv3(out)))
        return out + self.shortcut(x) if self.has_shortcut else out


def mobilenet_v3_large_layers(width_mult: float = 1.0) -> nn.Sequential:
    """Build the 21 layers of MobileNetV3-large; layer 14 ends at stride 16, the last at 32."""
    return _mobilenet_v3_layers(MOBILENET_V3_LARGE_BLOCKS, 960, width_mult)


def mobilenet_v3_small_layers(width_mult: float = 1.0) -> nn.Sequential:
    """Build the 17 layers of MobileNetV3-small; layer 10 ends at stride 16, the last at 32."""
    return _mobilenet_v3_layers(MOBILENET_V3_SMALL_BLOCKS, 576, width_mult)


def scaled(channels: int, width_mult: float) -> int:
    """Scale a number of channels to the nearest multiple of 8, 8 at least (paper, section 5)."""
    return max(8, int(channels * width_mult / 8 + 0.5) * 8)


def _mobilenet_v3_layers(
    blocks: list[tuple], last_channels: int, width_mult: float
) -> nn.Sequential:
    in_channels = scaled(16, width_mult)
    layers: list[nn.Module] = [
        nn.Conv2d(3, in_channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(in_channels),
        nn.Hardswish(inplace=True),
    ]
    for kernel_size, expanded, channels, activation, squeeze_excite, stride in blocks:
        out_channels = scaled(channels, width_mult)
        layers.append(
            InvertedResidualV3(
                in_channels,
                scaled(expanded, width_mult),
                out_channels,
                kernel_size,
                stride,
                activation,
                squeeze_excite,
            )
        )
        in_channels = out_channels
    last_channels = scaled(last_channels, width_mult)
    layers += [
        nn.Conv2d(in_channels, last_channels, 1, bias=False),
        nn.BatchNorm2d(last_channels),
        nn.Hardswish(inplace=True),
    ]
    return nn.Sequential(*layers)
