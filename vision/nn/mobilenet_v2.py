"""MobileNetV2 (Sandler et al. 2018, table 2), without its classifier."""

from __future__ import annotations

from torch import Tensor, nn

# (expansion, output channels, repeats, stride of the first repeat)
MOBILENET_V2_BLOCKS = [
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
    (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
]  # fmt: skip


class InvertedResidual(nn.Module):
    """Widen by 1x1, filter each channel by 3x3, project by 1x1 without an activation."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: float) -> None:
        super().__init__()
        hidden = round(in_channels * expansion)
        self.has_shortcut = stride == 1 and in_channels == out_channels
        widen = [] if expansion == 1 else conv_bn_relu6(in_channels, hidden)
        self.conv = nn.Sequential(
            *widen,
            nn.Conv2d(hidden, hidden, 3, stride, padding=1, groups=hidden, bias=False),
            nn.BatchNorm2d(hidden),
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H / stride, W / stride)."""
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


def mobilenet_v2_layers(width_mult: float = 1.0) -> nn.Sequential:
    """Build the 19 layers of MobileNetV2; block 13 ends at stride 16, the last layer at 32.

    Args:
        width_mult: scales the channels of every block; the last layer keeps 1280 below 1.
    """
    in_channels = int(32 * width_mult)
    layers: list[nn.Module] = [
        nn.Sequential(*conv_bn_relu6(3, in_channels, kernel_size=3, stride=2))
    ]
    for expansion, channels, repeats, first_stride in MOBILENET_V2_BLOCKS:
        out_channels = int(channels * width_mult)
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            layers.append(InvertedResidual(in_channels, out_channels, stride, expansion))
            in_channels = out_channels
    layers.append(nn.Sequential(*conv_bn_relu6(in_channels, int(1280 * max(1.0, width_mult)))))
    return nn.Sequential(*layers)


def conv_bn_relu6(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1
) -> list[nn.Module]:
    """Build the three layers that stand together everywhere in MobileNetV2."""
    return [
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    ]
