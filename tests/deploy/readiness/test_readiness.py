from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from vision.deploy.graph.clean_up import replace_all
from vision.deploy.graph.suppression import add_nms
from vision.deploy.nms import GraphNms
from vision.deploy.outputs import Outputs
from vision.deploy.readiness import interface_checks
from vision.deploy.readiness.candidate import (
    ERROR,
    WARNING,
    Bindings,
    Candidate,
    LabelFile,
    Reference,
    largest_differences,
)
from vision.deploy.readiness.probes import probe_inputs
from vision.deploy.readiness.readiness import (
    CHECKS,
    find_problems,
    guess_bindings,
    judge,
    open_candidate,
    require_ready,
)
from vision.deploy.readiness.requirements import REQUIREMENTS
from vision.deploy.targets import TARGETS

SHAPE = (1, 3, 32, 32)


def problems(model, groups=tuple(CHECKS), path="toy.onnx", **facts):
    """Return {code: severity} of what is found; the toy is untrained, but a good file."""
    candidate = Candidate(model, Path(path), probes=probe_inputs(SHAPE), **facts)
    return {finding.code: finding.severity for finding in find_problems(candidate, groups)}


def read(path):
    return LabelFile(path, path.read_bytes())


def node_of(model, kind):
    return next(node for node in model.graph.node if node.op_type == kind)


def set_constant(model, name, values):
    tensor = next(t for t in model.graph.initializer if t.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def insert(model, kind, source, target, **attributes):
    """Put a node between a tensor and the first node that uses it."""
    user = next(node for node in model.graph.node if source in node.input)
    user.input[list(user.input).index(source)] = target
    position = list(model.graph.node).index(user)
    model.graph.node.insert(position, helper.make_node(kind, [source], [target], **attributes))


def test_a_good_file_has_no_finding(toy_model, labels_path):
    assert problems(toy_model, labels=read(labels_path)) == {}


def test_a_good_file_is_good_for_every_target(toy_model):
    for target in TARGETS.values():
        assert problems(toy_model, target=target) == {}


def dynamic_batch(model):
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def channels_last(model):
    sizes = (1, 32, 32, 3)
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, sizes):
        dim.dim_value = size


def batch_of_four(model):
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[0].dim_value = 4


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("scale", TensorProto.FLOAT, [1]))


def other_input_name(model):
    model.graph.input[0].name = "data"


def other_output_name(model):
    model.graph.output[0].name = "coverage"


def third_output(model):
    model.graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2]))


def flat_scores(model):
    del model.graph.output[0].type.tensor_type.shape.dim[0]


def boxes_of_five(model):
    model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = 5


def fewer_boxes(model):
    model.graph.output[1].type.tensor_type.shape.dim[1].dim_value = 7


def one_class(model):
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = 1


def unknown_rank(model):
    model.graph.output[0].type.tensor_type.ClearField("shape")


def half_input(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.FLOAT16


def double_scores(model):
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("break_model", "code"),
    [
        (dynamic_batch, "input-shape"),
        (channels_last, "input-shape"),
        (batch_of_four, "batch-size"),
        (two_inputs, "input-name"),
        (other_input_name, "input-name"),
        (other_output_name, "output-names"),
        (third_output, "output-names"),
        (flat_scores, "output-shape"),
        (boxes_of_five, "output-shape"),
        (fewer_boxes, "output-shape"),
        (one_class, "output-shape"),
        (unknown_rank, "output-shape"),
        (half_input, "binding-type"),
        (double_scores, "binding-type"),
    ],
)
def test_what_detectnet_cannot_bind(toy_model, break_model, code):
    break_model(toy_model)
    assert problems(toy_model, groups=["interface"]).get(code) == ERROR


def test_other_names_are_fine_when_given(toy_model):
    bindings = Bindings("data", "coverage", "bboxes")
    for value, name in zip([*toy_model.graph.input, *toy_model.graph.output], bindings):
        value.name = name
    assert problems(toy_model, groups=["interface"], bindings=bindings) == {"names": WARNING}
    assert bindings.options == "--input-blob=data --output-cvg=coverage --output-bbox=bboxes"


def outside_data(model):
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL


def loose_end(model):
    model.graph.node[0].input[0] = "nowhere"


def foreign_domain(model):
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def newer_opset(model):
    model.opset_import[0].version = 12


