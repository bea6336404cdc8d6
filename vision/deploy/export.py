"""Make the ONNX file that detectnet loads, and check it before it is written."""

from __future__ import annotations

import copy
import inspect
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Protocol, Sequence

import numpy as np
import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from vision.deploy.emulation.clustering import SETTINGS_KEY, PostProcessing
from vision.deploy.emulation.network_input import INPUT_NORMALISATION
from vision.deploy.graph.clean_up import clean_up
from vision.deploy.graph.opset_downgrade import WRITTEN_OPSET, downgrade
from vision.deploy.graph.suppression import add_nms
from vision.deploy.nms import GraphNms
from vision.deploy.onnx_reading import fixed_shape_of
from vision.deploy.outputs import Outputs
from vision.deploy.readiness.candidate import (
    DEFAULT_BINDINGS,
    Candidate,
    Finding,
    LabelFile,
    Reference,
    References,
)
from vision.deploy.readiness.interface_checks import engine_pattern
from vision.deploy.readiness.number_checks import NORMALISATION_KEY
from vision.deploy.readiness.probes import DARK_PROBE, probe_inputs
from vision.deploy.readiness.readiness import find_problems, require_ready
from vision.deploy.targets import EXPORTABLE_OPSETS, Target, oldest_target
from vision.structures import DETECTNET_MEAN, DETECTNET_STD

logger = logging.getLogger(__name__)

PRODUCER = "pytorch-ssd"


class NetConfig(Protocol):
    """What the export must know of a net; `vision.ssd.config.SSDConfig` has it."""

    @property
    def image_size(self) -> int:
        """Return S, the side of the input in pixels."""

    @property
    def image_mean(self) -> Sequence[float]:
        """Return the mean that the net's normalisation subtracts, RGB, 0..255."""

    @property
    def image_std(self) -> float:
        """Return the number by which the net's normalisation divides."""


