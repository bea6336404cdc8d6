from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from vision.checkpoints import detector
from vision.checkpoints.description import Description
from vision.checkpoints.detector import detector_file, fuse_batch_norms, open_detector
from vision.checkpoints.weights_file import save_weights
from vision.deploy import onnx_reading
from vision.deploy.export import ExportSettings, make_checked
from vision.deploy.nms import GraphNms
from vision.ssd import NETS, create_net
from vision.ssd.config import squeezenet_config
from vision.utils.labels import write_labels
from vision.utils.nms import Suppression
from vision.utils.overrides import Overrides

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

    def __init__(self, session, path, has_nms=False):
        self.path = path

    def __call__(self, images):
        score = images.mean().abs()
        return torch.tensor([[[0.0, 0.5, score]]]), torch.tensor([[[0.0, 0.0, 0.5, 1.0]]])


def test_a_described_file_needs_nothing_else(net, tmp_path):
    description = Description("sq-ssd-lite", tuple(NAMES), squeezenet_config())
    save_weights(tmp_path / "best.pth", net.state_dict(), description)
    loaded = open_detector(tmp_path / "best.pth", suppression=Suppression(top_k=3))
    assert loaded.class_names == NAMES
    assert loaded.path == tmp_path / "best.pth"
    assert loaded.predictor.image_size == 300
    found = loaded.predictor.predict(IMAGE)
    assert np.bincount(found.labels, minlength=3).max() <= 3


