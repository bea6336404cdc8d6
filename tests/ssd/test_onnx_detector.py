from __future__ import annotations

import inspect
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from vision.ssd.onnx_detector import OnnxDetector
from vision.ssd.predictor import Predictor


class TinyNet(nn.Module):
    """Four priors and three classes, whose scores depend on the picture."""

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(3, 3, 1)
        with torch.no_grad():
            self.head.weight.normal_(generator=torch.Generator().manual_seed(0))
        self.register_buffer("boxes", torch.rand(1, 4, 4))

    def forward(self, images):
        cells = nn.functional.avg_pool2d(self.head(images), 4).flatten(2)  # (B, 3, 4)
        return cells.transpose(1, 2).softmax(-1), self.boxes + 0 * cells[:, :1].transpose(1, 2)


def export(path, batch=1, names=("input_0", "scores", "boxes"), size=(8, 8), **options):
    net = TinyNet().eval()
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False
    torch.onnx.export(
        net,
        (torch.zeros(batch, 3, *size),),
        str(path),
        input_names=list(names[:1]),
        output_names=list(names[1:]),
        opset_version=11,
        **options,
    )
    return net


def open_onnx(path):
    return OnnxDetector(onnxruntime.InferenceSession(str(path)), path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("batch", [1, 2, None])
def test_an_onnx_file_detects_like_its_net(tmp_path, batch):
    path = tmp_path / "tiny.onnx"
    axes = {name: {0: "batch"} for name in ("input_0", "scores", "boxes")}
    dynamic = {"dynamic_axes": axes} if batch is None else {}
    net = export(path, batch or 2, **dynamic)
    detector = open_onnx(path)
    assert (detector.image_size, detector.num_classes) == (8, 3 if batch else None)
    assert (detector.mean, detector.std) == ((127.5, 127.5, 127.5), 127.5)
    images = torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    scores, boxes = detector(images)
    with torch.no_grad():
        expected_scores, expected_boxes = net(images)
    torch.testing.assert_close(scores, expected_scores)
    torch.testing.assert_close(boxes, expected_boxes)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_onnx_file_behind_a_predictor(tmp_path):
    export(tmp_path / "tiny.onnx")
    detector = open_onnx(tmp_path / "tiny.onnx")
    found = Predictor(detector, detector.image_size, detector.mean, detector.std).predict(
        np.zeros((10, 20, 3), np.uint8)
    )
    assert len(found) > 0
    assert found.boxes[:, 2].max() <= 20


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "options", [{"names": ("data", "scores", "boxes")}, {"size": (4, 16)}], ids=["names", "wide"]
)
def test_files_that_are_no_detector_are_named(tmp_path, options):
    export(tmp_path / "other.onnx", **options)
    with pytest.raises(ValueError, match=r"other\.onnx must have an input input_0"):
        open_onnx(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    "shape", [(2**31, 3, 8, 8), (0, 3, 8, 8), (-1, 3, 8, 8), (1, 3, 9999, 9999)]
)
def test_sizes_that_no_machine_has_are_refused(shape):
    outputs = [SimpleNamespace(name=name, shape=[1, 4, 4]) for name in ("scores", "boxes")]
    inputs = [SimpleNamespace(name="input_0", shape=list(shape))]
    session = SimpleNamespace(get_inputs=lambda: inputs, get_outputs=lambda: outputs)
    with pytest.raises(ValueError, match=r"a\.onnx must take at most 1024 pictures of 4096 pixels"):
        OnnxDetector(session, "a.onnx")


def test_what_comes_out_in_another_shape_is_named():
    outputs = [SimpleNamespace(name=name, shape=[1, 4, 4]) for name in ("scores", "boxes")]
    inputs = [SimpleNamespace(name="input_0", shape=[1, 3, 8, 8])]
    session = SimpleNamespace(
        get_inputs=lambda: inputs,
        get_outputs=lambda: outputs,
        run=lambda names, feed: [np.zeros((1, 4, 2)), np.zeros((1, 5, 4))],
    )
    detector = OnnxDetector(session, "a.onnx")
    with pytest.raises(ValueError, match=r"a\.onnx must put out scores .*\(1, 4, 2\) and \(1, 5"):
        detector(torch.zeros(1, 3, 8, 8))
