"""The table of nets, which scripts, help texts, tests and documents read."""

from __future__ import annotations

from typing import Callable, NamedTuple

from vision.ssd.config import (
    ConfigFunction,
    SSDConfig,
    mobilenet_config,
    pyramid_config,
    squeezenet_config,
    vgg_config,
)
from vision.ssd.mobilenet_v2_fpn_ssd_lite import create_mobilenetv2_fpn_ssd_lite
from vision.ssd.mobilenet_v2_ssd_lite import create_mobilenetv2_ssd_lite
from vision.ssd.mobilenetv1_ssd import create_mobilenetv1_ssd
from vision.ssd.mobilenetv1_ssd_lite import create_mobilenetv1_ssd_lite
from vision.ssd.mobilenetv3_ssd_lite import (
    create_mobilenetv3_large_ssd_lite,
    create_mobilenetv3_small_ssd_lite,
)
from vision.ssd.squeezenet_ssd_lite import create_squeezenet_ssd_lite
from vision.ssd.ssd import SSD
from vision.ssd.vgg_ssd import create_vgg_ssd
from vision.utils.text import shown


class Net(NamedTuple):
    """How to build one net, and its config for an input size."""

    create: Callable[..., SSD]
    config: ConfigFunction
    has_width_mult: bool = False


NETS = {
    "mb1-ssd": Net(create_mobilenetv1_ssd, mobilenet_config),
    "mb1-ssd-lite": Net(create_mobilenetv1_ssd_lite, mobilenet_config),
    "mb2-ssd-lite": Net(create_mobilenetv2_ssd_lite, mobilenet_config, has_width_mult=True),
    "mb2-fpn-ssd-lite": Net(create_mobilenetv2_fpn_ssd_lite, pyramid_config, has_width_mult=True),
    "mb3-large-ssd-lite": Net(
        create_mobilenetv3_large_ssd_lite, mobilenet_config, has_width_mult=True
    ),
    "mb3-small-ssd-lite": Net(
        create_mobilenetv3_small_ssd_lite, mobilenet_config, has_width_mult=True
    ),
    "sq-ssd-lite": Net(create_squeezenet_ssd_lite, squeezenet_config),
    "vgg16-ssd": Net(create_vgg_ssd, vgg_config),
}
NET_ALIASES = {"ssd-mobilenet": "mb1-ssd"}
# What the first versions of the older scripts called nets.
EARLIER_NAMES = {"mobilenet-v1-ssd": "mb1-ssd", "mb1-lite-ssd": "mb1-ssd-lite"}


def resolve_net(name: str) -> str:
    """Return the table's name of a net, which may be given as an alias or an earlier name.

    Raises:
        ValueError: if there is no such net.
    """
    name = {**NET_ALIASES, **EARLIER_NAMES}.get(name, name)
    if name not in NETS:
        raise ValueError(f"there is no net '{shown(name)}'; there are {', '.join(NETS)}")
    return name


def create_net(
    name: str,
    num_classes: int,
    resolution: int = 300,
    width_mult: float = 1.0,
    config: SSDConfig | None = None,
) -> SSD:
    """Build a net with untrained weights.

    Args:
        name: a key of NETS or NET_ALIASES.
        num_classes: BACKGROUND included.
        resolution: side of the square input, pixels.
        width_mult: scales the backbone's channels, for the nets that have it.
        config: replaces the net's own config for `resolution`.

    Raises:
        ValueError: for an unknown net, fewer than two classes, or a width where the net has none.
    """
    net = NETS[resolve_net(name)]
    if num_classes < 2:
        raise ValueError(f"a net needs BACKGROUND and one class at least, got {num_classes}")
    options = {}
    if net.has_width_mult:
        options["width_mult"] = width_mult
    elif width_mult != 1.0:
        widths = [other for other in NETS if NETS[other].has_width_mult]
        raise ValueError(f"{name} has one width only; {', '.join(widths)} have a multiplier")
    return net.create(num_classes, config or net.config(resolution), **options)


__all__ = ["NETS", "NET_ALIASES", "SSD", "Net", "SSDConfig", "create_net", "resolve_net"]
