from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vision.deploy.emulation.clustering import PostProcessing
from vision.deploy.graph.suppression import add_nms
from vision.deploy.nms import GraphNms
from vision.deploy.outputs import Outputs
from vision.deploy.tuning import (
    DEFAULTS,
    NEEDED_OBJECTS,
    Measured,
    Rating,
    Tuning,
    best_settings,
    labels_to_measure,
    tune,
    tuning_lines,
)
from vision.evaluation.collection import EvaluatedPicture
from vision.evaluation.matching import GroundTruth
from vision.structures import Sample

LABELS = ["BACKGROUND", "apple", "pear"]
SIDE = 40


def fixed_detector(scores, boxes, opset=11):
    """Return a graph that puts out the same rows for every picture."""
    values = {"scores": np.float32([scores]), "boxes": np.float32([boxes])}
    nodes, constants = [], []
    for name, array in values.items():
        constants.append(onnx.numpy_helper.from_array(array, f"{name}_rows"))
        nodes.append(helper.make_node("Add", [f"{name}_rows", "nothing"], [name]))
    # A sum over the picture times nothing, so that the graph needs its input.
    nothing = [
        helper.make_node("ReduceMean", ["input_0"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    constants.append(onnx.numpy_helper.from_array(np.float32(0), "zero"))
    graph = helper.make_graph(
        nothing + nodes,
        "fixed",
        [helper.make_tensor_value_info("input_0", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
            for name, array in values.items()
        ],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=6)


# An apple with three boxes, the smaller ones 0.875 and 0.8 of the first, a pear, and a false pear.
ROWS = {
    "scores": [[0.1, 0.9, 0], [0.2, 0.8, 0], [0.3, 0.7, 0], [0.32, 0, 0.68], [0.48, 0, 0.52]],
    "boxes": [
        [0.1, 0.1, 0.5, 0.5],
        [0.15, 0.1, 0.5, 0.5],
        [0.1, 0.18, 0.5, 0.5],
        [0.6, 0.6, 0.9, 0.9],
        [0.0, 0.6, 0.2, 0.9],
    ],
}


def pictures(count):
    boxes = np.float32([[0.1, 0.1, 0.5, 0.5], [0.6, 0.6, 0.9, 0.9]]) * 100
    image = np.zeros((100, 100, 3), np.uint8)
    return [
        Sample(image, boxes, np.array([1, 2]), np.zeros(2, bool), str(number))
        for number in range(count)
    ]


def test_the_best_settings_follow_from_the_rows_and_the_size_of_the_pictures_alone():
    rows = Outputs(np.float32(ROWS["scores"]), np.float32(ROWS["boxes"]))
    wide = np.float32([2, 1, 2, 1])
    truths = [GroundTruth(one.boxes * wide, one.labels, one.difficult) for one in pictures(20)]
    facts = [EvaluatedPicture(str(number), "", 200, 100) for number in range(20)]
    assert best_settings([rows] * 20, facts, truths, LABELS) == PostProcessing(0.55, 0.75)


def test_what_the_data_have_not_is_neither_right_nor_wrong():
    labels = labels_to_measure(LABELS, {"apple": 20, "plum": 3})
    apples = [
        Sample(one.image, one.boxes[:1], one.labels[:1], one.difficult[:1], one.image_id)
        for one in pictures(20)
    ]
    of_apples = tune(fixed_detector(**ROWS), apples, labels)
    assert of_apples.measured.best.counts.f1 == 1.0
    assert tune(fixed_detector(**ROWS), apples, LABELS).measured.defaults.counts.precision < 1.0
    with pytest.raises(ValueError, match="share no class: the net has apple, pear; the dataset"):
        labels_to_measure(LABELS, {"plum": 3})


def test_the_best_settings_of_a_detector_on_paper():
    """At 0.75 the three boxes of the apple become one; the false pear has a score of 0.52."""
    tuning = tune(fixed_detector(**ROWS), pictures(20), LABELS)
    assert (tuning.pictures, tuning.objects, tuning.is_in_file) == (20, 40, False)
    assert tuning.plain.defaults == Rating(DEFAULTS, 60, 40, 40)
    assert tuning.plain.defaults.counts.precision == pytest.approx(2 / 3)
    assert tuning.plain.defaults.counts.f1 == pytest.approx(0.8)
    # The threshold nearest to 0.5 that leaves the false pear out, at detectnet's own clustering.
    assert tuning.plain.best == Rating(PostProcessing(0.55, 0.75), 40, 40, 40)
    assert tuning.chosen == PostProcessing(0.55, 0.75)
    text = "\n".join(tuning_lines(tuning))
    assert "on 20 validation pictures with 40 objects" in text
    assert "defaults      0.50        0.75     60      0.667   1.000  0.800" in text
    assert "Best for this file: --threshold=0.55 --clustering=0.75." in text
    assert "--nms" not in text


def test_a_lower_clustering_where_boxes_overlap_less():
    rows = {**ROWS, "boxes": [list(box) for box in ROWS["boxes"]]}
    rows["boxes"][1] = [0.1, 0.1, 0.5, 0.32]  # 0.55 of the apple, and of the larger box
    tuning = tune(fixed_detector(**rows), pictures(20), LABELS)
    assert tuning.chosen == PostProcessing(0.55, 0.5)
    assert tuning.plain.best.counts.f1 == 1.0
    # NMS removes it as well: IoU 0.55 > 0.45.
    assert tuning.with_nms.best == Rating(PostProcessing(0.55, 0.75), 40, 40, 40)


def test_a_file_with_nms_is_tuned_as_it_is():
    model = add_nms(fixed_detector(**ROWS), GraphNms(0.3, 4))
    tuning = tune(model, pictures(20), LABELS)
    assert tuning.is_in_file
    assert tuning.nms == GraphNms(0.3, 4)
    assert tuning.measured == tuning.with_nms
    assert tuning.plain.defaults.boxes == 60
    assert tuning.with_nms.defaults.boxes == 40
    assert "NMS 0.3" in tuning_lines(tuning)[4]


@pytest.mark.parametrize("opset", [9, 10])
def test_an_opset_too_old_for_nms_is_measured_without(opset):
    """Nobody has asked for NMS, so that it is no fault that the opset cannot have it."""
    tuning = tune(fixed_detector(**ROWS, opset=opset), pictures(20), LABELS)
    assert tuning.with_nms is None
    newer = tune(fixed_detector(**ROWS), pictures(20), LABELS)
    assert tuning.measured == tuning.plain == newer.plain
    lines = tuning_lines(tuning)
    assert lines[4] == "  NMS 0.45  not measured: it needs opset 11 or more"
    assert lines[5] == "Best for this file: --threshold=0.55 --clustering=0.75."


def test_too_few_objects_to_choose_by():
    tuning = tune(fixed_detector(**ROWS), pictures(NEEDED_OBJECTS // 2 - 1), LABELS)
    assert tuning.plain.best.settings != DEFAULTS
    assert tuning.chosen == DEFAULTS
    assert f"28 objects are too few to choose by, {NEEDED_OBJECTS} are needed" in "\n".join(
        tuning_lines(tuning)
    )


def test_a_net_that_finds_nothing():
    rows = {**ROWS, "scores": [[1.0, 0, 0]] * 5}
    tuning = tune(fixed_detector(**rows), pictures(20), LABELS)
    assert tuning.chosen == DEFAULTS
    assert "Nothing was found" in "\n".join(tuning_lines(tuning))
    assert tuning.plain.best.counts.f1 == tuning.plain.best.counts.precision == 0


def test_nms_is_advised_where_it_is_better():
    plain = Measured(Rating(DEFAULTS, 80, 40, 40), Rating(DEFAULTS, 60, 40, 40))
    nms = Measured(Rating(DEFAULTS, 40, 40, 40), Rating(DEFAULTS, 40, 40, 40))
    tuning = Tuning(20, 40, plain, nms, GraphNms(), is_in_file=False)
    assert "export with --nms" in tuning_lines(tuning)[-1]


def test_difficult_objects_do_not_count():
    samples = [
        Sample(s.image, s.boxes, s.labels, np.array([False, True]), s.image_id)
        for s in pictures(40)
    ]
    tuning = tune(fixed_detector(**ROWS), samples, LABELS)
    assert tuning.objects == 40
    assert tuning.plain.best == Rating(PostProcessing(0.55, 0.75), 40, 40, 40)
