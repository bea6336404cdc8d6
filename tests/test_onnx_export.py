from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest
import torch

import onnx_export
from vision.checkpoints.description import Description
from vision.checkpoints.weights_file import save_weights
from vision.deploy.detectnet import DetectNet
from vision.ssd import NETS
from vision.utils.cli import run_main

NET, SIDE = "mb3-small-ssd-lite", 128
CLASS_NAMES = ("BACKGROUND", "apple", "pear")


@pytest.fixture(autouse=True)
def root_logger():
    """Give the root logger back the handlers that the script replaces."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="module")
def description():
    return Description(NET, CLASS_NAMES, NETS[NET].config(SIDE))


@pytest.fixture(scope="module")
def state(description):
    torch.manual_seed(0)
    return description.create().state_dict()


@pytest.fixture
def model_dir(tmp_path, description, state):
    """Return a model directory whose first epoch was the better one."""
    for epoch, precision, loss in ((0, 0.6, 3.0), (1, 0.4, 2.0)):
        metrics = {"mAP": precision, "loss": loss}
        path = tmp_path / f"{NET}-Epoch-{epoch}-Loss-{loss}.pth"
        save_weights(path, state, replace(description, epoch=epoch, metrics=metrics))
    return tmp_path


def export(*options):
    return run_main(onnx_export.main, onnx_export.parse_args(list(map(str, options))))


def input_shape(path):
    (value,) = onnx.load(str(path)).graph.input
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def test_a_model_directory_is_enough(model_dir, capsys):
    assert export("--model_dir", model_dir) == 0
    model, labels = model_dir / f"{NET}.onnx", model_dir / "labels.txt"
    assert labels.read_bytes() == b"BACKGROUND\napple\npear\n"
    assert DetectNet(model, labels).labels == list(CLASS_NAMES)
    told = capsys.readouterr().out
    assert f"loading checkpoint: {model_dir}/{NET}-Epoch-0-Loss-3.0.pth" in told
    assert "3 classes (2 + background)" in told
    assert "opset 11: read by TensorRT 7.1" in told
    assert (
        f"detectnet --model={model} --labels={labels}"
        " --input-blob=input_0 --output-cvg=scores --output-bbox=boxes" in told
    )
    assert (
        f'detectNet(model="{model}", labels="{labels}",'
        ' input_blob="input_0", output_cvg="scores", output_bbox="boxes")' in told
    )


def test_a_file_of_the_model_directory(model_dir, capsys):
    name = f"{NET}-Epoch-1-Loss-2.0.pth"
    options = ["--model-dir", model_dir, "--input", name, "--output", "mine.onnx"]
    assert export(*options, "--batch_size=2", "--opset=13") == 0
    assert input_shape(model_dir / "mine.onnx") == [2, 3, SIDE, SIDE]
    told = capsys.readouterr().out
    assert name in told
    assert "the batch size must be 1, it is 2" in told
    assert "opset 13: read by TensorRT 8.0" in told
    assert "detectnet --model" not in told


def test_any_file_and_another_resolution(model_dir, tmp_path, capsys):
    out = tmp_path / "out dir"
    out.mkdir()
    weights = model_dir / f"{NET}-Epoch-1-Loss-2.0.pth"
    assert export("--input", weights, "--output", out, "--width=160") == 0
    assert input_shape(out / f"{NET}.onnx") == [1, 3, 160, 160]
    told = capsys.readouterr().out
    assert "its accuracy at 160 is unmeasured" in told
    assert f"'--model={out}/{NET}.onnx'" in told
    assert "the path should have no blanks" in told


def test_bare_weights_need_their_labels(tmp_path, capsys):
    weights = tmp_path / "bare.pth"
    torch.save(Description(NET, CLASS_NAMES, NETS[NET].config(300)).create().state_dict(), weights)
    assert export("--input", weights) == 1
    assert "--labels" in capsys.readouterr().err
    labels = tmp_path / "names.txt"
    labels.write_text("apple\npear\n")
    assert export("--input", weights, "--labels", labels, "--net", NET) == 0
    assert "Mul" in {node.op_type for node in onnx.load(str(tmp_path / f"{NET}.onnx")).graph.node}
    assert (tmp_path / "labels.txt").read_text() == "BACKGROUND\napple\npear\n"


def test_mb1_has_the_name_of_the_tutorials():
    for net, name in (("mb1-ssd", "ssd-mobilenet.onnx"), ("vgg16-ssd", "vgg16-ssd.onnx")):
        loaded = SimpleNamespace(description=SimpleNamespace(net=net), path=Path("m/best.pth"))
        assert onnx_export.output_path(None, None, loaded) == Path("m") / name
        assert onnx_export.output_path(Path("a.onnx"), None, loaded) == Path("a.onnx")
        assert onnx_export.output_path(Path("a.onnx"), Path("m"), loaded) == Path("m/a.onnx")
        assert onnx_export.output_path(Path("b/a.onnx"), Path("m"), loaded) == Path("b/a.onnx")


@pytest.mark.parametrize(
    ("sides", "side"),
    [((None, None, None), None), ((512, None, None), 512), ((512, 512, 512), 512)],
)
def test_one_side(sides, side):
    assert onnx_export.square_side(*sides) == side


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--width=640", "--height=480"], "must be square, got --width=640 --height=480"),
        (["--resolution=300", "--width=512"], "must be square, got --width=512 --resolution=300"),
        (["--opset=21"], "opset must be 9 to 20"),
        (["--input=absent.pth"], "absent.pth"),
        (["--net=mb9-ssd"], "mb9-ssd"),
        (["--output=model.engine"], "must be called *.onnx"),
    ],
)
def test_failures_are_one_line(model_dir, capsys, options, sentence):
    assert export("--model-dir", model_dir, *options) == 1
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
    assert not list(model_dir.glob("*.onnx"))


def test_debug_shows_where(model_dir):
    with pytest.raises(ValueError, match="must be square"):
        export("--model-dir", model_dir, "--width=1", "--height=2", "--debug")


@pytest.mark.parametrize("options", [[], ["--model-dri=x"], ["--opset=eleven"]])
def test_usage_errors(options, capsys):
    with pytest.raises(SystemExit) as stop:
        onnx_export.parse_args(options)
    assert stop.value.code == 2


def test_importing_it_loads_nothing_heavy():
    code = "import sys, onnx_export; sys.exit(bool({'torch', 'onnx', 'cv2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
