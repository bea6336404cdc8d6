"""Does the parser of the target's TensorRT take the graph?"""

from __future__ import annotations

from typing import Iterator

import numpy as np
from onnx import NodeProto

from vision.deploy.onnx_reading import attributes, constant_input, shape_text
from vision.deploy.readiness.candidate import ERROR, WARNING, Candidate, Finding
from vision.deploy.targets import REFUSED_OPERATORS

LARGEST_HALF = 65504.0  # detectnet runs in FP16 if the GPU has it, as every Jetson's does
DOUBTFUL_HALF = 30000.0
READ_TYPES = {"float32", "int64", "int32", "bool"}

# Operator -> which of its inputs TensorRT wants as constants, by position.
CONSTANT_INPUTS = {
    "Clip": (1, 2),
    "Conv": (1, 2),
    "Pad": (1, 2),
    "ReduceMax": (1,),
    "ReduceMean": (1,),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "TopK": (1,),
    "Unsqueeze": (1,),
}


def check_static_shapes(candidate: Candidate) -> Iterator[Finding]:
    """Look for open dimensions, for which detectnet gives TensorRT no optimisation profile."""
    for node in candidate.model.graph.node:
        for name in filter(None, node.output):
            shape = candidate.shapes.get(name)
            if shape is None or None in shape:
                message = (
                    f"every tensor must have a fixed shape, that of {_named(node)} is"
                    f" {shape_text(shape)}; export without dynamic axes"
                )
                yield Finding("open-shape", ERROR, message)
                return  # What follows from the first one is open as well.


def check_operators(candidate: Candidate) -> Iterator[Finding]:
    """Look for operators that the target's parser does not have."""
    operators = {node.op_type for node in candidate.model.graph.node}
    for operator in sorted(operators - {"Dropout"}):
        if operator in REFUSED_OPERATORS:
            message = f"the graph must not use {operator}: {REFUSED_OPERATORS[operator]}"
            yield Finding("operator", ERROR, message)
        elif not candidate.target.reads_operator(operator):
            message = (
                f"every operator must be known to {candidate.target}, {operator} is not; export for"
                " a newer --target, if your Jetson has it"
            )
            yield Finding("operator", ERROR, message)


def check_constant_inputs(candidate: Candidate) -> Iterator[Finding]:
    """Look for weights, axes and shapes that are computed, be it by an Identity."""
    for node in candidate.model.graph.node:
        for position in CONSTANT_INPUTS.get(node.op_type, ()):
            name = node.input[position] if position < len(node.input) else ""
            if name and name not in candidate.constants:
                message = (
                    f"input {position} of {_named(node)} must be a constant, '{name}' is computed;"
                    " export again with onnx_export.py"
                )
                yield Finding("computed-constant", ERROR, message)


def check_padding(candidate: Candidate) -> Iterator[Finding]:
    """Look for padding other than of height and width with zeros."""
    for node in candidate.model.graph.node:
        if node.op_type != "Pad":
            continue
        mode = attributes(node).get("mode", b"constant")
        pads, value = (constant_input(node, i, candidate.constants) for i in (1, 2))
        is_inner = pads is not None and len(pads) == 8 and not pads[[0, 1, 4, 5]].any()
        if mode != b"constant" or not is_inner or (value is not None and np.any(value)):
            message = (
                f"{_named(node)} must pad height and width with zeros, it does something else;"
                " build the net with zero padding"
            )
            yield Finding("padding", ERROR, message)


def check_types(candidate: Candidate) -> Iterator[Finding]:
    """Look for types other than float32 and integers; FP16 is TensorRT's own choice."""
    for name, value in candidate.constants.items():
        if str(value.dtype) not in READ_TYPES:
            message = (
                f"constants must be float32 or integers, '{name}' is {value.dtype}; export the net"
                " in float32, TensorRT goes to FP16 by itself"
            )
            yield Finding("type", ERROR, message)
    for node in candidate.model.graph.node:
        if node.op_type == "Cast":
            message = f"tensors must keep their type, {_named(node)} changes it"
            yield Finding("type", ERROR, f"{message}; export the net in float32")


def check_integers(candidate: Candidate) -> Iterator[Finding]:
    """Look for integers beyond 32 bits, which TensorRT before 10 clamps."""
    limits = np.iinfo(np.int32)
    for name, value in candidate.constants.items():
        if value.dtype != np.int64 or not value.size:
            continue
        if value.min() < limits.min or value.max() > limits.max:
            extreme = max(value.reshape(-1).tolist(), key=abs)
            message = (
                f"integers should fit 32 bits, '{name}' has {extreme}; TensorRT clamps it: export"
                " with onnx_export.py, which closes open slices"
            )
            yield Finding("large-integer", WARNING, message)


def check_leftovers(candidate: Candidate) -> Iterator[Finding]:
    """Look for a BatchNormalization that belongs into the Conv before it, and for Dropout."""
    nodes = candidate.model.graph.node
    makers = {name: node.op_type for node in nodes for name in node.output}
    for node in nodes:
        if node.op_type == "BatchNormalization" and makers.get(node.input[0]) == "Conv":
            message = f"{_named(node)} should be folded into the Conv before it"
            yield Finding("batch-norm", WARNING, f"{message}; export in evaluation mode")
        elif node.op_type == "Dropout":
            message = f"{_named(node)} should not be left; export in evaluation mode"
            yield Finding("dropout", WARNING, message)


def check_half_range(candidate: Candidate) -> Iterator[Finding]:
    """Look for weights that FP16 cannot hold, or hardly; detectnet chooses it on every Jetson."""
    for name, value in candidate.constants.items():
        if value.dtype != np.float32 or not value.size:
            continue
        largest = float(np.abs(value).max())
        if largest > DOUBTFUL_HALF:
            severity = ERROR if largest > LARGEST_HALF else WARNING
            message = (
                f"weights must fit FP16 ({LARGEST_HALF:.0f} at most), '{name}' has {largest:.6g};"
                " train with more weight decay, or export an earlier checkpoint"
            )
            yield Finding("half-range", severity, message)


def _named(node: NodeProto) -> str:
    return f"{node.op_type} '{node.name or node.output[0]}'"


GRAPH_CHECKS = (
    check_static_shapes,
    check_operators,
    check_constant_inputs,
    check_padding,
    check_types,
    check_integers,
    check_leftovers,
    check_half_range,
)