def newer_ir(model):
    model.ir_version = 8


@pytest.mark.parametrize(
    ("break_model", "code", "severity"),
    [
        (outside_data, "external-data", ERROR),
        (loose_end, "malformed", ERROR),
        (foreign_domain, "domain", ERROR),
        (newer_opset, "opset", ERROR),
        (newer_ir, "ir-version", WARNING),
    ],
)
def test_files_and_versions(toy_model, break_model, code, severity):
    break_model(toy_model)
    assert problems(toy_model, groups=["file", "versions"]).get(code) == severity


def test_an_opset_other_than_asked_for(toy_model):
    assert problems(toy_model, expected_opset=13) == {"opset-not-kept": ERROR}


@pytest.mark.parametrize(
    ("path", "code", "severity"),
    [
        ("toy.engine", "extension", ERROR),
        ("my models/toy.onnx", "path", WARNING),
        ("a&b/toy.onnx", "path", WARNING),
        ("toy.ONNX", None, None),
    ],
)
def test_names_of_files(toy_model, path, code, severity):
    assert problems(toy_model, groups=["file"], path=path) == ({code: severity} if code else {})


def test_an_engine_older_than_the_file(toy_model, tmp_path):
    path = tmp_path / "toy.onnx"
    path.write_bytes(b"")
    engine = tmp_path / "toy.onnx.1.1.8201.GPU.FP16.engine"
    engine.write_bytes(b"")
    (tmp_path / "toy2.onnx.1.1.8201.GPU.FP16.engine").write_bytes(b"")
    changed = path.stat().st_mtime
    os.utime(engine, (changed + 10, changed + 10))
    assert problems(toy_model, groups=["file"], path=path) == {}
    os.utime(engine, (changed - 10, changed - 10))
    assert problems(toy_model, groups=["file"], path=path) == {"stale-engine": WARNING}


def refused_operator(model):
    node_of(model, "Exp").op_type = "NonZero"


def unknown_operator(model):
    node_of(model, "Exp").op_type = "Erf"


def bias_behind_identity(model):
    insert(model, "Identity", node_of(model, "Conv").input[2], "copied")


def axes_computed(model):
    insert(model, "Identity", node_of(model, "Slice").input[1], "copied")


def double_constant(model):
    values = np.ones(1, np.float64)
    model.graph.initializer.append(numpy_helper.from_array(values, "double"))


def cast(model):
    insert(model, "Cast", node_of(model, "Exp").input[0], "cast", to=TensorProto.FLOAT)


def open_slice(model):
    set_constant(model, node_of(model, "Slice").input[2], np.array([2**63 - 1]))


def left_dropout(model):
    insert(model, "Dropout", node_of(model, "Exp").input[0], "dropped")


def large_weight(model):
    set_constant(model, node_of(model, "Conv").input[2], np.full(8, 31000, np.float32))


def too_large_weight(model):
    set_constant(model, node_of(model, "Conv").input[2], np.full(8, 1e6, np.float32))


@pytest.mark.parametrize(
    ("break_model", "code", "severity"),
    [
        (refused_operator, "operator", ERROR),
        (unknown_operator, "operator", ERROR),
        (bias_behind_identity, "computed-constant", ERROR),
        (axes_computed, "computed-constant", ERROR),
        (double_constant, "type", ERROR),
        (cast, "type", ERROR),
        (open_slice, "large-integer", WARNING),
        (left_dropout, "dropout", WARNING),
        (large_weight, "half-range", WARNING),
        (too_large_weight, "half-range", ERROR),
    ],
)
def test_what_tensorrt_cannot_parse(toy_model, break_model, code, severity):
    break_model(toy_model)
    assert problems(toy_model, groups=["graph"]).get(code) == severity


def test_open_dimensions_inside(toy_model):
    dynamic_batch(toy_model)
    assert "open-shape" in problems(toy_model, groups=["graph"])


def test_hard_swish_needs_a_newer_target(toy_model):
    node_of(toy_model, "Exp").op_type = "HardSwish"
    assert "operator" in problems(toy_model, groups=["graph"])
    assert "operator" not in problems(toy_model, ["graph"], target=TARGETS["trt8.6"])


