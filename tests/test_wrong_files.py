"""In the place of each file that a script is told to read: nothing, a pipe, a folder, other bytes.

Every one is answered at once, in one line that names it, and nothing is written.
"""

from __future__ import annotations

import importlib
import os

import pytest

from tests.drawing import draw_samples, write_picture, write_voc
from tests.fuzzing import limited
from tests.tiny import tiny_description, tiny_net
from tests.training_script import as_before  # noqa: F401 (a fixture)
from vision.checkpoints.weights_file import save_weights
from vision.utils.cli import run_main
from vision.utils.labels import write_labels

TRAIN = "--net mb3-small-ssd-lite --resolution 64 --workers 0 --pretrained-ssd none --epochs 1"

# Script, what is typed, and the suffix of {wrong}; {data}, {model} and {picture} are sound.
PLACES = [
    ("train_ssd", f"{TRAIN} --data {{wrong}}", ""),
    ("train_ssd", f"{TRAIN} --data {{data}} --validation-dataset {{wrong}}", ".yaml"),
    ("train_ssd", f"{TRAIN} --data {{data}} --base-net {{wrong}}", ".pth"),
    ("train_ssd", f"{TRAIN} --data {{data}} --pretrained-ssd {{wrong}}", ".pth"),
    ("train_ssd", f"{TRAIN} --data {{data}} --resume {{wrong}}", ".pth"),
    ("train_ssd", f"{TRAIN} --data {{data}} --augmentation {{wrong}}", ".json"),
    ("train_ssd", f"{TRAIN} --data {{data}} --class-map {{wrong}}", ".txt"),
    ("eval_ssd", "--model {wrong} --dataset {data} --workers 0", ".onnx"),
    ("eval_ssd", "--model-dir {wrong} --dataset {data} --workers 0", ""),
    ("eval_ssd", "--model {model} --dataset {wrong} --workers 0", ".yaml"),
    ("eval_ssd", "--model {model} --dataset {data} --labels {wrong} --workers 0", ".txt"),
    ("eval_ssd", "--detections {wrong} --dataset {data} --workers 0", ".json"),
    ("eval_ssd", "--model {model} --dataset {data} --class-map {wrong} --workers 0", ".txt"),
    ("onnx_export", "--input {wrong}", ".pth"),
    ("onnx_export", "--model-dir {wrong}", ""),
    ("onnx_export", "--input {model} --labels {wrong}", ".txt"),
    ("onnx_export", "--input {model} --data {wrong}", ".json"),
    ("onnx_export", "--check {wrong}", ".onnx"),
    ("run_ssd_example", "--model {wrong} --output none {picture}", ".onnx"),
    ("run_ssd_example", "--model-dir {wrong} --output none {picture}", ""),
    ("run_ssd_example", "--model {model} --labels {wrong} --output none {picture}", ".txt"),
    ("run_ssd_example", "--model {model} --output none {wrong}", ".jpg"),
    ("run_ssd_example", "mb1-ssd {wrong} labels.txt {picture}", ".pth"),
    ("run_ssd_live_demo", "--model {wrong} {picture}", ".onnx"),
    ("run_ssd_live_demo", "--model {model} --labels {wrong} {picture}", ".txt"),
    ("check_dataset", "{wrong} --output {out} --no-cache", ".xml"),
    ("check_dataset", "--data {wrong} --output {out} --no-cache", ".json"),
    ("check_dataset", "{data} --class-map {wrong} --output {out} --no-cache", ".txt"),
    ("open_images_downloader", "--class-names Apple --data {out} --filter-file {wrong}", ".txt"),
]


def nothing(path):
    """Leave the place empty."""


def other_bytes(path):
    path.write_bytes(b"\xff\xfe\x00nothing that any of them reads \x80" * 9)


def no_bytes(path):
    path.touch()


NO_LIST = "open_images_downloader"
KINDS = {"nothing": nothing, "pipe": os.mkfifo, "other bytes": other_bytes, "no bytes": no_bytes}


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Return what may be typed beside the wrong file."""
    root = tmp_path_factory.mktemp("sound")
    write_voc(root / "data", {"trainval": 4, "test": 2})
    save_weights(root / "models" / "best.pth", tiny_net().state_dict(), tiny_description())
    write_labels(root / "models" / "labels.txt", tiny_description().class_names)
    write_picture(root / "picture.png", draw_samples(1)[0].image)
    return {
        "data": root / "data",
        "model": root / "models/best.pth",
        "picture": root / "picture.png",
    }


@pytest.mark.usefixtures("as_before")
@pytest.mark.parametrize(
    ("script", "line", "suffix", "kind"),
    # An empty list of pictures to leave out is a list.
    [(*p, kind) for p in PLACES for kind in KINDS if (kind, p[0]) != ("no bytes", NO_LIST)],
)
def test_a_wrong_file_is_named_in_one_line(
    script, line, suffix, kind, sound, tmp_path, monkeypatch, capsys
):
    wrong, out = tmp_path / f"wrong{suffix}", tmp_path / "out"
    KINDS[kind](wrong)
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(script)
    words = line.format(wrong=wrong, out=out, **sound).split()
    words += ["--model-dir", str(out)] if script == "train_ssd" else []
    with limited():
        try:
            status = run_main(module.main, module.parse_args(words))
        except SystemExit as error:
            status = error.code
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert status in (1, 2), error
    assert "error: " in error
    assert "wrong" in error
    # What was found in the data may stay: it is right.
    assert {path.name for path in out.rglob("*")} <= {"dataset_report.json"}
    assert {path.name for path in tmp_path.iterdir()} <= {wrong.name, "out"}
