"""Changes of an ONNX file of the kinds that hurt a reader: of its bytes, and of its graph."""

from __future__ import annotations

import contextlib

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper

NUMBERS = (0, -1, 1, 2, 3, 7, 255, 2**31 - 1, -(2**31), 2**40, 2**63 - 1, -(2**63))
REALS = (0.0, -0.0, 1.0, -1.0, 1e-45, 1e38, float("nan"), float("inf"), float("-inf"))
TEXTS = ("", "scores", "boxes", "input_0", "x", "é", "a\nb", "\0", "../../etc/passwd", "x" * 3000)
VERSIONS = (0, -1, 1, 2, 6, 7, 9, 10, 11, 13, 17, 21, 25, 99, 2**31, 2**62)
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "of.mine")
# Whatever takes one input, or makes shapes and sizes out of values.
OPERATORS = (
    "Identity", "Cast", "Shape", "Size", "NonZero", "Squeeze", "Unsqueeze", "Flatten", "Transpose",
    "Softmax", "Sigmoid", "Exp", "Log", "Sqrt", "Neg", "ArgMax", "ReduceMax", "Reshape", "Expand",
    "Tile", "Gather", "Slice", "Concat", "Pad", "Conv", "MatMul", "Gemm", "Resize", "TopK", "Range",
    "ConstantOfShape", "Loop", "If", "Scan", "NonMaxSuppression", "QuantizeLinear", "Dropout",
    "BatchNormalization", "RandomNormal", "SequenceConstruct", "StringNormalizer", "Unheard", "",
)  # fmt: skip
METADATA = (
    "", "1", "null", "[]", "{", '{"nms": 1}', '{"iou_threshold": "high"}', '{"iou_threshold": NaN}',
    '{"threshold": null}', '{"threshold": "0.5", "clustering": []}', "[" * 3000,
    '{"iou_threshold": 0.5, "candidates": 1e99}', '{"candidates": 2.5}', '{"rounds": true}',
    '{"threshold": NaN, "clustering": 1e400}', '{"threshold": -1, "clustering": -7}',
)  # fmt: skip
KEYS = ("nms", "detectnet", "class_names", "x")