def test_a_batch_normalization_behind_a_convolution(toy_model):
    result = node_of(toy_model, "Conv").output[0]
    insert(toy_model, "BatchNormalization", result, "normal")
    node = node_of(toy_model, "BatchNormalization")
    for name in ("scale", "shift", "mean", "variance"):
        node.input.append(name)
        toy_model.graph.initializer.append(numpy_helper.from_array(np.ones(8, np.float32), name))
    assert problems(toy_model, groups=["graph"]) == {"batch-norm": WARNING}


@pytest.mark.parametrize(
    ("pads", "mode", "is_good"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], "constant", True),
        ([0, 1, 0, 0, 0, 0, 0, 0], "constant", False),
        ([0, 0, 1, 1, 0, 0, 1, 1], "reflect", False),
    ],
)
def test_padding(toy_model, pads, mode, is_good):
    insert(toy_model, "Pad", node_of(toy_model, "Conv").output[0], "padded", mode=mode)
    node_of(toy_model, "Pad").input.append("pads")
    toy_model.graph.initializer.append(numpy_helper.from_array(np.array(pads), "pads"))
    assert ("padding" not in problems(toy_model, groups=["graph"])) == is_good


def undefined_weights(model):
    set_constant(model, node_of(model, "Conv").input[2], np.full(8, np.nan, np.float32))


def no_softmax(model):
    node_of(model, "Softmax").op_type = "Relu"
    del node_of(model, "Relu").attribute[:]


def reversed_boxes(model):
    concat = next(n for n in model.graph.node if "boxes" in n.output)
    replace_all(concat.input, list(concat.input)[::-1])


def boxes_in_pixels(model):
    concat = next(n for n in model.graph.node if "boxes" in n.output)
    concat.output[0] = "fractions"
    side = numpy_helper.from_array(np.array(300, np.float32), "side")
    model.graph.initializer.append(side)
    model.graph.node.append(helper.make_node("Mul", ["fractions", "side"], ["boxes"]))


def background_last(model):
    bias = [n for n in model.graph.node if n.op_type == "Conv"][1].input[2]
    set_constant(model, bias, np.array([0, 0, 5] * 2, np.float32))


def no_metadata(model):
    model.ClearField("metadata_props")


@pytest.mark.parametrize(
    ("break_model", "code", "severity"),
    [
        (undefined_weights, "not-finite", ERROR),
        (no_softmax, "scores", ERROR),
        (reversed_boxes, "boxes", ERROR),
        (boxes_in_pixels, "boxes", ERROR),
        (background_last, "background", WARNING),
        (no_metadata, "normalisation", WARNING),
    ],
)
def test_wrong_numbers(toy_model, break_model, code, severity):
    break_model(toy_model)
    assert problems(toy_model).get(code) == severity


def test_a_box_that_float32_rounds_to_no_width_is_in_the_right_form(toy_model):
    """Rows that are background may hold any numbers: of a trained net 17 of 3,000 had no width."""
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    for _, boxes in candidate.rows.values():
        boxes[:, :9, 2] = boxes[:, :9, 0]
    assert [finding.code for finding in find_problems(candidate)] == []


def test_numbers_other_than_the_net_s(toy_model):
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    for probe, (scores, boxes) in candidate.rows.items():
        exact = Outputs(scores, boxes + np.float32(2e-4))
        candidate.references[probe] = Reference(exact, exact)
    (finding, *_) = find_problems(candidate)
    assert finding.code == "parity"
    assert "boxes must equal the net's within 0.0001, they are 0.0002" in finding.message


def test_a_file_may_be_as_far_off_as_float32_is(toy_model):
    """Large logits: the net itself is 1e-4 off in float32, so a file may be 1e-3 off."""
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    for probe, (scores, boxes) in candidate.rows.items():
        single = Outputs(scores, boxes + np.float32(5e-4))
        double = Outputs(scores, boxes + np.float32(6e-4))
        candidate.references[probe] = Reference(single, double)
    assert [finding.code for finding in find_problems(candidate)] == []


def test_float32_that_rounds_well_by_luck_makes_the_check_no_stricter(toy_model):
    """The net is 1e-4 off in the scores of one picture, and exact in all else."""
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    for number, (probe, (scores, boxes)) in enumerate(candidate.rows.items()):
        exact = Outputs(scores, boxes + np.float32(5e-4))  # the file is 5e-4 off in all boxes
        single = Outputs(scores + np.float32(1e-4), exact.boxes) if number == 0 else exact
        candidate.references[probe] = Reference(single, exact)
    assert len(candidate.probes) > 1
    assert [finding.code for finding in find_problems(candidate)] == []


