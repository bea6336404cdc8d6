"""Reading ONNX files: graphs, shapes, constants, and running them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from onnx import GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

# The forms in which a Constant node may keep its value, and the type of the tensor that it makes.
CONSTANT_TYPES = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}

# What onnxruntime raises for a graph that it cannot run. Their only common base is Exception.
REFUSALS = (
    runtime_errors.Fail,
    runtime_errors.InvalidArgument,
    runtime_errors.InvalidGraph,
    runtime_errors.NotImplemented,
    runtime_errors.RuntimeException,
)


def read_model(path: str | Path) -> ModelProto:
    """Read an ONNX file without the data that it may keep in other files.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file.
    """
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError:
        raise ValueError(f"{path} must be an ONNX file, it is damaged or something else") from None
    if not model.graph.node:
        raise ValueError(f"{path} must be an ONNX file with a network in it, it has none")
    return model


def open_session(
    model: str | Path | bytes, name: str | Path = "the graph"
) -> onnxruntime.InferenceSession:
    """Open an ONNX file in onnxruntime, on the CPU. All of the project opens its files here.

    Args:
        model: the path of the file, or its content.
        name: what an error calls the content; a path names itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file, or onnxruntime cannot run its graph.
    """
    if not isinstance(model, bytes):
        name = Path(model)
        if not name.is_file():
            raise FileNotFoundError(f"there is no model {name.absolute()}")
        model = str(model)
    try:
        return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    except runtime_errors.InvalidProtobuf:
        raise ValueError(f"{name} must be an ONNX file, it is damaged or something else") from None
    except REFUSALS as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{name} must run in onnxruntime, which says: {reason}") from error


def infer_shapes(model: ModelProto) -> ModelProto:
    """Return a copy with the shapes of all tensors, or the model where ONNX cannot tell them."""
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return model


def shape_of(tensor_type: TypeProto) -> tuple[int | None, ...] | None:
    """Return the dimensions of a tensor, None for an open one; None if even the rank is unknown."""
    if not tensor_type.tensor_type.HasField("shape"):
        return None
    return tuple(dim.dim_value or None for dim in tensor_type.tensor_type.shape.dim)


def fixed_shape_of(value: ValueInfoProto) -> tuple[int, ...] | None:
    """Return the dimensions of an input or output; None where one of them is open."""
    shape = shape_of(value.type) or ()
    known = tuple(size for size in shape if size is not None)
    return known if known and len(known) == len(shape) else None


def shape_text(shape: tuple[int | None, ...] | None) -> str:
    """Return a shape for a message, "?" for an open dimension."""
    if shape is None:
        return "of unknown rank"
    return "[" + ",".join("?" if size is None else str(size) for size in shape) + "]"


def all_shapes(model: ModelProto) -> dict[str, tuple[int | None, ...] | None]:
    """Return the shapes of all tensors but the constants, by name, as far as ONNX can tell them."""
    graph = infer_shapes(model).graph
    return {v.name: shape_of(v.type) for v in [*graph.input, *graph.value_info, *graph.output]}


def graph_inputs(model: ModelProto) -> list[ValueInfoProto]:
    """Return the inputs that a caller has to feed, without those that are weights."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def metadata(model: ModelProto) -> dict[str, str]:
    """Return what a file says about itself, by key."""
    return {entry.key: entry.value for entry in model.metadata_props}


def default_opset(model: ModelProto) -> int | None:
    """Return the version of the ONNX operators that the file asks for; None if it asks for none."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return versions[0] if versions else None


def attributes(node: NodeProto) -> dict:
    """Return the attributes of a node by name."""
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def constants(graph: GraphProto) -> dict[str, np.ndarray]:
    """Return the values that stand in the graph by name: initializers and Constant nodes."""
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        value = constant_value(node)
        if value is not None:
            found[node.output[0]] = value
    return found


def constant_value(node: NodeProto) -> np.ndarray | None:
    """Return what a Constant node holds; None for other nodes, and for text or sparse values."""
    if node.op_type != "Constant":
        return None
    for name, value in attributes(node).items():
        if name == "value":
            return numpy_helper.to_array(value)
        if name in CONSTANT_TYPES:
            return np.array(value, dtype=CONSTANT_TYPES[name])
    return None


def constant_input(
    node: NodeProto, position: int, known: dict[str, np.ndarray]
) -> np.ndarray | None:
    """Return the constant at one input of a node; None where that is missing or computed."""
    return known.get(node.input[position]) if position < len(node.input) else None
