"""Bring the graph of torch's newer exporter down to opset 11.

That exporter writes opset 18 whatever it is asked for, and ONNX's own converter gives up on the way
down. An SSD uses few operators, and what changed in them between 11 and 18 is written here.
"""

from __future__ import annotations

from typing import Callable, List, NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, helper

from vision.deploy.graph.clean_up import clean_up, replace_all
from vision.deploy.onnx_reading import all_shapes, attributes, constant_input, constants
from vision.deploy.targets import COMMON_OPERATORS

WRITTEN_OPSET = 18
OLD_OPSET = 11


def downgrade(model: ModelProto, opset: int) -> ModelProto:
    """Return a model that computes the same at another opset.

    Args:
        model: of opset 18.
        opset: 11, or 18, which changes nothing.

    Raises:
        ValueError: for any other opset, or if the graph has an operator that is not known here.
    """
    if opset == WRITTEN_OPSET:
        return model
    if opset != OLD_OPSET:
        raise ValueError(
            f"this version of torch writes opset {OLD_OPSET} or {WRITTEN_OPSET}, got {opset}"
        )
    lowered = clean_up(model)
    facts = Facts(constants(lowered.graph), all_shapes(lowered))
    nodes = []
    for node in lowered.graph.node:
        if node.op_type in REWRITES:
            nodes += REWRITES[node.op_type](node, facts)
        elif node.op_type in COMMON_OPERATORS:  # Those without a rewrite are the same in both.
            nodes.append(node)
        else:
            raise ValueError(f"{node.op_type} must be brought down to opset 11, nothing here does")
    replace_all(lowered.graph.node, nodes)
    replace_all(lowered.opset_import, [helper.make_opsetid("", OLD_OPSET)])
    return clean_up(lowered)


class Facts(NamedTuple):
    """What a rewrite has to know of the graph around a node."""

    constants: dict[str, np.ndarray]
    shapes: dict[str, tuple[int | None, ...] | None]


Rewrite = Callable[[NodeProto, Facts], List[NodeProto]]


def _axes(node: NodeProto, facts: Facts) -> list[NodeProto]:
    return [_with_attribute_for_input(node, facts, "axes", "noop_with_empty_axes")]


def _split(node: NodeProto, facts: Facts) -> list[NodeProto]:
    _require(len(node.input) > 1, node, "has no sizes")
    return [_with_attribute_for_input(node, facts, "split", "num_outputs")]


def _reshape(node: NodeProto, facts: Facts) -> list[NodeProto]:
    if attributes(node).get("allowzero", 0):
        shape = constant_input(node, 1, facts.constants)
        _require(shape is not None and 0 not in shape, node, "may make an empty tensor")
    return [_copy(node, without="allowzero")]


def _softmax(node: NodeProto, facts: Facts) -> list[NodeProto]:
    """Opset 11 takes all axes from this one on as one, which is the same for the last only."""
    axis, rank = attributes(node).get("axis", -1), len(facts.shapes[node.input[0]] or ())
    _require(axis in (-1, rank - 1), node, f"goes along axis {axis} of {rank}")
    return [_copy(node, without="axis", axis=rank - 1)]


def _batch_normalization(node: NodeProto, facts: Facts) -> list[NodeProto]:
    _require(not attributes(node).get("training_mode", 0), node, "is in training mode")
    return [_copy(node, without="training_mode")]


def _average_pool(node: NodeProto, facts: Facts) -> list[NodeProto]:
    _require(set(attributes(node).get("dilations", [1])) == {1}, node, "is dilated")
    return [_copy(node, without="dilations")]


def _pad(node: NodeProto, facts: Facts) -> list[NodeProto]:
    _require(len(node.input) < 4 or not node.input[3], node, "names its axes")
    return [node]


def _hard_swish(node: NodeProto, facts: Facts) -> list[NodeProto]:
    """HardSwish came with opset 14; it is x * HardSigmoid(x)."""
    gate = f"{node.output[0]}_gate"
    return [
        helper.make_node("HardSigmoid", [node.input[0]], [gate], alpha=1 / 6, beta=0.5),
        helper.make_node("Mul", [node.input[0], gate], node.output, name=node.name),
    ]


def _with_attribute_for_input(node: NodeProto, facts: Facts, name: str, newer: str) -> NodeProto:
    """Return a node whose second input is an attribute again, as it was before opset 13 or 18."""
    if len(node.input) < 2 or not node.input[1]:
        return _copy(node, without=newer)
    values = constant_input(node, 1, facts.constants)
    if values is None:
        raise _inexpressible(node, f"computes its {name}")
    changed = _copy(node, without=newer, **{name: values.reshape(-1).tolist()})
    del changed.input[1:]
    return changed


def _copy(node: NodeProto, without: str, **more: object) -> NodeProto:
    """Return a copy of a node without one attribute and with others."""
    kept = {name: value for name, value in attributes(node).items() if name != without}
    return helper.make_node(
        node.op_type, node.input, node.output, name=node.name, **{**kept, **more}
    )


def _require(condition: bool, node: NodeProto, fault: str) -> None:
    if not condition:
        raise _inexpressible(node, fault)


def _inexpressible(node: NodeProto, fault: str) -> ValueError:
    return ValueError(f"{node.op_type} '{node.name}' {fault}, which opset 11 cannot say")


REWRITES: dict[str, Rewrite] = {
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_normalization,
    "HardSwish": _hard_swish,
    "Pad": _pad,
    "ReduceMax": _axes,
    "ReduceMean": _axes,
    "Reshape": _reshape,
    "Softmax": _softmax,
    "Split": _split,
    "Squeeze": _axes,
    "Unsqueeze": _axes,
}
