from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper

from vision.deploy.export import ForDetectNet, trace
from vision.deploy.graph.clean_up import clean_up
from vision.deploy.onnx_reading import constants, open_session


def operators(model):
    return [node.op_type for node in model.graph.node]


def tensor(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def small_model(nodes, shape=(2, 5), result=(2, 5), weights=None):
    """Return a graph from x to y of float32."""
    graph = helper.make_graph(
        nodes,
        "small",
        [tensor("x", shape)],
        [tensor("y", result)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=10)


def run(model, x):
    (y,) = open_session(model.SerializeToString()).run(["y"], {"x": x})
    return y


X = np.arange(10, dtype=np.float32).reshape(2, 5)


def test_what_torch_leaves_of_an_untrained_net_is_cleaned(make_net):
    raw = trace(ForDetectNet(make_net()).eval(), torch.zeros(1, 3, 32, 32), 11)
    assert "Identity" in operators(raw)  # The biases of two heads are equal.
    assert any((value == 2**63 - 1).any() for value in constants(raw.graph).values())
    cleaned = clean_up(raw)
    assert not {"Identity", "Constant", "BatchNormalization"}.intersection(operators(cleaned))
    integers = [v for v in constants(cleaned.graph).values() if v.dtype == np.int64]
    assert max(v.max() for v in integers) <= 32
    assert cleaned.ir_version == 6
    assert [value.name for value in cleaned.graph.input] == ["input_0"]
    assert [value.name for value in cleaned.graph.output] == ["scores", "boxes"]
    x = np.random.default_rng(1).uniform(-1, 1, (1, 3, 32, 32)).astype(np.float32)
    for before, after in zip(
        open_session(raw.SerializeToString()).run(None, {"input_0": x}),
        open_session(cleaned.SerializeToString()).run(None, {"input_0": x}),
    ):
        np.testing.assert_array_equal(before, after)


def test_the_given_model_stays(toy_model):
    toy_model.ir_version = 10
    clean_up(toy_model)
    assert toy_model.ir_version == 10


def test_chains_of_identities_and_constants_go():
    model = small_model(
        [
            helper.make_node("Constant", [], ["two"], value_float=2.0),
            helper.make_node("Identity", ["two"], ["a"]),
            helper.make_node("Identity", ["a"], ["b"]),
            helper.make_node("Identity", ["x"], ["c"]),
            helper.make_node("Mul", ["c", "b"], ["y"]),
        ]
    )
    model.opset_import[0].version = 12  # Constants of one number came with it.
    cleaned = clean_up(model)
    assert operators(cleaned) == ["Mul"]
    assert list(cleaned.graph.node[0].input) == ["x", "two"]
    np.testing.assert_array_equal(run(cleaned, X), 2 * X)


def test_an_identity_that_makes_an_output_stays():
    cleaned = clean_up(small_model([helper.make_node("Identity", ["x"], ["y"])]))
    assert operators(cleaned) == ["Identity"]


def test_slice_ends_become_sizes_and_shared_constants_stay():
    largest = np.array([2**63 - 1])
    model = small_model(
        [
            helper.make_node("Slice", ["x", "start", "end", "axis"], ["part"]),
            helper.make_node("Slice", ["part", "start", "end", "zero"], ["y"]),
        ],
        result=(1, 4),
        weights={
            "start": np.array([1]),
            "end": largest,
            "axis": np.array([-1]),
            "zero": np.array([0]),
        },
    )
    cleaned = clean_up(model)
    known = constants(cleaned.graph)
    assert [known[node.input[2]].tolist() for node in cleaned.graph.node] == [[5], [2]]
    assert "end" not in known
    np.testing.assert_array_equal(run(cleaned, X), X[1:, 1:])


def test_a_backward_slice_keeps_its_meaning():
    weights = {
        "start": np.array([2**63 - 1]),
        "end": np.array([-(2**63)]),
        "axis": np.array([1]),
        "step": np.array([-1]),
    }
    node = helper.make_node("Slice", ["x", "start", "end", "axis", "step"], ["y"])
    cleaned = clean_up(small_model([node], weights=weights))
    np.testing.assert_array_equal(run(cleaned, X), X[:, ::-1])


def test_what_nobody_needs_goes():
    model = small_model(
        [
            helper.make_node("Relu", ["x"], ["y"], doc_string="file.py, line 3"),
            helper.make_node("Exp", ["x"], ["unused"]),
        ],
        weights={"spare": np.ones(3, np.float32)},
    )
    model.graph.input.append(tensor("spare", (3,)))
    model.graph.value_info.append(tensor("unused", (2, 5)))
    model.metadata_props.add(key="source", value="somewhere")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    cleaned = clean_up(model)
    assert operators(cleaned) == ["Relu"]
    assert not cleaned.graph.initializer
    assert [value.name for value in cleaned.graph.input] == ["x"]
    assert not cleaned.graph.value_info
    assert not cleaned.metadata_props
    assert not cleaned.graph.node[0].doc_string
    assert [entry.domain for entry in cleaned.opset_import] == [""]
