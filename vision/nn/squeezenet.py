"""SqueezeNet 1.1 (Iandola et al. 2016; the authors' smaller revision), without its classifier."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Fire(nn.Module):
    """Squeeze by 1x1, then expand by 1x1 and by 3x3 side by side."""

    def __init__(self, in_channels: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, 2 * expanded, H, W)."""
        x = self.activation(self.squeeze(x))
        return self.activation(torch.cat([self.expand1x1(x), self.expand3x3(x)], dim=1))


def squeezenet_layers() -> nn.Sequential:
    """Build the 13 layers of SqueezeNet 1.1; the last five work at stride 16 with 512 channels."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2),
        Fire(64, 16, 64),
        Fire(128, 16, 64),
        nn.MaxPool2d(3, stride=2),
        Fire(128, 32, 128),
        Fire(256, 32, 128),
        nn.MaxPool2d(3, stride=2),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        Fire(512, 64, 256),
    )