def mutated_bytes(data, rng):
    """Return the file with a few bytes changed, put in, taken out, or cut off."""
    data = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(len(data))
        kind = rng.randrange(5)
        if kind == 0:
            data[place] = rng.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[place : place + rng.choice((1, 4, 100))] = b""
        elif kind == 3:
            other = rng.randrange(len(data))
            data[place:place] = data[other : other + 30]
        else:
            data[place : place + 4] = rng.choice((b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0" * 4))
        if not data:
            break
    cut = rng.random() < 0.1
    return bytes(data[: rng.randrange(len(data) + 1)] if cut else data)


def mutated_graph(data, rng):
    """Return the file with a few changes of its graph; all of them can be written down."""
    model = onnx.load_model_from_string(data)
    for _ in range(rng.choice((1, 1, 2, 4))):
        change = rng.choice(CHANGES)
        # Such a value cannot be written there, or an earlier change has left nothing.
        with contextlib.suppress(ValueError, TypeError, OverflowError, IndexError):
            change(model, rng)
    return model.SerializeToString()


def change_name(model, rng):
    """Give a node's input or output, or a value of the graph, another name."""
    names = _names(model)
    name = rng.choice((*TEXTS, *rng.sample(names, min(4, len(names)))))
    graph = model.graph
    if rng.random() < 0.5:
        node = rng.choice(graph.node)
        places = rng.choice([places for places in (node.input, node.output) if places])
        places[rng.randrange(len(places))] = name
    else:
        rng.choice([*graph.input, *graph.output, *graph.initializer, *graph.node]).name = name


def _names(model):
    return sorted({name for node in model.graph.node for name in (*node.input, *node.output)})


def change_shape(model, rng):
    """State another shape or type of an input or output."""
    value = rng.choice([*model.graph.input, *model.graph.output, *model.graph.value_info])
    kind = value.type.tensor_type
    action = rng.randrange(6)
    if action == 0:
        kind.ClearField("shape")
    elif action == 1:
        kind.elem_type = rng.randrange(25)
    elif action == 2:
        kind.shape.dim.add().dim_value = rng.choice(NUMBERS)
    elif action == 3:
        del kind.shape.dim[rng.randrange(len(kind.shape.dim))]
    elif action == 4:
        rng.choice(kind.shape.dim).dim_param = rng.choice(TEXTS)
    else:
        rng.choice(kind.shape.dim).dim_value = rng.choice(NUMBERS)


def change_version(model, rng):
    """Ask for other versions of the format or its operators."""
    if rng.random() < 0.3:
        model.ir_version = rng.choice(VERSIONS)
    elif rng.random() < 0.3:
        model.opset_import.add(domain=rng.choice(DOMAINS), version=rng.choice(VERSIONS))
    elif rng.random() < 0.2:
        del model.opset_import[:]
    else:
        model.opset_import[0].version = rng.choice(VERSIONS)


def change_weights(model, rng):
    """Change the numbers of an initializer, or what it says of them."""
    tensor = rng.choice(model.graph.initializer)
    action = rng.randrange(7)
    if action == 0:
        tensor.raw_data = tensor.raw_data[: rng.randrange(len(tensor.raw_data) + 1)]
    elif action == 1:
        tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)
    elif action == 2:
        tensor.data_type = rng.randrange(25)
    elif action == 3:
        tensor.data_location = TensorProto.EXTERNAL
        for key, text in (("location", rng.choice(TEXTS)), ("offset", str(rng.choice(NUMBERS)))):
            tensor.external_data.add(key=key, value=text)
    elif action == 4:
        values = numpy_helper.to_array(tensor).copy()
        values.flat[rng.randrange(values.size)] = rng.choice(REALS + NUMBERS)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    elif action == 5:
        values = np.full(rng.choice(((), (0,), (1,), (3, 1), (1, 2, 3))), rng.choice(REALS))
        kind = rng.choice((np.float32, np.float64, np.int32, np.float16))
        with np.errstate(all="ignore"):
            tensor.CopyFrom(numpy_helper.from_array(values.astype(kind), tensor.name))
    else:
        model.graph.initializer.remove(tensor)


def change_attribute(model, rng):
    """Change an attribute of a node, its type, or take it away."""
    node = rng.choice([node for node in model.graph.node if node.attribute])
    attribute = rng.choice(node.attribute)
    action = rng.randrange(6)
    if action == 0:
        node.attribute.remove(attribute)
    elif action == 1:
        attribute.type = rng.randrange(15)
    elif action == 2 and attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
    elif action == 3 and attribute.type == AttributeProto.TENSOR:
        attribute.t.dims.append(rng.choice(NUMBERS))
    else:
        name = attribute.name
        value = rng.choice((rng.choice(NUMBERS), rng.choice(REALS), rng.choice(TEXTS), [0, 1], []))
        attribute.CopyFrom(helper.make_attribute(name, value, attr_type=None if value else 7))


def change_node(model, rng):
    """Take a node out, have it twice, elsewhere, or let it do something else."""
    nodes = model.graph.node
    place = rng.randrange(len(nodes))
    action = rng.randrange(5)
    if action == 0:
        del nodes[place]
    elif action == 1:
        nodes.add().CopyFrom(nodes[place])
    elif action == 2:
        other = rng.randrange(len(nodes))
        kept = onnx.NodeProto()
        kept.CopyFrom(nodes[place])
        nodes[place].CopyFrom(nodes[other])
        nodes[other].CopyFrom(kept)
    elif action == 3:
        nodes[place].op_type = rng.choice(OPERATORS)
    else:
        nodes[place].domain = rng.choice(DOMAINS)


def insert_node(model, rng):
    """Put a node between a tensor and one that reads it."""
    reader = rng.choice([node for node in model.graph.node if node.input])
    place = rng.randrange(len(reader.input))
    wanted = {
        "Cast": {"to": rng.randrange(1, 17)},
        "Squeeze": {"axes": [rng.randrange(-3, 4)]},
        "Unsqueeze": {"axes": [rng.randrange(-3, 4)]},
        "Transpose": {"perm": rng.choice(([0, 2, 1], [0, 3, 1, 2], [1, 0]))},
    }
    operator = rng.choice(OPERATORS)
    count = len(_names(model))
    inputs = [reader.input[place], *rng.sample(_names(model), min(rng.randrange(3), count))]
    node = helper.make_node(operator, inputs, [f"inserted{count}"], **wanted.get(operator, {}))
    at = list(model.graph.node).index(reader)
    reader.input[place] = node.output[0]
    model.graph.node.insert(at, node)


def rename_result(model, old, new):
    """Give a result another name where it is computed, so that a new node can make the old one."""
    for node in model.graph.node:
        node.output[:] = [new if name == old else name for name in node.output]


def insert_growth(model, rng):
    """Let an output be blown up to a size that stands in the graph."""
    size = rng.choice(([1, 1000, 1000], [1, 40000, 40000], [1, 2**20, 2**20], [2**40], [-1], [0]))
    shape = numpy_helper.from_array(np.array(size, np.int64), f"size{len(model.graph.initializer)}")
    model.graph.initializer.append(shape)
    output = rng.choice(model.graph.output)
    grown = f"grown{len(model.graph.node)}"
    rename_result(model, output.name, grown)
    if rng.random() < 0.5:
        node = helper.make_node("ConstantOfShape", [shape.name], [output.name])
    else:
        node = helper.make_node(
            rng.choice(("Expand", "Reshape")), [grown, shape.name], [output.name]
        )
    model.graph.node.append(node)


def insert_loop(model, rng):
    """Let an output go through a loop, which may have no end."""
    output = rng.choice(model.graph.output)
    inner = f"looped{len(model.graph.node)}"
    rename_result(model, output.name, inner)
    count = rng.choice((0, 1, 3, -1, 2**62))
    graph = model.graph
    trips = numpy_helper.from_array(np.array(count, np.int64), f"{inner}_trips")
    graph.initializer.extend([trips, numpy_helper.from_array(np.array(True), f"{inner}_go")])
    state = helper.make_tensor_value_info(f"{inner}_in", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [
            helper.make_node("Identity", [f"{inner}_c"], [f"{inner}_more"]),
            helper.make_node("Identity", [f"{inner}_in"], [f"{inner}_out"]),
        ],
        f"{inner}_body",
        [
            helper.make_tensor_value_info(f"{inner}_i", TensorProto.INT64, []),
            helper.make_tensor_value_info(f"{inner}_c", TensorProto.BOOL, []),
            state,
        ],
        [
            helper.make_tensor_value_info(f"{inner}_more", TensorProto.BOOL, []),
            helper.make_tensor_value_info(f"{inner}_out", TensorProto.FLOAT, None),
        ],
    )
    inputs = [trips.name, f"{inner}_go", inner]
    graph.node.append(helper.make_node("Loop", inputs, [output.name], body=body))


def change_outputs(model, rng):
    """Put out something else, more, or less."""
    outputs = model.graph.output
    action = rng.randrange(4)
    if action == 0:
        del outputs[rng.randrange(len(outputs))]
    elif action == 1:
        outputs.add().name = rng.choice(_names(model))
    elif action == 2:
        outputs.add().CopyFrom(rng.choice(model.graph.input))
    else:
        first, second = outputs[0].name, outputs[1].name
        outputs[0].name, outputs[1].name = second, first


def change_metadata(model, rng):
    """Let the file say something else of itself."""
    key, value = rng.choice(KEYS), rng.choice(METADATA)
    for entry in model.metadata_props:
        if entry.key == key:
            entry.value = value
            return
    model.metadata_props.add(key=key, value=value)


CHANGES = (
    change_name, change_shape, change_version, change_weights, change_attribute, change_node,
    insert_node, insert_growth, insert_loop, change_outputs, change_metadata,
)  # fmt: skip
