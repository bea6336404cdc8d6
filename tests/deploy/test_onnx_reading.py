from __future__ import annotations

import os

import numpy as np
import pytest
from onnx import helper, numpy_helper

from vision.deploy.detectnet import DetectNet
from vision.deploy.emulation.clustering import recommended_settings
from vision.deploy.nms import graph_nms
from vision.deploy.onnx_reading import all_shapes, open_session, read_model


def test_a_session_of_a_file_and_of_its_content(toy_bytes, tmp_path):
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_bytes)
    for model in (path, str(path), toy_bytes):
        assert [value.name for value in open_session(model).get_outputs()] == ["scores", "boxes"]


def test_errors_are_one_line_and_name_the_file(tmp_path, toy_model):
    with pytest.raises(FileNotFoundError, match=r"no model .*absent\.onnx"):
        open_session(tmp_path / "absent.onnx")
    damaged, unheard = tmp_path / "damaged.onnx", tmp_path / "unheard.onnx"
    damaged.write_bytes(b"no protobuf")
    toy_model.graph.node[0].op_type = "Unheard"
    unheard.write_bytes(toy_model.SerializeToString())
    for path in (damaged, unheard):
        with pytest.raises(ValueError, match=f"{path} must") as error:
            open_session(path)
        assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="the graph must run in onnxruntime"):
        open_session(unheard.read_bytes())
    with pytest.raises(ValueError, match=r"mine\.onnx must run in onnxruntime"):
        open_session(unheard.read_bytes(), "mine.onnx")


def endless(model):
    body = helper.make_graph([helper.make_node("Identity", ["more"], ["again"])], "body", [], [])
    model.graph.node.add().CopyFrom(helper.make_node("Loop", ["", ""], ["x"], body=body))


def endless_inside(model):
    inner = helper.make_graph([helper.make_node("Scan", ["scores"], ["y"])], "inner", [], [])
    node = helper.make_node("If", ["scores"], ["x"], then_branch=inner, else_branch=inner)
    model.graph.node.add().CopyFrom(node)


def large(model):
    shape = numpy_helper.from_array(np.array([1, 40_000, 40_000]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.add().CopyFrom(helper.make_node("ConstantOfShape", ["shape"], ["x"]))
    model.graph.output.add().CopyFrom(helper.make_tensor_value_info("x", 1, None))


def circular(model):
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def twice(model):
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (endless, "must not have the operator Loop, which may run for ever"),
        (endless_inside, "must not have the operator Scan"),
        (large, r"must have tensors of 1 GB at most, 'x' is \[1,40000,40000\]"),
        (circular, "must compute each tensor once, before it is used; '.*' is not"),
        (twice, "must compute each tensor once"),
    ],
)
def test_what_could_take_the_machine_is_refused_before_it_runs(
    tmp_path, toy_model, change, sentence
):
    change(toy_model)
    path = tmp_path / "some.onnx"
    path.write_bytes(toy_model.SerializeToString())
    with pytest.raises(ValueError, match=rf"some\.onnx {sentence}"):
        open_session(path)


def test_texts_that_are_none(tmp_path, toy_bytes):
    path = tmp_path / "some.onnx"
    path.write_bytes(toy_bytes.replace(b"scores", b"sco\xffes"))
    with pytest.raises(ValueError, match=r"some\.onnx must be an ONNX file"):
        read_model(path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "some.onnx")
    for read in (read_model, open_session):
        with pytest.raises(ValueError, match=r"some\.onnx must be a file, it is a named pipe"):
            read(tmp_path / "some.onnx")


def test_a_graph_that_fails_while_it_runs_is_named(toy_bytes):
    session = open_session(toy_bytes, "some.onnx")
    with pytest.raises(ValueError, match=r"some\.onnx must run in onnxruntime, which says"):
        session.run(["scores"], {"input_0": np.zeros((1, 3, 5, 5), np.float32)})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1", "must be names with values, got 1"),
        ('{"iou": 1}', "iou must be one of iou_threshold, candidates"),
        ('{"iou_threshold": "high"}', "iou_threshold must be like 0.45, got high"),
        ('{"iou_threshold": NaN}', "iou_threshold must be like 0.45, got nan"),
        ('{"candidates": 2.5}', "candidates must be like 200, got 2.5"),
        ('{"candidates": true}', "candidates must be like 200, got True"),
        ('{"iou_threshold": 7}', "must be 0.1 to 0.9, got 7"),
        ("[" * 100_000, "recursion"),
        ("{", "Expecting"),
    ],
)
def test_settings_in_a_file_are_checked(text, reason):
    with pytest.raises(ValueError, match=rf"a\.onnx has settings .*'nms' .*{reason}") as caught:
        graph_nms({"nms": text}, "a.onnx")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"a\.onnx has settings in its metadata 'detectnet'"):
        recommended_settings({"detectnet": '{"threshold": null}'}, "a.onnx")


def test_sizes_below_0_are_open(tmp_path, toy_model):
    """Computing with them, onnx would abort the process."""
    toy_model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = -1
    nodes = [
        helper.make_node("Slice", ["boxes", "first", "last", "axis"], ["x"]),
        helper.make_node("Identity", ["x"], ["y"]),
    ]
    toy_model.graph.node.extend(nodes)
    for name, number in (("first", 0), ("last", 1), ("axis", 2)):
        toy_model.graph.initializer.append(numpy_helper.from_array(np.array([number]), name))
    path = tmp_path / "some.onnx"
    path.write_bytes(toy_model.SerializeToString())
    assert all_shapes(read_model(path))["x"] == (1, 32, 1)


@pytest.mark.parametrize("part", ["input", "output"])
def test_sizes_that_no_picture_or_labels_have_are_refused(tmp_path, toy_model, part):
    value = getattr(toy_model.graph, part)[0]
    value.type.tensor_type.shape.dim[2].dim_value = 2**31 - 1
    path = tmp_path / "some.onnx"
    path.write_bytes(toy_model.SerializeToString())
    with pytest.raises(ValueError, match=r"some\.onnx"):
        DetectNet(path)


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("best.pth", r"it is a \.pth; export it: onnx_export\.py --input="),
        ("a.onnx", "export it again"),
    ],
)
def test_what_is_no_onnx_file_is_refused_with_what_to_do(tmp_path, name, advice):
    (tmp_path / name).write_bytes(b"PK\3\4 something else")
    with pytest.raises(ValueError, match=advice):
        read_model(tmp_path / name)