class ExportableNet(Protocol):
    """A net that can be exported; `vision.ssd.ssd.SSD` is one. It must be an `nn.Module`, too."""

    @property
    def config(self) -> NetConfig:
        """Return the size and normalisation of the input."""

    def detect(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (B, P, C) and boxes (B, P, 4) of normalised images (B, 3, S, S)."""

    def to(self, kind: torch.dtype, /) -> Any:
        """Bring weights and buffers to another type, in place."""


@dataclass(frozen=True)
class ExportSettings:
    """What kind of file to write.

    `opset`: one of EXPORTABLE_OPSETS; beyond 11 TensorRT 7.1 cannot read the file.
    `batch_size`: pictures in the fixed input shape; detectnet needs 1.
    `target`: the TensorRT that must read the file; None for the oldest that reads the opset.
    `nms`: NMS to put into the graph; None for none.
    """

    opset: int = 11
    batch_size: int = 1
    target: Target | None = None
    nms: GraphNms | None = None

    def __post_init__(self) -> None:
        """Check opset and batch size."""
        if self.opset not in EXPORTABLE_OPSETS:
            lowest, *_, highest = EXPORTABLE_OPSETS
            raise ValueError(
                f"the opset must be {lowest} to {highest}, got {self.opset}; every TensorRT reads "
                "11"
            )
        if self.batch_size < 1:
            raise ValueError(f"the batch size must be 1 or more, got {self.batch_size}")


@dataclass(frozen=True)
class CheckedModel:
    """The content of a file that has passed all checks, and what there is to know about it."""

    content: bytes
    rows: int  # that the file puts out
    target: Target  # the oldest TensorRT that reads the file, or the one that was asked for
    warnings: list[Finding]
    # Probe -> largest difference from what the net computes without rounding: scores and boxes.
    differences: dict[str, tuple[float, float]]

    def with_settings(self, settings: PostProcessing) -> bytes:
        """Return the content with the settings that detectnet should have in its metadata."""
        model = onnx.load_model_from_string(self.content)
        model.metadata_props.add(key=SETTINGS_KEY, value=settings.to_text())
        return model.SerializeToString()


class ForDetectNet(nn.Module):
    """A net behind a layer that turns detectnet's normalisation into the net's own.

    detectnet feeds x = (p - 127.5) / 127.5. The net wants (p - mean) / std, which is one scale and
    one offset of x for each channel. They stand in the graph before the first Conv. They are not
    folded into the weights of that Conv: its padding is zero after the map, not before it, so a
    folded map would be wrong along the border.
    """

    scale: Tensor
    offset: Tensor

    def __init__(self, net: ExportableNet) -> None:
        super().__init__()
        self.net = net
        mean, std = _statistics(net)
        scale = (DETECTNET_STD / std).view(1, -1, 1, 1)
        offset = ((DETECTNET_MEAN - mean) / std).view(1, -1, 1, 1)
        self.is_needed = bool((scale != 1).any() or (offset != 0).any())
        self.register_buffer("scale", scale.float())
        self.register_buffer("offset", offset.float())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (B, P, C) and boxes (B, P, 4) of images (B, 3, S, S) in -1..1."""
        if self.is_needed:
            images = images * self.scale + self.offset
        return self.net.detect(images)


def make_checked(
    net: ExportableNet,
    path: str | Path,
    settings: ExportSettings | None = None,
    labels: LabelFile | None = None,
    picture: np.ndarray | None = None,
) -> CheckedModel:
    """Make the content of an ONNX file for detectnet, and check it. Nothing is written.

    Args:
        net: an SSD, on any device; it is copied and stays as it is.
        path: the name that the file will have.
        settings: opset, NMS and so on; the usual ones if None.
        labels: labels.txt to check along with the file.
        picture: (H, W, 3) uint8 RGB, one more picture to compare file and net on.

    Raises:
        ValueError: if a check fails.
    """
    settings, path = settings or ExportSettings(), Path(path)
    net = ForDetectNet(copy.deepcopy(net)).cpu().float().eval().net
    shape = (settings.batch_size, 3, net.config.image_size, net.config.image_size)
    model = build_model(net, shape, settings.opset)
    if settings.nms:
        model = add_nms(model, settings.nms)
    content = model.SerializeToString()
    operators = (node.op_type for node in model.graph.node)
    probes = probe_inputs(shape, picture)
    candidate = Candidate(
        onnx.load_model_from_string(content),  # What is checked is what will be in the file.
        path,
        labels,
        settings.target or oldest_target(settings.opset, operators),
        expected_opset=settings.opset,
        probes=probes,
        references=run_net(net, {k: v for k, v in probes.items() if k != DARK_PROBE}),
    )
    # Who asks for a larger batch has another program than detectnet in mind.
    warnings = require_ready(find_problems(candidate, accepted=("batch-size",)), path)
    rows = (fixed_shape_of(candidate.model.graph.output[0]) or (0, 0))[1]
    return CheckedModel(content, rows, candidate.target, warnings, candidate.differences)


def build_model(net: ExportableNet, shape: Sequence[int], opset: int) -> ModelProto:
    """Return the cleaned graph of a net for detectnet's input, of a fixed shape (B, 3, S, S)."""
    model = clean_up(trace(ForDetectNet(net).eval(), torch.zeros(*shape), opset))
    model.producer_name, model.producer_version = PRODUCER, ""
    model.graph.name = "detector"
    model.metadata_props.add(key=NORMALISATION_KEY, value=INPUT_NORMALISATION)
    return model


def trace(module: nn.Module, images: Tensor, opset: int) -> ModelProto:
    """Return the graph of a module as torch writes it, with detectnet's names.

    torch's older exporter is used as long as torch has it. The newer one cannot write opset 11 and
    needs one more package; its graph is brought down to opset 11 here.
    """
    export: Callable[..., Any] = torch.onnx.export  # Each version of torch has other parameters.
    parameters = inspect.signature(export).parameters
    names = {
        "input_names": [DEFAULT_BINDINGS.input],
        "output_names": [DEFAULT_BINDINGS.scores, DEFAULT_BINDINGS.boxes],
    }
    if "training" not in parameters:
        program = export(module, (images,), opset_version=WRITTEN_OPSET, **names)
        return downgrade(program.model_proto, opset)
    # Torch 2.1 to 2.4 has the older exporter only, and no parameter to ask for it.
    choice = {"dynamo": False} if "dynamo" in parameters else {}
    buffer = io.BytesIO()
    export(module, (images,), buffer, opset_version=opset, **names, **choice)
    return onnx.load_model_from_string(buffer.getvalue())


def run_net(net: ExportableNet, probes: dict[str, np.ndarray]) -> References:
    """Return what a net computes for what detectnet feeds, by way of the pixels."""
    single = _run_in(net, probes, torch.float32)
    double = _run_in(net, probes, torch.float64)
    return {name: Reference(single[name], double[name]) for name in probes}


def _run_in(
    net: ExportableNet, probes: dict[str, np.ndarray], kind: torch.dtype
) -> dict[str, Outputs]:
    net = copy.deepcopy(net)
    net.to(kind)
    mean, std = (values.view(1, -1, 1, 1) for values in _statistics(net))
    outputs = {}
    with torch.inference_mode():
        for name, tensor in probes.items():
            pixels = torch.from_numpy(tensor).double() * DETECTNET_STD + DETECTNET_MEAN
            scores, boxes = net.detect(((pixels - mean) / std).to(kind))
            outputs[name] = Outputs(scores.numpy(), boxes.numpy())
    return outputs


def remove_engines(path: Path) -> list[Path]:
    """Remove the TensorRT engines that detectnet made of an older file of this name; return them.

    Versions of detectnet before August 2022 would go on using them in place of the new file.
    """
    engines = sorted(path.parent.glob(engine_pattern(path.name)))
    for engine in engines:
        engine.unlink()
        logger.info("removed %s, the TensorRT engine of an older %s", engine, path.name)
    return engines


def _statistics(net: ExportableNet) -> tuple[Tensor, Tensor]:
    """Return the mean (3,) and deviation (1,) of a net's own normalisation, float64, 0..255."""
    mean = torch.tensor(net.config.image_mean, dtype=torch.float64)
    return mean, torch.tensor([net.config.image_std], dtype=torch.float64)
