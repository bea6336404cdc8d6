"""VGG-16 up to conv5, with fc6 and fc7 as convolutions (SSD paper, section 3)."""

from __future__ import annotations

from torch import nn

# Output channels of a 3x3 convolution, or "M" for a pooling that halves; "C" rounds the half up,
# which makes 300 pixels end as 38 and not 37 at conv4_3.
VGG16_LAYERS: list[int | str] = [
    64, 64, "M", 128, 128, "M", 256, 256, 256, "C", 512, 512, 512, "M", 512, 512, 512,
]  # fmt: skip


def vgg16_layers() -> nn.Sequential:
    """Build the 35 layers of VGG-16; the first 23 end in conv4_3 at stride 8, the last is fc7."""
    layers: list[nn.Module] = []
    in_channels = 3
    for entry in VGG16_LAYERS:
        if isinstance(entry, int):
            layers += [nn.Conv2d(in_channels, entry, 3, padding=1), nn.ReLU(inplace=True)]
            in_channels = entry
        else:
            layers.append(nn.MaxPool2d(2, stride=2, ceil_mode=entry == "C"))
    layers += [
        nn.MaxPool2d(3, stride=1, padding=1),
        nn.Conv2d(512, 1024, 3, padding=6, dilation=6),
        nn.ReLU(inplace=True),
        nn.Conv2d(1024, 1024, 1),
        nn.ReLU(inplace=True),
    ]
    return nn.Sequential(*layers)
