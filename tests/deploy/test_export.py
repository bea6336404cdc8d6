from __future__ import annotations

import inspect
import logging
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from vision.checkpoints.detector import load_detector
from vision.deploy import export
from vision.deploy.detectnet import DetectNet
from vision.deploy.export import ExportSettings, ForDetectNet, make_checked, remove_engines
from vision.deploy.nms import GraphNms
from vision.deploy.onnx_reading import open_session
from vision.deploy.readiness.candidate import WARNING, LabelFile
from vision.ssd import NETS, create_net

# One export takes a second, that of vgg's 96 MB ten.
SLOW_NETS = {"vgg16-ssd"}
NET_PARAMETERS = [
    pytest.param(name, marks=pytest.mark.slow if name in SLOW_NETS else ()) for name in NETS
]


def graph_of(made):
    return onnx.load_model_from_string(made.content)


@pytest.mark.parametrize("name", NET_PARAMETERS)
def test_every_net_passes_every_check(name, tmp_path):
    torch.manual_seed(0)
    report = make_checked(create_net(name, num_classes=4), tmp_path / "net.onnx")
    assert report.target.name == "TensorRT 7.1"
    assert [warning.code for warning in report.warnings] == ["background"]  # It is untrained.
    assert max(max(differences) for differences in report.differences.values()) < 1e-5
    model = graph_of(report)
    assert (model.ir_version, model.opset_import[0].version) == (6, 11)
    needs_map = name == "vgg16-ssd"
    assert (model.graph.node[0].op_type == "Mul") == needs_map
    assert list(tmp_path.iterdir()) == []


def test_the_report(make_net, labels_path):
    labels = LabelFile(labels_path, labels_path.read_bytes())
    report = make_checked(make_net(), "toy.onnx", labels=labels)
    assert report.warnings == []
    assert report.rows == 32
    assert list(report.differences) == ["plain wall", "scene by day"]


def test_a_picture_is_one_more_probe(make_net):
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    report = make_checked(make_net(), "toy.onnx", picture=picture)
    assert "picture" in report.differences


@pytest.mark.parametrize(
    ("mean", "std", "is_needed"), [(127.5, 127.5, False), (127, 128, True), (117.0, 1.0, True)]
)
def test_another_normalisation_is_in_the_graph(make_net, mean, std, is_needed):
    net = make_net(mean, std)
    assert ForDetectNet(net).is_needed == is_needed
    report = make_checked(net, "toy.onnx")
    operators = [node.op_type for node in graph_of(report).graph.node]
    assert (operators[:2] == ["Mul", "Add"]) == is_needed
    pixels = np.random.default_rng(2).integers(0, 256, (1, 3, 32, 32)).astype(np.float32)
    with torch.no_grad():
        expected, _ = net.detect((torch.from_numpy(pixels) - mean) / std)
    session = open_session(report.content)
    scores, _ = session.run(["scores", "boxes"], {"input_0": (pixels - 127.5) / 127.5})
    np.testing.assert_allclose(scores, expected.numpy(), atol=1e-5)


def test_the_net_stays_as_it_was(make_net):
    net = make_net().double().train()
    make_checked(net, "toy.onnx")
    assert net.training
    assert next(net.parameters()).dtype == torch.float64


def test_channels_last_makes_no_difference(make_net):
    net = make_net().to(memory_format=torch.channels_last)
    assert make_checked(net, "toy.onnx").warnings == []


def test_larger_batches_are_written_with_a_warning(make_net, tmp_path):
    report = make_checked(make_net(), "toy.onnx", ExportSettings(batch_size=4))
    (tmp_path / "toy.onnx").write_bytes(report.content)
    assert [(w.code, w.severity) for w in report.warnings] == [("batch-size", WARNING)]
    with pytest.raises(ValueError, match="the batch size must be 1, it is 4"):
        DetectNet(tmp_path / "toy.onnx")