def test_a_far_coordinate_counts_in_proportion_and_an_infinite_one_not_at_all():
    boxes = np.float32([[70.0007, 0.50001, np.inf]])
    exact = np.float64([[70.0, 0.5, 1e40]])
    single = np.float32([[70.0, 0.5, np.inf]])
    scores = np.float32([[0.5]])
    reference = Reference(Outputs(scores, single), Outputs(scores, exact))
    differences = largest_differences(Outputs(scores, boxes), reference)
    assert differences == (0, pytest.approx(1e-5, rel=0.1))


@pytest.mark.parametrize(("rows", "severity"), [(1, WARNING), (2, ERROR)])
def test_rows_beyond_all_bounds(toy_model, rows, severity):
    """Of the two boxes of a cell, one or both are exp(400) wide: the rest can be used."""
    bias = [n for n in toy_model.graph.node if n.op_type == "Conv"][2].input[2]
    values = np.zeros((2, 4), np.float32)
    values[:rows, 2] = 2000
    set_constant(toy_model, bias, values.reshape(-1))
    assert problems(toy_model)["not-finite"] == severity


def test_an_untrained_net_may_put_its_boxes_anywhere(toy_model):
    """What the net itself puts out is no fault of the file; in another's file it may be pixels."""
    boxes_in_pixels(toy_model)
    assert problems(toy_model)["boxes"] == ERROR
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    for probe, rows in candidate.rows.items():
        candidate.references[probe] = Reference(rows, rows)
    assert [f.severity for f in find_problems(candidate) if f.code == "boxes"] == [WARNING]


def with_nms(model, **settings):
    """Put NMS into a graph, and let all rows be of interest to it."""
    return add_nms(model, GraphNms(0.3, across_classes=True, **settings))


def test_a_good_file_with_nms(toy_model):
    for target in TARGETS.values():
        assert problems(with_nms(toy_model), target=target) == {}


def test_nms_that_loses_a_box(toy_model):
    """The file says that its threshold is 0.3 and has 0.01 in the graph."""
    model = with_nms(toy_model)
    for tensor in model.graph.initializer:
        if np.array_equal(numpy_helper.to_array(tensor), np.float32(0.3)):
            set_constant(model, tensor.name, np.float32(0.01))
    assert problems(model)["nms"] == ERROR


def test_nms_whose_rounds_run_out(toy_model):
    assert problems(with_nms(toy_model, rounds=2)) == {"nms-rounds": WARNING}


def test_values_inside_that_fp16_cannot_hold(toy_model):
    """27 products with weights of 6,000; the next operator limits them to 6."""
    weight = node_of(toy_model, "Conv").input[1]
    set_constant(toy_model, weight, np.full((8, 3, 3, 3), 6000, np.float32))
    candidate = Candidate(toy_model, Path("toy.onnx"), probes=probe_inputs(SHAPE))
    (finding,) = (f for f in find_problems(candidate) if f.code == "half-activation")
    assert finding.severity == WARNING
    assert "overflow" in finding.message


@pytest.mark.parametrize(
    ("content", "code", "severity"),
    [
        (b"BACKGROUND\napple\n", "label-count", ERROR),
        (b"apple\npear\nplum\n", "label-background", ERROR),
        (b"BACKGROUND\n\npear\n", "label-line", ERROR),
        (b"BACKGROUND\napple\r\npear\n", "label-line", ERROR),
        (b"\xef\xbb\xbfBACKGROUND\napple\npear\n", "label-line", ERROR),
        (b"BACKGROUND\napple \npear\n", "label-line", ERROR),
        (b"BACKGROUND\napple\napple\n", "label-line", ERROR),
        (b"BACKGROUND\nap\0ple\npear\n", "label-line", ERROR),
        (b"BACKGROUND\n" + b"x" * 511 + b"\npear\n", "label-line", ERROR),
        (b"BACKGROUND\nvoid\npear\n", "label-void", WARNING),
        (b"BACKGROUND\nnewspaper rack\npear\n", "label-synset", WARNING),
    ],
)
def test_label_files(toy_model, labels_path, content, code, severity):
    labels_path.write_bytes(content)
    found = problems(toy_model, groups=["labels"], labels=read(labels_path))
    assert found.get(code) == severity


