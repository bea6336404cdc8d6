"""The SSD: a backbone, extra layers, and heads that predict from feature maps."""

from __future__ import annotations

from typing import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from vision.ssd.config import SSDConfig
from vision.ssd.priors import generate_priors
from vision.utils.box_utils import decode_boxes

Stages = Sequence[Iterable[nn.Module]]
HeadFunction = Callable[[int, int, bool], nn.Module]


class SSD(nn.Module):
    """Single Shot MultiBox Detector (Liu et al. 2016): backbone, extra layers, a head on each map.

    Args:
        config: input size, normalisation and priors.
        num_classes: C, BACKGROUND included.
        base_net: the backbone.
        stages: cuts the backbone into runs of layers. A head looks at the output of each run except
            the last, which only feeds the first extra layer.
        extras: layers that each make one more, smaller map.
        channels: of the maps, finest first.
        head: builds one head from (in_channels, out_channels, is_last).
        add_ons: layers applied to the first maps before their heads.
    """

    priors: Tensor  # (P, 4) cxcywh in [0, 1]
    image_mean: Tensor  # (1, 3, 1, 1) RGB
    image_std: Tensor  # ()

    def __init__(  # noqa: PLR0913 (the parts of a detector)
        self,
        config: SSDConfig,
        num_classes: int,
        base_net: nn.Sequential,
        stages: Callable[[nn.Sequential], Stages],
        extras: Sequence[nn.Module],
        channels: Sequence[int],
        head: HeadFunction,
        add_ons: Sequence[nn.Module] = (),
    ) -> None:
        super().__init__()
        if len(channels) != len(config.prior_specs):
            raise ValueError(
                f"a net of {len(channels)} maps needs {len(channels)} prior specs, "
                f"got {len(config.prior_specs)}"
            )
        self.config, self.num_classes, self.stages = config, num_classes, stages
        # The next five names are tensor names; renaming one breaks every published checkpoint.
        self.base_net = base_net
        self.extras = nn.ModuleList(extras)
        self.classification_headers = _heads(head, channels, config, num_classes)
        self.regression_headers = _heads(head, channels, config, 4)
        self.source_layer_add_ons = nn.ModuleList(add_ons)
        constants = {
            "priors": generate_priors(config.prior_specs, config.image_size),
            "image_mean": torch.tensor(config.image_mean).view(1, 3, 1, 1),
            "image_std": torch.tensor(config.image_std),
        }
        for name, value in constants.items():
            # Buffers, which follow net.to(device); not persistent, as no checkpoint has them.
            self.register_buffer(name, value.to(torch.float32), persistent=False)

    def normalise(self, images: Tensor) -> Tensor:
        """Turn (B, 3, S, S) RGB images of 0..255, uint8 or float, into the net's input."""
        return (images.to(self.image_mean.dtype) - self.image_mean) / self.image_std

    def feature_maps(self, images: Tensor) -> list[Tensor]:
        """Compute the maps that the heads look at, finest first, from normalised (B, 3, S, S)."""
        return self.add_extras(*self.backbone_maps(images))

    def backbone_maps(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Compute those of the backbone.

        Returns:
            the maps, finest first, and (B, C, H, W), what the first extra layer gets.
        """
        maps = []
        *tapped, tail = self.stages(self.base_net)
        x = images
        for stage in tapped:
            x = _run(stage, x)
            maps.append(x)
        return self.combine(maps, _run(tail, x))

    def add_extras(self, maps: Sequence[Tensor], x: Tensor) -> list[Tensor]:
        """Return what `backbone_maps` returns as one list, with the maps of the extra layers."""
        maps = list(maps)
        for extra in self.extras:
            x = extra(x)
            maps.append(x)
        return maps

    def combine(self, maps: Sequence[Tensor], x: Tensor) -> tuple[list[Tensor], Tensor]:
        """Apply the add-ons to the first maps of the backbone.

        Args:
            maps: finest first.
            x: (B, C, H, W), the end of the backbone.

        Returns:
            the maps, and what the first extra layer gets.
        """
        applied = [add_on(one) for add_on, one in zip(self.source_layer_add_ons, maps)]
        return [*applied, *maps[len(applied) :]], x

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict from normalised images (B, 3, S, S), RGB.

        Returns:
            class_logits (B, P, C) and locations (B, P, 4), offsets from the priors.
        """
        return self.predict(self.feature_maps(images))

    def predict(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Apply the heads to the maps; return what `forward` returns."""
        class_logits = _predict(self.classification_headers, maps, self.num_classes)
        locations = _predict(self.regression_headers, maps, 4)
        return class_logits, locations

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict scores and boxes from normalised images, as an exported file does.

        Returns:
            scores (B, P, C), softmax over the classes, and boxes (B, P, 4), xyxy in [0, 1] of the
            picture but not clipped to it.
        """
        return self.decode(*self(images))

    def decode(self, class_logits: Tensor, locations: Tensor) -> tuple[Tensor, Tensor]:
        """Turn what `forward` returns into what `detect` returns."""
        boxes = decode_boxes(
            locations, self.priors, self.config.center_variance, self.config.size_variance
        )
        return class_logits.softmax(dim=-1), boxes


def last_convolution(layers: Iterable[nn.Module]) -> nn.Conv2d:
    """Return the last convolution of a run of layers, whose channels come out of the run."""
    modules = [module for layer in layers for module in layer.modules()]
    return [module for module in modules if isinstance(module, nn.Conv2d)][-1]


def _heads(
    head: HeadFunction, channels: Sequence[int], config: SSDConfig, values: int
) -> nn.ModuleList:
    last = len(channels) - 1
    return nn.ModuleList(
        head(in_channels, spec.priors_per_cell * values, i == last)
        for i, (in_channels, spec) in enumerate(zip(channels, config.prior_specs))
    )


def _run(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


def _predict(heads: nn.ModuleList, maps: Sequence[Tensor], values: int) -> Tensor:
    """Apply each head to its map and line the cells up as (B, P, values)."""
    rows = [head(x).permute(0, 2, 3, 1).flatten(1) for head, x in zip(heads, maps)]
    # Not unflatten, which ONNX opset 11 cannot express.
    return torch.cat(rows, dim=1).view(maps[0].shape[0], -1, values)