@pytest.mark.parametrize(("opset", "target"), [(9, "7.1"), (13, "8.0 to 8.2"), (17, "8.4")])
def test_other_opsets(make_net, opset, target):
    report = make_checked(make_net(), "toy.onnx", ExportSettings(opset=opset))
    assert report.target.name == f"TensorRT {target}"
    assert graph_of(report).opset_import[0].version == opset


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"opset": 8}, "opset must be 9 to 20, got 8"),
        ({"opset": 21}, "opset must be 9 to 20, got 21"),
        ({"batch_size": 0}, "batch size must be 1 or more, got 0"),
    ],
)
def test_impossible_settings(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        ExportSettings(**settings)


def test_a_failed_check_is_a_sentence(make_net):
    net = make_net()
    net.classes.bias.data[0] = float("nan")
    with pytest.raises(
        ValueError, match=r"toy\.onnx would not work in detectnet: all weights must"
    ):
        make_checked(net, "toy.onnx")


def test_labels_are_checked_with_the_file(make_net, labels_path):
    labels_path.write_bytes(b"apple\npear\n")
    labels = LabelFile(labels_path, labels_path.read_bytes())
    with pytest.raises(ValueError, match=r"detectnet reads 2.*must be BACKGROUND, it is 'apple'"):
        make_checked(make_net(), "toy.onnx", labels=labels)


def test_engines_of_the_old_file_go(tmp_path, caplog):
    engine = tmp_path / "toy.onnx.1.1.8201.GPU.FP16.engine"
    other = tmp_path / "toy2.onnx.1.1.8201.GPU.FP16.engine"
    for path in (engine, other):
        path.write_bytes(b"")
    with caplog.at_level(logging.INFO):
        assert remove_engines(tmp_path / "toy.onnx") == [engine]
    assert not engine.exists()
    assert other.exists()
    assert engine.name in caplog.text


def test_a_torch_without_the_older_exporter(make_net, toy_model, monkeypatch):
    """The newer one returns a program, at opset 18 whatever it is asked for."""
    asked = {}

    def newer_export(model, args, *, opset_version, input_names, output_names):
        asked.update(opset=opset_version, names=[*input_names, *output_names])
        newer = onnx.version_converter.convert_version(toy_model, 18)
        return SimpleNamespace(model_proto=newer)

    monkeypatch.setattr(export.torch.onnx, "export", newer_export)
    made = make_checked(make_net(), "toy.onnx")
    assert asked == {"opset": 18, "names": ["input_0", "scores", "boxes"]}
    assert graph_of(made).opset_import[0].version == 11


def test_a_torch_that_does_not_know_the_choice(make_net, monkeypatch):
    """Torch 2.1 to 2.4 has the older exporter only, and no parameter to choose it."""
    current = torch.onnx.export
    choice = {"dynamo": False} if "dynamo" in inspect.signature(current).parameters else {}

    def older_export(model, args, f, training=None, opset_version=None, **names):
        return current(model, args, f, opset_version=opset_version, **names, **choice)

    monkeypatch.setattr(export.torch.onnx, "export", older_export)
    assert make_checked(make_net(), "toy.onnx").warnings == []


def kaiming(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)


def large_logits(net):
    """Scores of 0 and 1 only, from logits in the thousands."""
    kaiming(net)
    for layer in net.classification_headers.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data *= 1000


def wide_normal(net):
    """Weights and biases of a normal distribution: in vgg16-ssd they come to logits of 1e12."""
    for parameter in net.parameters():
        nn.init.normal_(parameter, 0, 0.1)


def wild_statistics(net):
    """Batch norms that amplify from layer to layer, and boxes as large as a hundred pictures."""
    kaiming(net)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.5)
            layer.running_var.uniform_(0.05, 3)
            layer.weight.data.uniform_(0.3, 2)


HELD_OUT = [
    pytest.param(name, make, marks=() if name == "mb3-small-ssd-lite" else pytest.mark.slow)
    for name in NETS
    for make in (kaiming, large_logits, wide_normal, wild_statistics)
]


@pytest.mark.parametrize(("name", "initialise"), HELD_OUT)
def test_weights_of_any_kind_can_be_exported(name, initialise):
    """What float32 computes no better, and what only an untrained net does, is no error."""
    torch.manual_seed(1)
    net = create_net(name, num_classes=5).eval()
    initialise(net)
    made = make_checked(net, "net.onnx", ExportSettings(nms=GraphNms()))
    # Each of these files is used by detectnet; the warnings say what is odd about it.
    odd = {"background", "nms-rounds", "not-finite", "boxes", "half-activation"}
    assert {warning.code for warning in made.warnings} <= odd


@pytest.mark.slow
def test_real_weights_can_be_exported(real_models):
    (weights,) = real_models.glob("mb1-ssd-*.pth")
    for nms in (None, GraphNms()):
        made = make_checked(load_detector(weights).net, "net.onnx", ExportSettings(nms=nms))
        assert made.warnings == []
        assert max(max(pair) for pair in made.differences.values()) < 1e-4
