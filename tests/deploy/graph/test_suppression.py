from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from vision.checkpoints.detector import load_detector
from vision.datasets.opening import open_split
from vision.deploy.emulation.clustering import PROFILES, PostProcessing, post_process
from vision.deploy.emulation.network_input import network_input
from vision.deploy.export import build_model
from vision.deploy.graph.suppression import ALL_BOXES, ALL_SCORES, add_nms
from vision.deploy.nms import NMS_KEY, GraphNms, graph_nms
from vision.deploy.onnx_reading import open_session
from vision.deploy.targets import TARGETS
from vision.pictures.reading import read_picture
from vision.utils.box_utils import box_iou
from vision.utils.nms import Suppression, nms_per_picture


def bare_outputs(priors, classes, opset=11):
    """Return a graph that passes scores and boxes through, as if a net had made them."""
    values = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, priors, width])
        for name, width in (("s", classes), ("b", 4), ("scores", classes), ("boxes", 4))
    }
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in (("s", "scores"), ("b", "boxes"))]
    graph = helper.make_graph(
        nodes, "bare", [values["s"], values["b"]], [values["scores"], values["boxes"]]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


def run(nms, scores, boxes, opset=11):
    """Return what the graph makes of scores (P, C) and boxes (P, 4)."""
    model = add_nms(bare_outputs(*scores.shape, opset), nms)
    onnx.checker.check_model(model, full_check=True)
    session = open_session(model.SerializeToString())
    inputs = {"s": scores[None].astype(np.float32), "b": boxes[None].astype(np.float32)}
    found_scores, found_boxes = session.run(["scores", "boxes"], inputs)
    return found_scores[0], found_boxes[0]


def expected(nms, scores, boxes):
    """Return the same by the package's own NMS: a row is a box of its best foreground class."""
    best = scores[:, 1:].max(axis=1)
    rows = np.argsort(-best, kind="stable")[: nms.candidates]
    scores, boxes = scores[rows].astype(np.float32), boxes[rows].astype(np.float32)
    only_best = np.where(scores[:, 1:] == best[rows, None].astype(np.float32), scores[:, 1:], 0)
    if nms.across_classes:
        only_best = only_best.max(axis=1, keepdims=True)
    only_best = np.concatenate([np.zeros((len(rows), 1)), only_best], axis=1)
    suppression = Suppression(0.0, nms.iou_threshold, nms.candidates)
    (kept,) = nms_per_picture(
        torch.from_numpy(only_best[None]), torch.from_numpy(boxes[None]), suppression
    )
    # By score and box: two boxes may well have the same score.
    kept_ones = {(*box, score) for box, score in zip(kept.boxes.tolist(), kept.scores.tolist())}
    best_scores = best[rows].astype(np.float32).tolist()
    is_kept = [(*box, score) in kept_ones for box, score in zip(boxes.tolist(), best_scores)]
    return scores * np.array(is_kept)[:, None], boxes


def random_rows(rng, priors=400, classes=4, sizes=(0.05, 0.5), spread=1.0):
    centres, sizes = (
        0.3 + spread * rng.uniform(-0.3, 0.7, (priors, 2)),
        rng.uniform(*sizes, (priors, 2)),
    )
    boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)
    return rng.dirichlet(np.ones(classes), priors).astype(np.float32), boxes.astype(np.float32)


@pytest.mark.parametrize("across_classes", [False, True])
@pytest.mark.parametrize("iou_threshold", [0.1, 0.3, 0.45, 0.6, 0.9])
@pytest.mark.parametrize("classes", [2, 4, 81])
def test_random_boxes_are_kept_as_our_own_nms_keeps_them(iou_threshold, classes, across_classes):
    nms = GraphNms(iou_threshold, 200, across_classes, rounds=40)
    rng = np.random.default_rng(classes)
    for _ in range(3):
        scores, boxes = random_rows(rng, classes=classes)
        found, wanted = run(nms, scores, boxes), expected(nms, scores, boxes)
        np.testing.assert_array_equal(found[0], wanted[0])
        np.testing.assert_array_equal(found[1], wanted[1])


def test_of_two_boxes_with_one_score_the_one_that_a_better_one_overlaps_goes():
    boxes = np.array([[0, 0, 0.4, 0.4], [0.6, 0.6, 1, 1], [0, 0, 0.4, 0.36]], np.float32)
    scores = np.array([[0.1, 0.9], [0.5, 0.5], [0.5, 0.5]], np.float32)
    nms = GraphNms(0.45, 3)
    for found, _ in (run(nms, scores, boxes), expected(nms, scores, boxes)):
        np.testing.assert_array_equal(found[:, 1], np.array([0.9, 0.5, 0], np.float32))


