"""Reading ONNX files: graphs, shapes, constants, and running them."""

from __future__ import annotations

import math
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError, Message
from onnx import GraphProto, ModelProto, NodeProto, TypeProto, ValueInfoProto, helper, numpy_helper
from onnxruntime.capi import onnxruntime_pybind11_state as runtime_errors

from vision.utils.files import read_regular
from vision.utils.text import printable

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


# Operators that run a part of the graph again and again, for ever if the file says so.
ENDLESS = ("Loop", "Scan")
LARGEST_TENSOR = 1 << 30  # of one tensor; the largest of a detector of 1024 pixels has 0.3 GB


class Session(onnxruntime.InferenceSession):
    """An open ONNX file, on the CPU; what it cannot do ends in a sentence that names it."""

    def __init__(self, model: str | bytes, name: str | Path) -> None:
        """Open a file by its path, or by its content; `name` is that of the file, in errors."""
        self._name = name
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what is wrong is said here
        # Its threads would wait busily for the next picture, on cores that suppression needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        with self._refusing():
            super().__init__(
                model, options, providers=["CPUExecutionProvider"], disable_fallback=True
            )

    def run(self, output_names: Any, input_feed: Any, run_options: Any = None) -> list[np.ndarray]:
        """Return the outputs of these names for inputs by name.

        Raises:
            ValueError: naming the file, if its graph cannot be run to the end, or if what comes out
                is no array of numbers.
        """
        with self._refusing():
            outputs = super().run(output_names, input_feed, run_options)
        names = output_names or [output.name for output in self.get_outputs()]
        for name, value in zip(names, outputs):
            if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
                raise ValueError(f"{self._name} must put out numbers, its output '{name}' has none")
        return outputs

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except runtime_errors.InvalidProtobuf:
            raise ValueError(_no_onnx(self._name)) from None
        except (*REFUSALS, ValueError, TypeError, RuntimeError, IndexError) as error:
            reason = printable(" ".join(str(error).split()))
            raise ValueError(
                f"{self._name} must run in onnxruntime, which says: {reason}"
            ) from error


def _no_onnx(name: str | Path) -> str:
    """Return what is wrong with a file that is no ONNX, and what to do."""
    if Path(name).suffix.lower() == ".pth":
        return (
            f"{name} must be an ONNX file, it is a .pth; export it: onnx_export.py --input={name}"
        )
    return f"{name} must be an ONNX file, it is damaged or something else; export it again"


def read_model(path: str | Path) -> ModelProto:
    """Read an ONNX file without the data that it may keep in other files.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file.
    """
    return parse_model(read_regular(path), path)


def parse_model(content: bytes, name: str | Path) -> ModelProto:
    """Return the model that an ONNX file's content holds; `name` is that of the file, in errors.

    Raises:
        ValueError: if it is not an ONNX file.
    """
    try:
        model = onnx.load_model_from_string(content)
        _require_text(model)
    except (DecodeError, UnicodeError):
        raise ValueError(_no_onnx(name)) from None
    if not model.graph.node:
        raise ValueError(f"{name} must be an ONNX file with a network in it, it has none")
    _forget_sizes_below_0(model)
    return model


def _forget_sizes_below_0(model: ModelProto) -> None:
    """Leave sizes open that are below 0: onnx aborts the process where it computes with them.

    Some exporters write -1 for a size that may be any.
    """
    graphs = [model.graph, *(graph for node in _all_nodes(model) for graph in _graphs_of(node))]
    for graph in graphs:
        for value in (*graph.input, *graph.value_info, *graph.output):
            for size in value.type.tensor_type.shape.dim:
                if size.dim_value < 0:
                    size.ClearField("dim_value")


def _require_text(message: Message) -> None:
    """Read every text of a file once; one that is no text comes as bytes, or not at all.

    Raises:
        UnicodeError: if there is such a one.
    """
    for field, value in message.ListFields():
        parts = [value] if isinstance(value, (Message, str, bytes)) else value
        if field.type == field.TYPE_STRING and not all(isinstance(part, str) for part in parts):
            raise UnicodeError(field.name)
        for part in parts if field.type == field.TYPE_MESSAGE else ():
            _require_text(part)


def open_session(model: str | Path | bytes, name: str | Path = "the graph") -> Session:
    """Open an ONNX file in onnxruntime, on the CPU. All of the project opens its files here.

    Args:
        model: the path of the file, or its content.
        name: what an error calls the content; a path names itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not an ONNX file, onnxruntime cannot run its graph, or running it might
            have no end or take all memory.
    """
    if isinstance(model, bytes):
        _require_bounded(parse_model(model, name), name)
        return Session(model, name)
    path = Path(model)
    if not path.exists():
        raise FileNotFoundError(f"there is no model {path.absolute()}")
    _require_bounded(read_model(path), path)
    return Session(str(path), path)


def _require_bounded(model: ModelProto, name: str | Path) -> None:
    """Refuse what a file of a few bytes could do to the machine or the process."""
    endless = [node.op_type for node in _all_nodes(model) if node.op_type in ENDLESS]
    if endless:
        raise ValueError(
            f"{name} must not have the operator {endless[0]}, which may run for ever; no detector "
            "needs it: export the file without it"
        )
    _require_order(model.graph, set(), name)
    graph = infer_shapes(model).graph
    for value in (*graph.value_info, *graph.output):
        sizes = [size for size in shape_of(value.type) or () if size]
        if math.prod(sizes) * 4 > LARGEST_TENSOR or min(sizes, default=1) < 0:
            raise ValueError(
                f"{name} must have tensors of {LARGEST_TENSOR >> 30} GB at most, "
                f"'{printable(value.name)}' is {shape_text(tuple(sizes))}; export the file anew, "
                "for a smaller input or batch"
            )


def _require_order(graph: GraphProto, known: set[str], name: str | Path) -> None:
    """Refuse a graph that goes in circles: onnxruntime aborts the whole process on some.

    `known` are the tensors of the graphs around it.
    """
    known = known | {"", *(one.name for one in (*graph.input, *graph.initializer))}
    known |= {one.values.name for one in graph.sparse_initializer}
    for node in graph.node:
        for inner in _graphs_of(node):
            _require_order(inner, known, name)
        early = [one for one in node.input if one not in known]
        twice = [one for one in node.output if one and one in known]
        if early or twice:
            raise ValueError(
                f"{name} must compute each tensor once, before it is used; "
                f"'{printable((early or twice)[0])}' is not; export the file again"
            )
        known.update(node.output)


def _graphs_of(node: NodeProto) -> Iterator[GraphProto]:
    """Yield the graphs that the attributes of a node hold."""
    for attribute in node.attribute:
        yield from (attribute.g, *attribute.graphs)


def _all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Yield the nodes of a graph, of graphs inside it, and of functions."""
    waiting = [*model.graph.node, *(node for one in model.functions for node in one.node)]
    while waiting:
        node = waiting.pop()
        yield node
        for graph in _graphs_of(node):
            waiting.extend(graph.node)


def infer_shapes(model: ModelProto) -> ModelProto:
    """Return a copy with the shapes of all tensors, or the model where ONNX cannot tell them."""
    try:
        return onnx.shape_inference.infer_shapes(model, data_prop=True)
    except (onnx.shape_inference.InferenceError, UnicodeDecodeError):
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
