from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vision.checkpoints import predictors
from vision.checkpoints.description import Description
from vision.checkpoints.detector import Overrides
from vision.checkpoints.predictors import fuse_batch_norms, load_predictor
from vision.checkpoints.weights_file import save_weights
from vision.ssd import NETS, create_net
from vision.ssd.config import squeezenet_config
from vision.utils.labels import write_labels
from vision.utils.nms import Suppression

NAMES = ["BACKGROUND", "cat", "dog"]
IMAGE = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return create_net("sq-ssd-lite", len(NAMES)).eval()


class FakeOnnxDetector:
    """Stands for an ONNX file of two classes; a score is the mean of the normalised picture."""

    mean, std = (127.5, 127.5, 127.5), 127.5
    image_size, num_classes = 64, 3

    def __init__(self, path):
        self.path = path

    def __call__(self, images):
        score = images.mean().abs()
        return torch.tensor([[[0.0, 0.5, score]]]), torch.tensor([[[0.0, 0.0, 0.5, 1.0]]])


def test_a_described_file_needs_nothing_else(net, tmp_path):
    description = Description("sq-ssd-lite", tuple(NAMES), squeezenet_config())
    save_weights(tmp_path / "best.pth", net.state_dict(), description)
    loaded = load_predictor(tmp_path / "best.pth", suppression=Suppression(top_k=3))
    assert loaded.class_names == NAMES
    assert loaded.path == tmp_path / "best.pth"
    assert loaded.predictor.image_size == 300
    found = loaded.predictor.predict(IMAGE)
    assert np.bincount(found.labels, minlength=3).max() <= 3


def test_bare_weights_are_normalised_as_upstream_did(net, tmp_path):
    torch.save(dict(net.state_dict()), tmp_path / "bare.pth")
    write_labels(tmp_path / "labels.txt", NAMES)
    predictor = load_predictor(tmp_path / "bare.pth").predictor
    assert predictor._mean.flatten().tolist() == [127, 127, 127]
    assert predictor._std.item() == 128


@pytest.mark.parametrize("name", [name for name in NETS if name != "vgg16-ssd"])  # has none
def test_a_fused_net_detects_as_before(name):
    torch.manual_seed(0)
    net = create_net(name, 3, resolution=128)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
    images = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        expected = net.eval().detect(images)
        fuse_batch_norms(net)
        torch.testing.assert_close(net.detect(images), expected, rtol=1e-4, atol=1e-5)
    if name.startswith(("mb1", "mb2")):
        assert not any(isinstance(module, nn.BatchNorm2d) for module in net.modules())


def test_an_onnx_file_has_its_labels_beside(tmp_path, monkeypatch):
    monkeypatch.setattr(predictors, "OnnxDetector", FakeOnnxDetector)
    with pytest.raises(FileNotFoundError, match=r"labels\.txt"):
        load_predictor(tmp_path / "net.ONNX")
    write_labels(tmp_path / "labels.txt", NAMES)
    loaded = load_predictor(tmp_path / "net.ONNX", device="meta")
    assert loaded.class_names == NAMES
    boxes, labels, scores = loaded.predictor.predict(np.full((10, 20, 3), 255, np.uint8))
    assert labels.tolist() == [2, 1]
    assert scores.tolist() == [1, 0.5]
    assert boxes[0].tolist() == [0, 0, 10, 10]


def test_what_contradicts_an_onnx_file_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predictors, "OnnxDetector", FakeOnnxDetector)
    write_labels(tmp_path / "labels.txt", NAMES)
    with pytest.raises(ValueError, match="64 x 64 pixels, not 300"):
        load_predictor(tmp_path / "net.onnx", Overrides(resolution=300))
    write_labels(tmp_path / "other.txt", NAMES[:2])
    with pytest.raises(ValueError, match=r"3 classes .*other\.txt lists 2"):
        load_predictor(tmp_path / "net.onnx", Overrides(labels=tmp_path / "other.txt"))
