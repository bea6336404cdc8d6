from __future__ import annotations

import logging
import shutil

import numpy as np
import pytest
from onnx import helper

from vision.deploy.detectnet import DetectNet
from vision.deploy.emulation.clustering import post_process
from vision.deploy.emulation.network_input import network_input
from vision.deploy.export import make_checked
from vision.deploy.readiness.candidate import Bindings, LabelFile


@pytest.fixture
def toy_path(tmp_path, toy_bytes):
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_bytes)
    return path


@pytest.fixture
def image():
    return np.random.default_rng(7).integers(0, 256, (48, 80, 3)).astype(np.uint8)


def test_what_it_knows_of_the_file(toy_path, labels_path):
    net = DetectNet(toy_path, labels_path)
    assert (net.input_height, net.input_width, net.num_classes) == (32, 32, 3)
    assert net.labels == ["BACKGROUND", "apple", "pear"]
    assert (net.settings.threshold, net.settings.clustering) == (0.5, 0.75)


def test_detect_is_input_net_and_post_processing(toy_path, labels_path, image, make_net):
    net = DetectNet(toy_path, labels_path, threshold=0.004)
    found = net.detect(image)
    assert found
    scores, boxes = net.run(network_input(image, 32, 32))
    assert (scores.shape, boxes.shape) == ((32, 3), (32, 4))
    assert found == post_process(scores, boxes, (80, 48), net.labels, net.settings)
    assert all(d.left >= 0 and d.right < 80 and d.bottom < 48 for d in found)


def test_names_are_made_up_without_labels(toy_path, image):
    found = DetectNet(toy_path, threshold=0.004).detect(image)
    assert {d.label for d in found} <= {"Class #1", "Class #2"}


def test_a_threshold_of_0_is_detectnet_s_default(toy_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert DetectNet(toy_path, threshold=0).settings.threshold == 0.5
    assert "--threshold=0" in caplog.text


def test_other_names(toy_model, tmp_path, image, caplog):
    for value, name in zip(toy_model.graph.output, ("coverage", "bboxes")):
        old = value.name
        toy_model.graph.node.append(helper.make_node("Identity", [old], [name]))
        value.name = name
    path = tmp_path / "toy.onnx"
    path.write_bytes(toy_model.SerializeToString())
    with pytest.raises(
        ValueError, match="outputs must be scores and boxes, the file has: coverage"
    ):
        DetectNet(path)
    with caplog.at_level(logging.WARNING):
        net = DetectNet(path, bindings=Bindings("input_0", "coverage", "bboxes"))
    assert "--output-cvg=coverage" in caplog.text
    assert net.detect(image) == []


def test_files_that_detectnet_cannot_use(toy_model, tmp_path):
    path = tmp_path / "toy.onnx"
    toy_model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    path.write_bytes(toy_model.SerializeToString())
    with pytest.raises(ValueError, match=r"fixed shape \[1,3,H,W\], it is \[\?,3,32,32\]"):
        DetectNet(path)
    path.write_bytes(b"not a model")
    with pytest.raises(ValueError, match="must be an ONNX file"):
        DetectNet(path)
    with pytest.raises(FileNotFoundError):
        DetectNet(tmp_path / "absent.onnx")


@pytest.mark.slow
def test_a_trained_net_finds_the_apple(real_models, real_datasets, tmp_path):
    import cv2

    from vision.checkpoints.detector import load_detector

    (weights,) = real_models.glob("mb1-ssd-*.pth")
    shutil.copy(real_models / "labels.txt", tmp_path)
    labels = tmp_path / "labels.txt"
    made = make_checked(
        load_detector(weights).net,
        tmp_path / "a.onnx",
        labels=LabelFile(labels, labels.read_bytes()),
    )
    (tmp_path / "a.onnx").write_bytes(made.content)
    assert list(made.warnings) == []
    picture = cv2.imread(str(real_datasets / "fruit" / "JPEGImages" / "apple_80.jpg"))
    (found,) = DetectNet(tmp_path / "a.onnx", labels).detect(picture[..., ::-1])
    assert found.label == "apple"
    # The annotation says (155, 105, 453, 436).
    corners = [found.left, found.top, found.right, found.bottom]
    np.testing.assert_allclose(corners, [155, 105, 453, 436], atol=60)