def test_bare_weights_are_normalised_as_upstream_did(net, tmp_path):
    torch.save(dict(net.state_dict()), tmp_path / "bare.pth")
    write_labels(tmp_path / "labels.txt", NAMES)
    predictor = open_detector(tmp_path / "bare.pth").predictor
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


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Return a file that opens as an exported detector, whatever is in it."""
    metadata = SimpleNamespace(custom_metadata_map={})
    session = SimpleNamespace(get_modelmeta=lambda: metadata)
    monkeypatch.setattr(onnx_reading, "open_session", lambda path: session)
    monkeypatch.setattr(detector, "OnnxDetector", FakeOnnxDetector)
    path = tmp_path / "net.ONNX"
    path.touch()
    return path


def test_an_onnx_file_has_its_labels_beside(exported, tmp_path):
    message = r"net\.ONNX does not say its class names and .* a file of 2 classes with --labels"
    with pytest.raises(ValueError, match=message):
        open_detector(exported)
    write_labels(tmp_path / "labels.txt", NAMES)
    loaded = open_detector(exported, device="meta")
    assert loaded.class_names == NAMES
    boxes, labels, scores = loaded.predictor.predict(np.full((10, 20, 3), 255, np.uint8))
    assert labels.tolist() == [2, 1]
    assert scores.tolist() == [1, 0.5]
    assert boxes[0].tolist() == [0, 0, 10, 10]


def test_a_second_background_that_was_a_class_of_an_onnx_file(exported, tmp_path):
    (tmp_path / "labels.txt").write_text("BACKGROUND\nBACKGROUND\ncat\n")
    assert open_detector(exported).class_names == ["BACKGROUND", "unused class 1", "cat"]


def test_what_contradicts_an_onnx_file_is_refused(exported, tmp_path):
    write_labels(tmp_path / "labels.txt", NAMES)
    with pytest.raises(ValueError, match="64 x 64 pixels, not 300"):
        open_detector(exported, Overrides(resolution=300))
    write_labels(tmp_path / "other.txt", NAMES[:2])
    with pytest.raises(ValueError, match=r"3 classes .*other\.txt lists 2"):
        open_detector(exported, Overrides(labels=tmp_path / "other.txt"))


def test_a_damaged_onnx_file_is_named(tmp_path):
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(ValueError, match=r"text\.onnx"):
        open_detector(tmp_path / "text.onnx")


def test_a_file_is_its_own_detector(tmp_path):
    for name in ("a.pth", "a.onnx", "A.ONNX", "upstream.pt"):
        (tmp_path / name).touch()
        assert detector_file(tmp_path / name) == tmp_path / name
    assert detector_file(tmp_path / "a.pth", ".pth") == tmp_path / "a.pth"
    with pytest.raises(ValueError, match=r"A\.ONNX is an exported file; name the \.pth"):
        detector_file(tmp_path / "A.ONNX", ".pth")
    with pytest.raises(ValueError, match=r"a\.pth must be a \.onnx; write one with onnx_export"):
        detector_file(tmp_path / "a.pth", ".onnx")


@pytest.mark.parametrize("suffix", ["", ".pth", ".onnx"])
def test_there_must_be_something(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=r"no file or model directory .*nothing"):
        detector_file(tmp_path / "nothing", suffix)


def test_a_model_directory_gives_its_weights_or_its_export(net, tmp_path):
    with pytest.raises(ValueError, match="no usable checkpoint"):
        detector_file(tmp_path)
    with pytest.raises(ValueError, match=r"must hold one \.onnx, it holds none"):
        detector_file(tmp_path, ".onnx")
    (tmp_path / "ssd-mobilenet.onnx").touch()
    assert detector_file(tmp_path).name == "ssd-mobilenet.onnx"  # as copied to a Jetson
    with pytest.raises(ValueError, match="no usable checkpoint"):
        detector_file(tmp_path, ".pth")
    torch.save(dict(net.state_dict()), tmp_path / "a-Epoch-1-Loss-2.5.pth")
    assert detector_file(tmp_path).name == "a-Epoch-1-Loss-2.5.pth"
    assert detector_file(tmp_path, ".onnx").name == "ssd-mobilenet.onnx"
    (tmp_path / "other.onnx").touch()
    with pytest.raises(ValueError, match=r"it holds other\.onnx, ssd-mobilenet\.onnx; name"):
        detector_file(tmp_path, ".onnx")


def test_a_model_directory_opens(net, tmp_path):
    torch.save(dict(net.state_dict()), tmp_path / "a-Epoch-1-Loss-2.5.pth")
    write_labels(tmp_path / "labels.txt", NAMES)
    opened = open_detector(tmp_path)
    assert (opened.path.name, opened.class_names) == ("a-Epoch-1-Loss-2.5.pth", NAMES)


@pytest.fixture
def with_nms(net, tmp_path):
    """Return an exported file with NMS inside, and what it puts out for IMAGE."""
    path = tmp_path / "nms.onnx"
    made = make_checked(net, path, ExportSettings(nms=GraphNms(0.3, 50)))
    path.write_bytes(made.content)
    write_labels(tmp_path / "labels.txt", NAMES)
    pixels = torch.from_numpy(cv2.resize(IMAGE, (300, 300))).permute(2, 0, 1)[None].float()
    tensor = ((pixels - 127.5) / 127.5).numpy()
    scores, _ = onnx_reading.open_session(path).run(["scores", "boxes"], {"input_0": tensor})
    return path, scores[0]


@pytest.mark.parametrize("method", ["hard", "soft"])
def test_nms_in_the_file_is_the_only_one(with_nms, method, caplog):
    """Each row that the file keeps is one box, of its best class."""
    path, scores = with_nms
    with caplog.at_level("INFO"):
        opened = open_detector(path, suppression=Suppression(0.01, 0.1, method=method))
    found = opened.predictor.predict(IMAGE)
    best = scores[:, 1:].max(axis=1)
    assert 5 < (best > 0).sum() < 50
    assert found.scores.tolist() == best[best > 0].tolist()
    assert found.labels.tolist() == (scores[:, 1:].argmax(axis=1)[best > 0] + 1).tolist()
    assert "nms.onnx has NMS inside, at IoU 0.3; no other is applied" in caplog.text


def test_an_image_threshold_still_holds_with_nms_in_the_file(with_nms):
    path, scores = with_nms
    best = np.sort(scores[:, 1:].max(axis=1))[::-1]
    found = open_detector(path).predictor.predict(IMAGE, prob_threshold=float(best[2]))
    assert found.scores.tolist() == best[:2].tolist()