def test_three_boxes_on_paper():
    """The second overlaps the first by 8/12, the third the second by as much, the first by 6/14."""
    boxes = np.array([[0, 0, 0.10, 1], [0.02, 0, 0.12, 1], [0.04, 0, 0.14, 1]])
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]])
    kept = {
        threshold: run(GraphNms(threshold), scores, boxes)[0][:, 1].round(6).tolist()
        for threshold in (0.4, 0.45, 0.7)
    }
    assert kept[0.45] == pytest.approx([0.9, 0.0, 0.7])  # What is suppressed suppresses nothing.
    assert kept[0.4] == pytest.approx([0.9, 0.0, 0.0])
    assert kept[0.7] == pytest.approx([0.9, 0.8, 0.7])


def test_kept_rows_stay_as_they_are_and_suppressed_ones_are_zero():
    scores = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [0.2, 0.2, 0.6]], np.float32)
    boxes = np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0, 0, 0.5, 0.49]], np.float32)
    found, places = run(GraphNms(), scores, boxes)
    assert found.tolist() == [scores[0].tolist(), [0, 0, 0], scores[1].tolist()]  # by class
    assert places.tolist() == boxes[[0, 2, 1]].tolist()
    found, _ = run(GraphNms(across_classes=True), scores, boxes)
    assert found.tolist() == [scores[0].tolist(), [0, 0, 0], [0, 0, 0]]


def test_boxes_without_area_and_far_outside_do_no_harm():
    boxes = np.array([[0.5, 0.5, 0.5, 0.5]] * 2 + [[-900, -900, 900, 900], [0.6, 0.6, 0.4, 0.4]])
    scores = np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
    found, _ = run(GraphNms(), scores, boxes)
    assert found[:, 1] == pytest.approx([0.9, 0.8, 0.7, 0.6])


def test_fewer_priors_than_candidates():
    scores, boxes = random_rows(np.random.default_rng(3), priors=30)
    found, _ = run(GraphNms(candidates=200, rounds=30), scores, boxes)
    assert found.shape == (30, 4)


def chain(length):
    """Return boxes of which each overlaps the next by 0.6 and no other by more than 0.45."""
    lefts = 0.25 * np.arange(length)
    boxes = np.stack([lefts, 0 * lefts, lefts + 1, 0 * lefts + 1], axis=1) / length
    scores = np.linspace(0.9, 0.5, length)
    return np.stack([1 - scores, scores], axis=1), boxes


@pytest.mark.parametrize("rounds", [2, 4, 12])
def test_where_rounds_run_out_a_box_too_many_stays_and_none_is_lost(rounds):
    for length in range(2, 30):
        scores, boxes = chain(length)
        nms = GraphNms(rounds=rounds)
        found, wanted = (f(nms, scores, boxes)[0][:, 1] > 0 for f in (run, expected))
        assert wanted.tolist() == [i % 2 == 0 for i in range(length)]
        assert (found >= wanted).all()
        assert (found == wanted).all() == (length <= rounds + 1)


def in_half_precision(model):
    """Return the graph with all of its float32 in float16."""
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    return model


def without_close_calls(scores, boxes, threshold, margin):
    """Drop boxes until no IoU is within a margin of the threshold; scores apart in float16, too."""
    halves = np.float16(boxes).astype(np.float32)
    overlaps = box_iou(torch.from_numpy(halves), torch.from_numpy(halves)).numpy()
    close = np.abs(overlaps - threshold) < margin
    kept = []
    for row in range(len(boxes)):
        if not close[row, kept].any():
            kept.append(row)
    return scores[kept], halves[kept]


@pytest.mark.parametrize(
    ("sizes", "spread"), [((0.005, 0.02), 0.05), ((0.05, 0.5), 1.0), ((0.5, 2.0), 1.0)]
)
@pytest.mark.parametrize("across_classes", [False, True])
def test_half_precision_decides_alike(sizes, spread, across_classes):
    """numpy rounds after every operator to float16, as TensorRT may."""
    nms = GraphNms(0.45, 100, across_classes, rounds=20)
    rng = np.random.default_rng(5)
    for _ in range(5):
        scores, boxes = random_rows(rng, 200, 4, sizes, spread)
        scores, boxes = without_close_calls(scores, boxes, 0.45, 0.01)
        scores[:, 1:] = np.float16(scores[:, 1:])
        places = np.unique(scores[:, 1:].max(axis=1), return_index=True)[1]  # no two alike
        scores, boxes = scores[places], boxes[places]
        model = in_half_precision(add_nms(bare_outputs(*scores.shape), nms))
        halves = {"s": np.float16(scores[None]), "b": np.float16(boxes[None])}
        found = ReferenceEvaluator(model).run(["scores"], halves)[0][0]
        wanted = expected(nms, np.float16(scores).astype(np.float32), boxes)[0]
        assert found.dtype == np.float16
        assert np.isfinite(found).all()
        assert ((found[:, 1:] > 0) == (wanted[:, 1:] > 0)).all()
        assert 5 < (wanted[:, 1] > 0).sum() < len(wanted)


