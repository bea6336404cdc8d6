"""The facts of a net that are not weights: input size, normalisation, priors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Callable, Sequence

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
        """Two squares, and each aspect ratio lying and standing."""
        return 2 + 2 * len(self.aspect_ratios)


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
    def fill_colour(self) -> tuple[int, int, int]:
        """The RGB colour that the net sees as (nearly) zero, for what lies outside a picture."""
        red, green, blue = (round(value) for value in self.image_mean)
        return red, green, blue


VGG_MEAN = (123.0, 117.0, 104.0)
MOBILENET_RATIOS = ((2, 3),) * 6
VGG_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))


def mobilenet_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of the mobilenets, whose maps are the input halved four to nine times."""
    sizes = [halved(image_size, times) for times in range(4, 10)]
    if image_size == 300:
        specs = _tabled_specs(sizes, (16, 32, 64, 100, 150, 300), range(60, 331, 45))
    else:
        specs = derived_specs(image_size, sizes, MOBILENET_RATIOS)
    return SSDConfig(image_size, specs)


def squeezenet_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of SqueezeNet, whose unpadded poolings leave 17 x 17 of 300 pixels."""
    size = image_size
    for _ in range(4):
        size = (size - 3) // 2 + 1
    sizes = [size, (size + 1) // 2 + 1]
    for _ in range(4):
        sizes.append(halved(sizes[-1]))
    if image_size == 300:
        specs = _tabled_specs(sizes, (16, 32, 64, 100, 150, 300), range(60, 331, 45))
    else:
        specs = derived_specs(image_size, sizes, MOBILENET_RATIOS)
    return SSDConfig(image_size, specs)


def vgg_config(image_size: int = 300) -> SSDConfig:
    """Return the priors of VGG; its last two maps come from unpadded 3x3 convolutions."""
    conv4_3 = halved(image_size // 4)
    sizes = [conv4_3, conv4_3 // 2]
    for _ in range(2):
        sizes.append(halved(sizes[-1]))
    sizes += [sizes[-1] - 2, sizes[-1] - 4]
    if image_size == 300:
        strides, borders = (8, 16, 32, 64, 100, 300), (30, 60, 111, 162, 213, 264, 315)
        specs = _tabled_specs(sizes, strides, borders, VGG_RATIOS)
    else:
        specs = derived_specs(image_size, sizes, VGG_RATIOS)
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


def derived_specs(
    image_size: int, map_sizes: Sequence[int], aspect_ratios: Sequence[tuple[float, ...]]
) -> tuple[PriorSpec, ...]:
    """Lay priors for any input size: 0.1 of the side first, then 0.2 to 0.9 in equal steps.

    Raises:
        ValueError: if the picture is too small to leave one cell on every map.
    """
    if min(map_sizes) < 1:
        raise ValueError(
            f"a resolution of {image_size} leaves feature maps of {list(map_sizes)} cells; "
            "every map needs one, choose a larger --resolution"
        )
    step = (90 - 20) // (len(map_sizes) - 2)
    percents = [10, *range(20, 91 + step, step)]
    borders = [image_size * percent / 100 for percent in percents[: len(map_sizes) + 1]]
    strides = [-(-image_size // size) for size in map_sizes]
    return _tabled_specs(map_sizes, strides, borders, aspect_ratios)


def _tabled_specs(
    map_sizes: Sequence[int],
    strides: Sequence[float],
    borders: Sequence[float],
    aspect_ratios: Sequence[tuple[float, ...]] = MOBILENET_RATIOS,
) -> tuple[PriorSpec, ...]:
    """Each map's max size is the next one's min size, so one list of borders says both."""
    rows = zip(map_sizes, strides, borders[:-1], borders[1:], aspect_ratios)
    return tuple(PriorSpec(*row) for row in rows)


ConfigFunction = Callable[[int], SSDConfig]