def test_the_last_line_needs_no_end(toy_model, labels_path):
    labels_path.write_bytes(b"BACKGROUND\napple\npear")
    assert problems(toy_model, groups=["labels"], labels=read(labels_path)) == {}


def test_numbers_are_not_run_on_a_broken_graph(toy_model):
    loose_end(toy_model)
    assert set(problems(toy_model)) == {"malformed"}


def test_accepted_errors_become_warnings(toy_model):
    batch_of_four(toy_model)
    candidate = Candidate(toy_model, Path("toy.onnx"))
    (finding,) = find_problems(candidate, groups=["interface"], accepted=["batch-size"])
    assert finding.severity == WARNING
    assert require_ready([finding], candidate.path) == [finding]


def test_errors_are_told_in_one_sentence(toy_model):
    dynamic_batch(toy_model)
    findings = find_problems(Candidate(toy_model, Path("toy.onnx")), groups=["interface"])
    with pytest.raises(ValueError, match=r"toy.onnx would not work in detectnet: .*\[\?,3,32,32\]"):
        require_ready(findings, Path("toy.onnx"))


def test_opening_files(tmp_path, toy_bytes):
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_bytes)
    assert find_problems(open_candidate(path)) == []
    for content in (b"", toy_bytes[:-1000], b"<!doctype html><html></html>", b"\x00\xff" * 50):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"toy\.onnx must be an ONNX file"):
            open_candidate(path)
    with pytest.raises(FileNotFoundError):
        open_candidate(tmp_path / "absent.onnx")


def test_every_requirement_is_told_of_once_and_broken_by_a_test():
    """The codes of the sources stand in the requirements, the document and these tests."""
    root = Path(__file__).parents[3]
    sources = "".join(p.read_text("utf-8") for p in (root / "vision" / "deploy").rglob("*.py"))
    codes = set(re.findall(r'(?:Finding|_judged)\(\s*"([a-z-]+)"', sources))
    required = [code for group in REQUIREMENTS.values() for code in group]
    assert len(required) == len(set(required))
    assert codes == set(required)
    assert set(re.findall(r"`([a-z-]+)`", (root / "docs/export.md").read_text("utf-8"))) >= codes
    tests = Path(__file__).read_text("utf-8")
    assert {code for code in codes if f'"{code}"' not in tests} == set()


def test_a_verdict_on_every_requirement(toy_model, labels_path):
    candidate = Candidate(toy_model, Path("toy.onnx"), read(labels_path))
    candidate.probes = probe_inputs(SHAPE)
    verdicts = {verdict.code: verdict for verdict in judge(candidate)}
    assert list(verdicts) == [code for group in REQUIREMENTS.values() for code in group]
    unchecked = {code for code, verdict in verdicts.items() if verdict.unchecked}
    assert unchecked == {"opset-not-kept", "parity", "nms", "nms-rounds"}
    loose_end(toy_model)
    verdicts = {v.code: v for v in judge(Candidate(toy_model, Path("toy.onnx")))}
    assert verdicts["malformed"].findings
    assert verdicts["scores"].unchecked == "mend the errors of file first"
    assert "no labels.txt" in verdicts["label-count"].unchecked


@pytest.mark.parametrize(
    ("names", "bindings"),
    [
        (["input_0", "scores", "boxes"], Bindings()),
        (["input_0", "boxes", "scores"], Bindings()),
        (["data", "coverage", "bboxes"], Bindings("data", "coverage", "bboxes")),
    ],
)
def test_names_of_other_programs_are_found_out(toy_model, names, bindings):
    values = [*toy_model.graph.input, *toy_model.graph.output]
    if names[1] == "boxes":
        replace_all(toy_model.graph.output, list(toy_model.graph.output)[::-1])
    else:
        for value, name in zip(values, names):
            value.name = name
    assert guess_bindings(toy_model) == bindings


def test_where_the_names_cannot_be_told_they_are_the_usual_ones(toy_model):
    third_output(toy_model)
    toy_model.graph.input[0].name = "data"
    assert guess_bindings(toy_model) == Bindings("data", "scores", "boxes")


def test_a_file_that_is_too_large(toy_model, monkeypatch):
    monkeypatch.setattr(interface_checks, "LARGEST_FILE", 100)
    assert problems(toy_model, groups=["file"]) == {"file-size": ERROR}
