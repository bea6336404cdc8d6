"""An ONNX file on its way to detectnet, and what was found wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, NamedTuple

import numpy as np
from onnx import ModelProto, ValueInfoProto

from vision.deploy.graph.suppression import ALL_BOXES, ALL_SCORES
from vision.deploy.nms import GraphNms, graph_nms
from vision.deploy.onnx_reading import all_shapes, constants, metadata, open_session
from vision.deploy.outputs import Outputs
from vision.deploy.targets import DEFAULT_TARGET, Target
from vision.utils.text import printable

ERROR = "error"
WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing that keeps a file from working in detectnet, or may."""

    code: str  # a short fixed name, such as "input-shape"
    severity: str  # ERROR or WARNING
    message: str  # what must be, what was, what to do

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


class Bindings(NamedTuple):
    """The names by which detectnet finds a file's input and outputs."""

    input: str = "input_0"
    scores: str = "scores"
    boxes: str = "boxes"

    @property
    def options(self) -> str:
        """Return detectnet's command line options for these names."""
        return f"--input-blob={self.input} --output-cvg={self.scores} --output-bbox={self.boxes}"


DEFAULT_BINDINGS = Bindings()


class LabelFile(NamedTuple):
    """A labels.txt: the name that it has or will have, and its content."""

    path: Path
    content: bytes


class Reference(NamedTuple):
    """What the net itself computes for a batch, and what it would compute without rounding."""

    single: Outputs  # in float32
    double: Outputs  # in float64


References = Dict[str, Reference]  # by the name of the probe


@dataclass(eq=False)
class Candidate:
    """What the checks look at: the graph, the name it will have, and what is expected of it."""

    model: ModelProto
    path: Path  # the name that the file has or will have; its content is `model`
    labels: LabelFile | None = None
    target: Target = DEFAULT_TARGET
    bindings: Bindings = DEFAULT_BINDINGS
    expected_opset: int | None = None
    probes: dict[str, np.ndarray] = field(default_factory=dict)  # (B, 3, H, W) float32 in -1..1
    references: References = field(default_factory=dict)  # for some or all of the probes

    @cached_property
    def shapes(self) -> dict[str, tuple[int | None, ...] | None]:
        """Return the shapes of all tensors but the constants, by name."""
        return all_shapes(self.model)

    @cached_property
    def constants(self) -> dict[str, np.ndarray]:
        """Return initializers and the values of Constant nodes, by name."""
        try:
            return constants(self.model.graph)
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"{self.path} must hold its constants as it describes them, one differs: "
                f"{printable(str(error))}; export it again"
            ) from None

    @cached_property
    def nms(self) -> GraphNms | None:
        """Return the settings of the NMS in the graph; None if there is none."""
        return graph_nms(metadata(self.model), self.path)

    @cached_property
    def outputs(self) -> dict[str, Outputs]:
        """Return what the file puts out for every probe."""
        return {name: outputs for name, (outputs, _) in self._runs.items()}

    @cached_property
    def rows(self) -> dict[str, Outputs]:
        """Return the rows of the net itself for every probe; without NMS they are the outputs."""
        return {name: rows for name, (_, rows) in self._runs.items()}

    @cached_property
    def _runs(self) -> dict[str, tuple[Outputs, Outputs]]:
        names = [self.bindings.scores, self.bindings.boxes]
        model = self.model
        if self.nms:
            names += [ALL_SCORES, ALL_BOXES]
            model = with_outputs(model, names[2:])
        session = open_session(model.SerializeToString(), self.path)
        runs = {}
        for probe, tensor in self.probes.items():
            values = session.run(names, {self.bindings.input: tensor})
            runs[probe] = Outputs(*values[:2]), Outputs(*values[-2:])
        return runs

    @cached_property
    def differences(self) -> dict[str, tuple[float, float]]:
        """Return how far scores and boxes of the file are from the exact ones, for each probe."""
        return {
            probe: largest_differences(self.rows[probe], reference)
            for probe, reference in self.references.items()
        }


def with_outputs(model: ModelProto, names: list[str]) -> ModelProto:
    """Return a copy of a graph with inner tensors among its outputs, after the others."""
    extended = ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.extend(ValueInfoProto(name=name) for name in names)
    return extended


def largest_differences(outputs: Outputs, reference: Reference) -> tuple[float, float]:
    """Return the largest differences of scores and of boxes from the reference in float64.

    Coordinates beyond 1 count in proportion: a background box on an empty picture may be many
    pictures large, and float32 has no more than seven digits for it. Numbers beyond the range of
    float32 do not count.
    """
    largest = [
        _largest_difference(values, single, double)
        for values, single, double in zip(outputs, reference.single, reference.double)
    ]
    return largest[0], largest[1]


def _largest_difference(values: np.ndarray, single: np.ndarray, double: np.ndarray) -> float:
    counts = np.isfinite(single) & np.isfinite(double)
    values, expected = values[counts], double[counts]
    differences = np.abs(values - expected) / np.maximum(1, np.abs(expected))
    return float(differences.max()) if differences.size else 0.0
