from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from vision.deploy.graph.opset_downgrade import downgrade
from vision.deploy.onnx_reading import open_session

X = np.random.default_rng(3).normal(size=(1, 4, 6, 6)).astype(np.float32)

# Operators as torch's newer exporter writes them: inputs, attributes, constants, shape of y.
NEW_FORMS = {
    "ReduceMean": (["x", "k"], {"keepdims": 1}, {"k": np.array([2, 3])}, [1, 4, 1, 1]),
    "Reshape": (["x", "k"], {"allowzero": 1}, {"k": np.array([1, -1, 4])}, [1, 36, 4]),
    "Unsqueeze": (["x", "k"], {}, {"k": np.array([0])}, [1, 1, 4, 6, 6]),
    "Squeeze": (["x", "k"], {}, {"k": np.array([0])}, [4, 6, 6]),
    "Softmax": (["x"], {}, {}, [1, 4, 6, 6]),
    "HardSwish": (["x"], {}, {}, [1, 4, 6, 6]),
    "HardSigmoid": (["x"], {"alpha": 0.2}, {}, [1, 4, 6, 6]),
    "AveragePool": (["x"], {"kernel_shape": [2, 2]}, {}, [1, 4, 5, 5]),
    "Pad": (["x", "k"], {}, {"k": np.array([0, 0, 1, 1, 0, 0, 1, 1])}, [1, 4, 8, 8]),
    "BatchNormalization": (
        ["x", "a", "a", "a", "a"],
        {"training_mode": 0},
        {"a": np.float32([1, 2, 3, 4])},
        [1, 4, 6, 6],
    ),
    "Clip": (["x", "a", "b"], {}, {"a": np.float32(0), "b": np.float32(0.5)}, [1, 4, 6, 6]),
}


def model_of(kind, inputs, options, weights, result):
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"], name="it", **options)],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, result)],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(model):
    (y,) = open_session(model.SerializeToString()).run(["y"], {"x": X})
    return y


@pytest.mark.parametrize("kind", NEW_FORMS)
def test_each_operator_computes_the_same(kind):
    model = model_of(kind, *NEW_FORMS[kind])
    lowered = downgrade(model, 11)
    assert (lowered.opset_import[0].version, lowered.ir_version) == (11, 6)
    onnx.checker.check_model(lowered, full_check=True)
    np.testing.assert_allclose(run(lowered), run(model), rtol=1e-6, atol=1e-6)


def test_split_has_its_sizes_as_attribute_again():
    graph = helper.make_graph(
        [
            helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=1),
            helper.make_node("Concat", ["b", "a"], ["y"], axis=1),
        ],
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, X.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, X.shape)],
        [numpy_helper.from_array(np.array([1, 3]), "sizes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    np.testing.assert_array_equal(run(downgrade(model, 11)), X[:, [1, 2, 3, 0]])


@pytest.mark.parametrize(
    ("kind", "form", "fault"),
    [
        ("Softmax", (["x"], {"axis": 1}, {}, [1, 4, 6, 6]), "goes along axis 1 of 4"),
        ("Mish", (["x"], {}, {}, [1, 4, 6, 6]), "Mish must be brought down to opset 11"),
        (
            "AveragePool",
            (["x"], {"kernel_shape": [2, 2], "dilations": [2, 2]}, {}, [1, 4, 4, 4]),
            "is dilated",
        ),
        (
            "Pad",
            (["x", "k", "", "k"], {}, {"k": np.array([2, 3])}, [1, 4, 6, 6]),
            "names its axes",
        ),
    ],
)
def test_what_has_no_old_form_is_refused(kind, form, fault):
    with pytest.raises(ValueError, match=fault):
        downgrade(model_of(kind, *form), 11)


def test_other_opsets_are_refused():
    model = model_of("Softmax", *NEW_FORMS["Softmax"])
    assert downgrade(model, 18) is model
    with pytest.raises(ValueError, match="opset 11 or 18, got 13"):
        downgrade(model, 13)
