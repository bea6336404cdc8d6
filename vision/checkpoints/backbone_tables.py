"""Which layer of torchvision's classifiers is which layer of the backbones here.

All of them saw ImageNet's pictures. MobileNetV1 is not among torchvision's nets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping

from torch import Tensor, nn

from vision.nn import mobilenet_v2, mobilenetv3

TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BLOCK_WITHOUT_WIDENING = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
BLOCK = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


@dataclass(frozen=True)
class Backbone:
    """One of torchvision's nets, and how its layers are called here."""

    model: str  # a function of torchvision.models
    layers: Mapping[str, str]  # name in `base_net` -> torchvision's
    norm_epsilon: float = 1e-5  # of its batch norms

    def is_for(self, base_net: nn.Sequential) -> bool:
        """Say whether a backbone has all these layers."""
        own = base_net.state_dict()
        return all(f"{name}.weight" in own for name in self.layers)

    def holds(self, weights: Mapping[str, Tensor]) -> bool:
        """Say whether a state dict is of this net of torchvision's."""
        return all(f"{name}.weight" in weights for name in self.layers.values())

    def rename(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of a state dict of torchvision's under the names of `base_net`."""
        return {
            f"{own}.{tensor}": weights[f"{theirs}.{tensor}"]
            for own, theirs in self.layers.items()
            for tensor in TENSORS
            if f"{theirs}.{tensor}" in weights
        }


def _mobilenet_v2_layers() -> dict[str, str]:
    table = {f"{layer}.{i}": f"features.{layer}.{i}" for layer in (0, 18) for i in (0, 1)}
    num_blocks = sum(repeats for _, _, repeats, _ in mobilenet_v2.BLOCKS)
    for block in range(1, num_blocks + 1):
        names = BLOCK if block > 1 else BLOCK_WITHOUT_WIDENING
        table.update(
            {f"{block}.conv.{own}": f"features.{block}.conv.{i}" for own, i in names.items()}
        )
    return table


def _mobilenet_v3_layers(blocks: list[tuple], same: int) -> dict[str, str]:
    """Pair the stem, the first `same` blocks, and, if those are all, the last layer.

    Squeeze-and-excite is left out: torchvision's stands before the projection and works on other
    channels. So is the widening of the first block, which torchvision's has not.
    """
    table = {"0": "features.0.0", "1": "features.0.1"}
    for i, (_, _, _, _, squeeze_excite, _) in enumerate(blocks[:same]):
        theirs = ["0", "1", "3" if squeeze_excite else "2"]
        parts = ["1", "2", "3"]
        if i == 0:
            theirs, parts = ["0", "2" if squeeze_excite else "1"], ["2", "3"]
        for part, j in zip(parts, theirs):
            table[f"{i + 3}.conv{part}"] = f"features.{i + 1}.block.{j}.0"
            table[f"{i + 3}.bn{part}"] = f"features.{i + 1}.block.{j}.1"
    if same == len(blocks):
        table[f"{same + 3}"] = f"features.{same + 1}.0"
        table[f"{same + 4}"] = f"features.{same + 1}.1"
    return table


def _vgg_layers() -> dict[str, str]:
    """Pair the convolutions; fc6 and fc7 are made of larger layers of the classifier."""
    convolutions = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    table = {f"{i}": f"features.{i}" for i in convolutions}
    return {**table, "31": "classifier.0", "33": "classifier.3"}


def _squeezenet_layers() -> dict[str, str]:
    parts = ("squeeze", "expand1x1", "expand3x3")
    names = ["0", *(f"{fire}.{part}" for fire in (3, 4, 6, 7, 9, 10, 11, 12) for part in parts)]
    return {name: f"features.{name}" for name in names}


# The first layer is the one that sees the picture; the second is its batch norm, if it has one.
TORCHVISION = {
    "mb2-ssd-lite": Backbone("mobilenet_v2", _mobilenet_v2_layers()),
    # Block 13 of ours has stride 1 and 14 has 2; torchvision's 13 has 2 and there is no such 14.
    # The kernels of 13 fit, but from 14 on the layers have another meaning and start untrained.
    "mb3-large-ssd-lite": Backbone(
        "mobilenet_v3_large", _mobilenet_v3_layers(mobilenetv3.LARGE_BLOCKS, same=13), 1e-3
    ),
    "mb3-small-ssd-lite": Backbone(
        "mobilenet_v3_small", _mobilenet_v3_layers(mobilenetv3.SMALL_BLOCKS, same=11), 1e-3
    ),
    "sq-ssd-lite": Backbone("squeezenet1_1", _squeezenet_layers()),
    "vgg16-ssd": Backbone("vgg16", _vgg_layers()),
}


def find_backbone(base_net: nn.Sequential, weights: Mapping[str, Tensor]) -> Backbone | None:
    """Return the net of torchvision's that a state dict is of, if it fits the backbone."""
    for backbone in TORCHVISION.values():
        if backbone.is_for(base_net) and backbone.holds(weights):
            return backbone
    return None
