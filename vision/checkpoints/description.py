"""The description in a checkpoint: the facts that build the net again, beside its weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Mapping

from vision.ssd import NETS, create_net, resolve_net
from vision.ssd.config import PriorSpec, SSDConfig, upstream_normalisation
from vision.ssd.ssd import SSD
from vision.utils.facts import any_float, listed, named, or_none, read_facts
from vision.utils.labels import require_class_names
from vision.utils.options import INPUT_SIDES, MAX_EPOCHS, WIDTHS, Number, Whole, text
from vision.utils.text import shown

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
        for name in ("net", "class_names", "width_mult"):
            _require_equal(name, getattr(self, name), getattr(other, name))
        for one in fields(SSDConfig):
            own, others = getattr(self.config, one.name), getattr(other.config, one.name)
            if one.name != "prior_specs":
                name = "resolution" if one.name == "image_size" else one.name
                _require_equal(name, own, others)
                continue
            for number, (spec, its) in enumerate(zip(own, others), 1):
                _require_equal(f"priors of map {number}", _spec_text(spec), _spec_text(its))

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, numbers and text, which load without running code."""
        values = asdict(self)
        values["class_names"] = list(self.class_names)
        values["config"]["prior_specs"] = [asdict(spec) for spec in self.config.prior_specs]
        return {"format_version": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(cls, values: Any) -> Description:
        """Rebuild a description from `to_dict`.

        Raises:
            ValueError: if a later version wrote it, or a fact is missing or of the wrong kind.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"the description must hold facts by name, got {shown(values)}")
        version = values.get("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(
                f"the description has format {shown(version)}, this program reads {FORMAT_VERSION}"
            )
        facts = read_facts(
            {name: value for name, value in values.items() if name != "format_version"},
            {
                "net": lambda value: resolve_net(text(value)),
                "class_names": lambda value: require_class_names(listed(text)(value)),
                "config": _read_config,
                "width_mult": WIDTHS,
                "epoch": or_none(Whole(0, MAX_EPOCHS)),
                "metrics": named(any_float),
                "versions": named(text),
            },
            "the description",
            optional=("width_mult", "epoch", "metrics", "versions"),
        )
        description = cls(**facts)
        description.require_priors_of_net()
        return description

    def require_priors_of_net(self) -> None:
        """Check that the width and the priors are such that the net can have.

        Raises:
            ValueError: saying what differs.
        """
        net = NETS[self.net]
        if self.width_mult != 1 and not net.has_width_mult:
            raise ValueError(f"{self.net} has no width multiplier, got {self.width_mult}")
        own, specs = net.config(self.config.image_size).prior_specs, self.config.prior_specs
        needed, got = (
            [(spec.feature_map_size, spec.priors_per_cell) for spec in one] for one in (own, specs)
        )
        if needed != got:
            raise ValueError(
                f"{self.net} at {self.config.image_size} x {self.config.image_size} has maps of "
                f"(cells, priors) {needed}, the description says {got}"
            )


def _read_config(values: Any) -> SSDConfig:
    return SSDConfig(
        **read_facts(
            values,
            {
                "image_size": INPUT_SIDES,
                "prior_specs": listed(_read_spec),
                "image_mean": listed(Number(0, 255), 3),
                "image_std": Number(above=0, highest=1000),
                "center_variance": Number(above=0, highest=1000),
                "size_variance": Number(above=0, highest=1000),
            },
            "(of the net)",
            optional=("image_mean", "image_std", "center_variance", "size_variance"),
        )
    )


def _read_spec(values: Any) -> PriorSpec:
    pixels = Number(above=0, highest=100_000)
    return PriorSpec(
        **read_facts(
            values,
            {
                "feature_map_size": Whole(1, INPUT_SIDES.highest),
                "stride": pixels,
                "min_size": pixels,
                "max_size": pixels,
                "aspect_ratios": listed(Number(0.01, 100)),
            },
            "(of a map)",
        )
    )


def _require_equal(name: str, own: object, others: object) -> None:
    if own != others:
        # Of another net no weights can be loaded.
        anew = (
            "without --resume" if name in ("net", "width_mult") else "by --pretrained-ssd best.pth"
        )
        raise ValueError(
            f"{name} of the run to resume is {own}, now it would be {others}; resume with the same "
            f"data, net and --anchors, or start anew {anew}"
        )


def _spec_text(spec: PriorSpec) -> str:
    ratios = ", ".join(f"{ratio:g}" for ratio in spec.aspect_ratios)
    return f"{spec.min_size:g} to {spec.max_size:g} pixels with ratios {ratios}"


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
