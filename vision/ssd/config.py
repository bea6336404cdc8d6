"""The facts of a net that are not weights: input size, normalisation, priors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import sqrt
from typing import Callable, NamedTuple, Sequence

from vision.structures import DETECTNET_MEAN, DETECTNET_STD


@dataclass(frozen=True)
class PriorSpec:
    """The priors laid on one feature map. Sizes are pixels of the input image."""

    feature_map_size: int
    stride: float
    min_size: float
    max_size: float
    aspect_ratios: tuple[float, ...]

    @property
    def priors_per_cell(self) -> int:
        """Return the number of priors of a cell: two squares, and two for each aspect ratio."""
        return 2 + 2 * len(self.aspect_ratios)

    def shapes(self) -> list[tuple[float, float]]:
        """Return (width, height) of the priors of a cell, pixels.

        First a square of the min size, then one of the geometric mean of min and max size, then for
        each aspect ratio a lying and a standing box with the area of the first square.
        """
        mean = sqrt(self.min_size * self.max_size)
        shapes = [(self.min_size, self.min_size), (mean, mean)]
        for ratio in self.aspect_ratios:
            long, short = self.min_size * sqrt(ratio), self.min_size / sqrt(ratio)
            shapes += [(long, short), (short, long)]
        return shapes


@dataclass(frozen=True)
class SSDConfig:
    """What a net must know beside its layers."""

    image_size: int
    prior_specs: tuple[PriorSpec, ...]
    image_mean: tuple[float, float, float] = (DETECTNET_MEAN,) * 3  # RGB, 0..255
    image_std: float = DETECTNET_STD
    center_variance: float = 0.1
    size_variance: float = 0.2

    @property
    def variances(self) -> tuple[float, float]:
        """Return those of centres and of sizes, which offsets from priors are divided by."""
        return self.center_variance, self.size_variance

    @property
    def fill_colour(self) -> tuple[int, int, int]:
        """Return the RGB colour that the net sees as (nearly) zero, to fill empty space."""
        red, green, blue = (round(value) for value in self.image_mean)
        return red, green, blue


class PublishedPriors(NamedTuple):
    """The priors of the published nets of one family, all for 300 x 300 pixels, map by map."""

    strides: tuple[float, ...]
    borders: tuple[float, ...]  # a map's min size and, behind it, its max size
    aspect_ratios: tuple[tuple[float, ...], ...]


MOBILENET_PRIORS = PublishedPriors(
    (16, 32, 64, 100, 150, 300), (60, 105, 150, 195, 240, 285, 330), ((2, 3),) * 6
)
VGG_PRIORS = PublishedPriors(
    (8, 16, 32, 64, 100, 300),
    (30, 60, 111, 162, 213, 264, 315),
    ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)
PYRAMID_PRIORS = PublishedPriors(
    (8, 16, 32, 64, 100, 150),
    (30, 60, 105, 150, 200, 250, 300),
    ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)
VGG_MEAN = (123.0, 117.0, 104.0)

ConfigFunction = Callable[[int], SSDConfig]


def mobilenet_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of the mobilenets, whose maps are the input halved four to nine times."""
    map_sizes = [halved(image_size, times) for times in range(4, 10)]
    return SSDConfig(image_size, prior_specs_for(image_size, map_sizes, MOBILENET_PRIORS))


def pyramid_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of a feature pyramid, whose maps are the input halved three to eight times.

    They are no published ones: sizes grow from 0.1 of the side to all of it.
    """
    map_sizes = [halved(image_size, times) for times in range(3, 9)]
    return SSDConfig(image_size, prior_specs_for(image_size, map_sizes, PYRAMID_PRIORS))


def squeezenet_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of SqueezeNet, whose unpadded poolings leave 17 x 17 of 300 pixels."""
    size = image_size
    for _ in range(4):
        size = (size - 3) // 2 + 1
    second = (size + 1) // 2 + 1
    map_sizes = [size, second, *(halved(second, times) for times in range(1, 5))]
    return SSDConfig(image_size, prior_specs_for(image_size, map_sizes, MOBILENET_PRIORS))


def vgg_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of VGG; its last two maps come from unpadded 3x3 convolutions."""
    conv4_3 = halved(image_size // 4)
    fourth = halved(conv4_3 // 2, 2)
    map_sizes = [conv4_3, conv4_3 // 2, halved(conv4_3 // 2), fourth, fourth - 2, fourth - 4]
    specs = prior_specs_for(image_size, map_sizes, VGG_PRIORS)
    return SSDConfig(image_size, specs, image_mean=VGG_MEAN, image_std=1.0)


def upstream_normalisation(config: SSDConfig) -> SSDConfig:
    """Return the config with the mean and deviation of checkpoints that carry no description."""
    if config.image_std == 1.0:
        return config
    return replace(config, image_mean=(127.0, 127.0, 127.0), image_std=128.0)


def halved(size: int, times: int = 1) -> int:
    """Halve a size, rounding up, as a padded convolution of stride 2 does."""
    for _ in range(times):
        size = (size + 1) // 2
    return size


def prior_specs_for(
    image_size: int, map_sizes: Sequence[int], published: PublishedPriors
) -> tuple[PriorSpec, ...]:
    """Return the published priors for 300 pixels; for another size, priors derived like them.

    Derived priors have 0.1 of the side on the first map, then 0.2 to 0.9 in equal steps.

    Raises:
        ValueError: if the picture is too small to leave one cell on every map.
    """
    if min(map_sizes) < 1:
        raise ValueError(
            f"a resolution of {image_size} leaves feature maps of {list(map_sizes)} cells; "
            "every map needs one, choose a larger --resolution"
        )
    strides, borders, aspect_ratios = published
    if image_size != 300:
        step = (90 - 20) // (len(map_sizes) - 2)
        percents = [10, *range(20, 91 + step, step)][: len(map_sizes) + 1]
        borders = tuple(image_size * percent / 100 for percent in percents)
        strides = tuple(-(-image_size // size) for size in map_sizes)
    # Each map's max size is the next one's min size, so one list of borders gives both.
    rows = zip(map_sizes, strides, borders[:-1], borders[1:], aspect_ratios)
    return tuple(PriorSpec(*row) for row in rows)
