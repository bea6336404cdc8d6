"""What the TensorRT of each Jetson release reads, as tables.

Opsets and operators are those of the parser that NVIDIA builds into TensorRT: operators.md in
https://github.com/onnx/onnx-tensorrt, in the branches 7.0, 7.1 and release/8.0 to 10.x-GA. Each of
these lists marks every operator of COMMON_OPERATORS as supported, with limits that the checks of
`vision.deploy.readiness.graph_checks` know: constants for Clip, Conv, Pad, Slice and TopK. For the
operators of NMS in the graph the lists of 7.2, 8.0, 8.5 and 10.15 were read; that TensorRT 7.1 is
like 7.2 is a conclusion, as its own list was not to be had. They say:

    Gather, Max, Min, ReduceMax, Relu, MatMul, Transpose    yes
    TopK                                                    yes, with a constant K, of 3840 at most
    GatherElements, NonMaxSuppression, NonZero              not in 7.x (hence none of them is used)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable

ARITHMETIC = ["Add", "Div", "Exp", "Max", "Min", "Mul", "Sqrt", "Sub"]
REDUCING = ["ReduceMax", "ReduceMean", "TopK"]
LAYERS = ["BatchNormalization", "Conv", "Gemm", "MatMul"]
POOLINGS = ["AveragePool", "GlobalAveragePool", "MaxPool"]
ACTIVATIONS = ["Clip", "HardSigmoid", "Relu", "Sigmoid", "Softmax"]
JOINING = ["Concat", "Gather", "Pad", "Slice", "Split"]
RESHAPING = ["Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze"]
PLAIN = ["Constant", "Identity"]

# What TensorRT 7.1 reads, the oldest with detectnet's SSD path; everything newer reads it too.
COMMON_OPERATORS = frozenset(
    [*ARITHMETIC, *REDUCING, *LAYERS, *POOLINGS, *ACTIVATIONS, *JOINING, *RESHAPING, *PLAIN]
)

REFUSED_OPERATORS = {
    "NonMaxSuppression": "TensorRT before 8.5 has none; export with onnx_export.py --nms instead",
    "NonZero": "its output has no fixed size",
    "Loop": "TensorRT 7.1 unrolls no loops of this kind",
    "If": "TensorRT 7.1 has no branches",
    "ScatterND": "TensorRT 7.1 has none",
    "GatherND": "TensorRT 7.1 has none",
    "Resize": "TensorRT 7.1 knows a few of its modes only, and an SSD needs none",
    "QuantizeLinear": "detectnet never turns INT8 on",
    "DequantizeLinear": "detectnet never turns INT8 on",
}


@dataclass(frozen=True)
class Target:
    """One range of TensorRT releases, and the ONNX files that it reads."""

    option: str  # its name on the command line
    name: str
    systems: str  # where a user meets it
    first_opset: int
    last_opset: int
    last_ir_version: int
    more_operators: frozenset[str] = frozenset()
    needs_patched_detectnet: bool = False

    @property
    def export_opset(self) -> int:
        """Return the opset to write for this target: torch and ONNX change little beyond 17."""
        return min(self.last_opset, 17)

    def reads_operator(self, operator: str) -> bool:
        """Tell whether the parser of this TensorRT has the operator."""
        return operator in COMMON_OPERATORS or operator in self.more_operators

    def __str__(self) -> str:
        return f"{self.name} ({self.systems})"


HARD_SWISH = frozenset(["HardSwish"])

# From the oldest on. All that follow read a file for one of them; TensorRT 10 from opset 9 on.
TARGETS = {
    target.option: target
    for target in (
        Target("trt7.1", "TensorRT 7.1", "JetPack 4.4 and 4.5", 7, 11, 6),
        Target("trt8.2", "TensorRT 8.0 to 8.2", "JetPack 4.6", 7, 13, 10),
        Target("trt8.4", "TensorRT 8.4", "JetPack 5.0", 7, 17, 10),
        Target("trt8.6", "TensorRT 8.5 and 8.6", "JetPack 5.1 and 6.0", 7, 17, 10, HARD_SWISH),
        Target("trt10", "TensorRT 10", "JetPack 6.1 and newer", 9, 20, 10, HARD_SWISH, True),
    )
}
DEFAULT_TARGET = TARGETS["trt7.1"]
# Torch writes weights as inputs before opset 9; no listed TensorRT reads past 20.
EXPORTABLE_OPSETS = range(9, 21)


def oldest_target(opset: int, operators: Iterable[str] = ()) -> Target:
    """Return the oldest TensorRT that reads this opset and, where one does, all of these operators.

    Raises:
        ValueError: if none reads the opset.
    """
    readers = [t for t in TARGETS.values() if t.first_opset <= opset <= t.last_opset]
    if not readers:
        lowest, *_, highest = EXPORTABLE_OPSETS
        raise ValueError(
            f"no TensorRT of a Jetson reads opset {opset}; use {lowest} to {highest}, best 11"
        )
    operators = set(operators)
    complete = [t for t in readers if all(map(t.reads_operator, operators))]
    return (complete or readers)[0]
