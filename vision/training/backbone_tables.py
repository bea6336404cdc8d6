"""Which layer of torchvision's classifiers is which layer of the backbones here.

All of them saw ImageNet's pictures. MobileNetV1 is not among torchvision's nets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Mapping

from torch import Tensor, nn

from vision.nn import mobilenet_v2, mobilenetv3
from vision.nn.squeezenet import squeezenet_layers
from vision.nn.vgg import vgg16_layers

TENSORS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BLOCK_WITHOUT_WIDENING = {"0": "0.0", "1": "0.1", "3": "1", "4": "2"}
BLOCK = {"0": "0.0", "1": "0.1", "3": "1.0", "4": "1.1", "6": "2", "7": "3"}


@dataclass(frozen=True)
class Backbone:
    """One of torchvision's nets, and how its layers are called here."""

    model: str  # a function of torchvision.models
    weights: str  # that torchvision fetches
    layers: Mapping[str, str]  # name in `base_net` -> torchvision's
    norm_epsilon: float = 1e-5  # of its batch norms

    def is_for(self, base_net: nn.Sequential) -> bool:
        """Say whether a backbone has all these layers."""
        return set(self.layers) <= {name for name, _ in base_net.named_modules()}

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


def _same_names(build: Callable[[], nn.Sequential], before: int) -> dict[str, str]:
    """Pair the convolutions before a layer of a net whose names differ by a prefix only."""
    return {
        name: f"features.{name}"
        for name, layer in build()[:before].named_modules()
        if isinstance(layer, nn.Conv2d)
    }
