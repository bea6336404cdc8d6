"""The description in a checkpoint: the facts that build the net again, beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Mapping

from vision.ssd import NETS, create_net, resolve_net
from vision.ssd.config import PriorSpec, SSDConfig, upstream_normalisation
from vision.ssd.ssd import SSD

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Description:
    """The facts that a checkpoint carries, so that no script has to ask for them."""

    net: str  # a key of NETS
    class_names: tuple[str, ...]  # BACKGROUND first
    config: SSDConfig
    width_mult: float = 1.0
    epoch: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)  # such as mAP and loss
    versions: Mapping[str, str] = field(default_factory=dict)  # of torch and the other tools

    def create(self) -> SSD:
        """Build the net, with untrained weights."""
        return create_net(
            self.net, len(self.class_names), width_mult=self.width_mult, config=self.config
        )

    def at_resolution(self, resolution: int) -> Description:
        """Return the description of the same detector for another input size.

        The net's own priors are derived anew; priors fitted to data are scaled with the input.
        """
        if resolution == self.config.image_size:
            return self
        specs = NETS[self.net].config(resolution).prior_specs
        if self.config.prior_specs != NETS[self.net].config(self.config.image_size).prior_specs:
            specs = _scaled_specs(specs, self.config, resolution)
        return replace(self, config=replace(self.config, image_size=resolution, prior_specs=specs))

    def require_same(self, other: Description) -> None:
        """Check that another description is of a net with the same tensors and classes.

        Raises:
            ValueError: naming what differs.
        """
        for name in ("net", "class_names", "width_mult", "config"):
            own, others = getattr(self, name), getattr(other, name)
            if own != others and name == "config":
                own, others = (
                    f"{config.image_size} x {config.image_size}" for config in (own, others)
                )
            if own != others:
                raise ValueError(
                    f"{name} of the run to resume is {own}, now it would be {others}; resume with "
                    "the same data and net, or start anew with --pretrained-ssd best.pth"
                )

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and text, which load without running code."""
        values = asdict(self)
        values["class_names"] = list(self.class_names)
        values["config"]["prior_specs"] = [asdict(spec) for spec in self.config.prior_specs]
        return {"format_version": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Description:
        """Rebuild a description from `to_dict`.

        Raises:
            ValueError: if a later version wrote it, or a fact is missing.
        """
        values = dict(values)
        version = values.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise ValueError(
                f"the description has format {version}, this program reads {FORMAT_VERSION}"
            )
        try:
            config = dict(values.pop("config"))
            specs = [
                PriorSpec(**{**spec, "aspect_ratios": tuple(spec["aspect_ratios"])})
                for spec in config.pop("prior_specs")
            ]
            config["image_mean"] = tuple(config["image_mean"])
            class_names = tuple(values.pop("class_names"))
            return cls(
                class_names=class_names,
                config=SSDConfig(prior_specs=tuple(specs), **config),
                **values,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the description is incomplete: {error}") from None


def _scaled_specs(
    specs: tuple[PriorSpec, ...], fitted: SSDConfig, resolution: int
) -> tuple[PriorSpec, ...]:
    """Return `specs` with the ratios of fitted priors, and with their sizes scaled."""
    factor = resolution / fitted.image_size
    return tuple(
        replace(
            spec,
            min_size=old.min_size * factor,
            max_size=old.max_size * factor,
            aspect_ratios=old.aspect_ratios,
        )
        for spec, old in zip(specs, fitted.prior_specs)
    )


def describe_bare(
    net: str, class_names: tuple[str, ...], resolution: int = 300, width_mult: float = 1.0
) -> Description:
    """Return a description for weights that carry none, with upstream's normalisation."""
    net = resolve_net(net)
    config = upstream_normalisation(NETS[net].config(resolution))
    return Description(net, class_names, config, width_mult)
