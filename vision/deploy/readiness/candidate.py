"""An ONNX file on its way to detectnet, and what was found wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Dict, NamedTuple, Tuple

import numpy as np
from onnx import ModelProto

from vision.deploy.onnx_reading import all_shapes, constants, open_session
from vision.deploy.targets import DEFAULT_TARGET, Target

ERROR = "error"
WARNING = "warning"

# Name of a probe -> scores (B, P, C) and boxes (B, P, 4).
Outputs = Dict[str, Tuple[np.ndarray, np.ndarray]]


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


@dataclass(eq=False)
class Candidate:
    """What the checks look at: the graph, the name it will have, and what is expected of it."""

    model: ModelProto
    path: Path  # the name that the file has or will have; its content is `model`
    labels_path: Path | None = None
    target: Target = DEFAULT_TARGET
    bindings: Bindings = DEFAULT_BINDINGS
    expected_opset: int | None = None
    probes: dict[str, np.ndarray] = field(default_factory=dict)  # (B, 3, H, W) float32 in -1..1
    reference: Outputs | None = None  # what the outputs for the probes have to be

    @cached_property
    def shapes(self) -> dict[str, tuple[int | None, ...] | None]:
        """Return the shapes of all tensors but the constants, by name."""
        return all_shapes(self.model)

    @cached_property
    def constants(self) -> dict[str, np.ndarray]:
        """Return initializers and the values of Constant nodes, by name."""
        return constants(self.model.graph)

    @cached_property
    def outputs(self) -> Outputs:
        """Return what onnxruntime computes for every probe."""
        session = open_session(self.model.SerializeToString(), self.path)
        names = [self.bindings.scores, self.bindings.boxes]
        outputs = {}
        for probe, tensor in self.probes.items():
            scores, boxes = session.run(names, {self.bindings.input: tensor})
            outputs[probe] = scores, boxes
        return outputs

    @cached_property
    def differences(self) -> dict[str, tuple[float, float]]:
        """Return how far scores and boxes are from the reference, for every probe in it.

        Coordinates beyond 1 count in proportion: a background box on an empty picture may be many
        pictures large, and float32 has no more than seven digits for it.
        """
        differences = {}
        for probe, (scores, boxes) in (self.reference or {}).items():
            file_scores, file_boxes = self.outputs[probe]
            differences[probe] = (
                _largest_difference(file_scores, scores),
                _largest_difference(file_boxes, boxes),
            )
        return differences


def _largest_difference(values: np.ndarray, expected: np.ndarray) -> float:
    return float((np.abs(values - expected) / np.maximum(1, np.abs(expected))).max())
