"""Clean an exported graph, so that the parser of the oldest TensorRT takes it.

torch's exporter leaves things that are legal ONNX and stop TensorRT: it shares equal weights
through Identity nodes (TensorRT before 8.4 wants the bias of a Conv to be a constant itself, and an
untrained net has many equal biases), and it writes open slice ends as the largest 64-bit integer.
"""

from __future__ import annotations

from typing import Iterable, MutableSequence

import numpy as np
from onnx import GraphProto, ModelProto, helper, numpy_helper

from vision.deploy.onnx_reading import all_shapes, constant_input, constant_value, constants

LARGEST_INDEX = np.iinfo(np.int32).max


def clean_up(model: ModelProto) -> ModelProto:
    """Return a tidied copy of a model that computes the same; names of inputs and outputs stay.

    Constants become initializers, Identity nodes go, slice ends become indices, what nobody uses is
    dropped, notes of the exporter too, and the IR version is the lowest that the opset allows.
    """
    cleaned = ModelProto()
    cleaned.CopyFrom(model)
    graph = cleaned.graph
    make_constants_initializers(graph)
    bypass_identities(graph)
    close_slices(cleaned)
    drop_unused(graph)
    drop_notes(cleaned)
    domains = {node.domain for node in graph.node} | {""}
    replace_all(cleaned.opset_import, [e for e in cleaned.opset_import if e.domain in domains])
    cleaned.ir_version = helper.find_min_ir_version_for(list(cleaned.opset_import))
    return cleaned


def make_constants_initializers(graph: GraphProto) -> None:
    """Turn every Constant node into an initializer of the same name."""
    kept = []
    for node in graph.node:
        value = constant_value(node)
        if value is None:
            kept.append(node)
        else:
            graph.initializer.append(numpy_helper.from_array(value, node.output[0]))
    replace_all(graph.node, kept)


def bypass_identities(graph: GraphProto) -> None:
    """Let the users of an Identity take its input, unless it makes an output of the graph."""
    outputs = {value.name for value in graph.output}
    sources: dict[str, str] = {}
    kept = []
    for node in graph.node:  # They stand in the order of computation, so chains resolve on the way.
        replace_all(node.input, [sources.get(name, name) for name in node.input])
        if node.op_type == "Identity" and node.output[0] not in outputs:
            sources[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    replace_all(graph.node, kept)


def close_slices(model: ModelProto) -> None:
    """Replace slice ends beyond 32 bits by the size of the sliced dimension."""
    graph, shapes, known = model.graph, all_shapes(model), constants(model.graph)
    for node in graph.node:
        ends = constant_input(node, 2, known) if node.op_type == "Slice" else None
        if ends is None or (np.abs(ends.astype(np.float64)) <= LARGEST_INDEX).all():
            continue
        axes = constant_input(node, 3, known)
        axes = np.arange(len(ends)) if axes is None else axes
        limits = [_size(shapes.get(node.input[0]), int(axis)) for axis in axes]
        closed = np.clip(ends, -LARGEST_INDEX, limits).astype(np.int64)
        # Under a name of its own, because others may share the constant.
        name = f"{node.output[0]}_ends"
        graph.initializer.append(numpy_helper.from_array(closed, name))
        node.input[2] = name


def drop_unused(graph: GraphProto) -> None:
    """Remove nodes and weights that no output depends on, and weights from the list of inputs."""
    weights = {tensor.name for tensor in graph.initializer}
    replace_all(graph.input, [value for value in graph.input if value.name not in weights])
    needed = {value.name for value in graph.output}
    kept = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    replace_all(graph.node, kept[::-1])
    replace_all(
        graph.initializer, [tensor for tensor in graph.initializer if tensor.name in needed]
    )


def drop_notes(model: ModelProto) -> None:
    """Remove what the exporter noted: stack traces, shapes of inner tensors, properties."""
    for part in [model, model.graph, *model.graph.node, *model.graph.initializer]:
        part.ClearField("doc_string")
        if "metadata_props" in part.DESCRIPTOR.fields_by_name:
            part.ClearField("metadata_props")
    model.graph.ClearField("value_info")


def replace_all(repeated: MutableSequence, items: Iterable) -> None:
    """Set the items of a repeated protobuf field, which takes no assignment."""
    items = list(items)
    del repeated[:]
    repeated.extend(items)


def _size(shape: tuple[int | None, ...] | None, axis: int) -> int:
    """Return the size of an axis; where that is not known, the largest index that fits 32 bits."""
    return (shape[axis] if shape else None) or LARGEST_INDEX