@pytest.mark.parametrize("profile", list(PROFILES))
def test_behind_nms_detectnet_merges_nothing(profile):
    """For the older detectnet, which merges boxes of different classes, too, NMS must as well."""
    rng = np.random.default_rng(7)
    settings = PostProcessing(threshold=0.3, clustering=0.75, profile=profile)
    names = ["BACKGROUND", "a", "b", "c"]
    merged = 0
    for _ in range(20):
        scores, boxes = random_rows(rng, sizes=(0.2, 0.5))
        plain = post_process(scores, boxes, (640, 360), names, settings)
        merged += (scores[:, 1:].max(axis=1) >= 0.3).sum() - len(plain)
        nms = GraphNms(0.45, 400, profile == "r32", rounds=40)
        scores, boxes = run(nms, scores, boxes)
        found = post_process(scores, boxes, (640, 360), names, settings)
        assert len(found) == (scores[:, 1:].max(axis=1) >= 0.3).sum()
        assert len(found) > 5
    assert merged > 100


def test_an_overlap_that_detectnet_merges_is_over_0_6():
    """The bound in the comment of the module: IoU > c / (2 - c) where the ratio is over c."""
    _, boxes = random_rows(np.random.default_rng(1), 2000)
    first, second = (torch.from_numpy(part) for part in (boxes[:1000], boxes[1000:] * 0.1))
    second = first + second * torch.rand(1000, 1)
    iou = box_iou(first, second).diagonal().numpy()
    areas = [((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])).numpy() for b in (first, second)]
    intersection = iou * (areas[0] + areas[1]) / (1 + iou)
    merged = intersection / np.maximum(*areas) > 0.75
    assert merged.sum() > 50
    assert iou[merged].min() > 0.6


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 20])
def test_every_opset_says_the_same(opset):
    scores, boxes = random_rows(np.random.default_rng(2))
    found = run(GraphNms(rounds=30), scores, boxes, opset)
    np.testing.assert_array_equal(found[0], run(GraphNms(rounds=30), scores, boxes)[0])


def test_every_target_reads_its_operators():
    model = add_nms(bare_outputs(300, 4), GraphNms())
    operators = {node.op_type for node in model.graph.node}
    for target in TARGETS.values():
        assert [operator for operator in operators if not target.reads_operator(operator)] == []
    assert not operators & {"NonMaxSuppression", "Loop", "If", "Greater", "Where", "Cast"}


def test_the_file_says_what_is_inside():
    nms = GraphNms(0.5, 100, True, 6)
    model = add_nms(bare_outputs(300, 4), nms)
    said = open_session(model.SerializeToString()).get_modelmeta().custom_metadata_map
    assert graph_nms(said) == nms
    assert graph_nms({}) is None
    with pytest.raises(ValueError, match="metadata 'nms' that cannot be read"):
        graph_nms({NMS_KEY: "yes"})
    with pytest.raises(ValueError, match="metadata 'nms' that cannot be read"):
        graph_nms({NMS_KEY: '{"iou": 0.5}'})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"iou_threshold": 0.0}, "the IoU of --nms must be 0.1 to 0.9, got 0.0"),
        ({"iou_threshold": float("nan")}, "must be 0.1 to 0.9"),
        ({"candidates": 0}, "--nms-candidates must be 1 to 1000, got 0"),
        ({"candidates": 1001}, "--nms-candidates must be 1 to 1000"),
        ({"rounds": 0}, "1 round or more"),
    ],
)
def test_impossible_settings(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        GraphNms(**settings)


def test_graphs_that_cannot_take_it():
    with pytest.raises(ValueError, match="opset 11 or more, got 10"):
        add_nms(bare_outputs(10, 3, opset=10), GraphNms())
    batch = bare_outputs(10, 3)
    batch.graph.output[0].type.tensor_type.shape.dim[0].dim_value = 4
    with pytest.raises(ValueError, match="batch size of 1"):
        add_nms(batch, GraphNms())


@pytest.mark.slow
def test_real_boxes_are_kept_as_our_own_nms_keeps_them(real_models, real_datasets):
    """A trained net on 60 real pictures: 12,000 decisions, those of noise among them."""
    (weights,) = real_models.glob("mb1-ssd-*.pth")
    net = load_detector(weights).net
    nms = GraphNms()
    model = add_nms(build_model(net, (1, 3, 300, 300), 11), nms)
    for name in (ALL_SCORES, ALL_BOXES):
        model.graph.output.append(onnx.ValueInfoProto(name=name))
    session = open_session(model.SerializeToString())
    index = open_split(real_datasets / "fruit", split="test")
    counts = SimpleNamespace(wrong=0, wrong_objects=0, lost=0)
    for annotation in index:
        tensor = network_input(read_picture(annotation.path), 300, 300)
        found, _, scores, boxes = (values[0] for values in session.run(None, {"input_0": tensor}))
        wanted = expected(nms, scores, boxes)[0]
        is_wrong = (found != wanted).any(axis=1)
        counts.wrong += is_wrong.sum()
        counts.wrong_objects += (is_wrong & (np.maximum(found, wanted)[:, 1:].max(1) > 0.3)).sum()
        counts.lost += (found < wanted).any(axis=1).sum()
    assert len(index) == 60
    assert (counts.wrong, counts.wrong_objects, counts.lost) == (0, 0, 0)
