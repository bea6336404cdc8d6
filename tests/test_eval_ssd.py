from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch

import eval_ssd
from tests.drawing import CLASS_NAMES, COLOURS, write_open_images, write_voc
from vision.checkpoints import detector
from vision.checkpoints.detector import OpenDetector
from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.ssd import create_net
from vision.ssd.predictor import Predictor
from vision.utils.cli import run_main
from vision.utils.labels import write_labels

SIDE = 120


def find_squares(images):
    """Find every drawn square: scores (B, 5, 4) and boxes (B, 5, 4) of images (B, 3, S, S)."""
    scores = torch.zeros(len(images), 5, len(CLASS_NAMES))
    boxes = torch.zeros(len(images), 5, 4)
    for i, image in enumerate(images.permute(0, 2, 3, 1).numpy()):
        found = []
        for label, name in enumerate(CLASS_NAMES[1:], 1):
            near = (np.abs(image - np.float32(COLOURS[name])).max(axis=2) < 60).astype(np.uint8)
            regions = cv2.connectedComponentsWithStats(near)[2][1:]
            found += [(label, region) for region in regions if region[4] > 30]
        for row, (label, (left, top, width, height, _)) in enumerate(found):
            scores[i, row, label] = 0.9 - row / 100
            boxes[i, row] = torch.tensor([left, top, left + width, top + height]) / SIDE
    return scores, boxes


@pytest.fixture
def square_finder(monkeypatch, tmp_path):
    """Let every model file be a detector of squares; return such a file."""
    predictor = Predictor(find_squares, SIDE, (0.0, 0.0, 0.0), 1.0)
    path = tmp_path / "model" / "squares.pth"
    path.parent.mkdir()
    path.touch()
    monkeypatch.setattr(
        detector, "open_detector", lambda *_, **__: OpenDetector(predictor, CLASS_NAMES, path)
    )
    return path


@pytest.fixture
def bare_weights(tmp_path):
    """Return untrained weights of sq-ssd-lite, as upstream writes them, with a labels.txt."""
    torch.manual_seed(0)
    folder = tmp_path / "bare"
    folder.mkdir()
    write_labels(folder / "labels.txt", CLASS_NAMES)
    path = folder / "sq-ssd-lite-Epoch-1-Loss-3.5.pth"
    torch.save(dict(create_net("sq-ssd-lite", len(CLASS_NAMES)).state_dict()), path)
    return path


def run(*argv):
    return run_main(eval_ssd.main, eval_ssd.parse_args([*map(str, argv), "--workers=0"]))


@pytest.mark.parametrize("write", [write_voc, write_open_images])
def test_a_detector_that_finds_everything(write, square_finder, tmp_path, capsys):
    samples = write(tmp_path / "data", suffix=".png")["test"]
    assert run("--model", square_finder, "--dataset", tmp_path / "data", "--batch-size=3") == 0
    results = json.loads((square_finder.parent / "results.json").read_text())
    assert results["pictures"] == len(samples)
    assert results["mAP"] == pytest.approx(1)
    counts = np.bincount(np.concatenate([sample.labels for sample in samples]), minlength=4)
    assert [one["ground_truths"] for one in results["classes"]] == counts[1:].tolist()
    assert [one["true_positives"] for one in results["classes"]] == counts[1:].tolist()
    assert sum(one["false_positives"] for one in results["classes"]) == 0
    assert "Average Precision Across All Classes:1.0000" in capsys.readouterr().out


def test_pictures_without_objects_count(square_finder, tmp_path):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 3}, negatives=3)
    assert run("--model", square_finder, "--dataset", tmp_path / "data", "--split=test") == 0
    results = json.loads((square_finder.parent / "results.json").read_text())
    assert results["pictures"] == 3
    assert results["mAP"] is None
    assert {one["average_precision"] for one in results["classes"]} == {None}


def test_several_folders_and_results_elsewhere(square_finder, tmp_path):
    write_voc(tmp_path / "a", {"trainval": 2, "test": 3})
    write_voc(tmp_path / "b", {"trainval": 2, "test": 2}, seed=1)
    folders = [tmp_path / "a", tmp_path / "b"]
    assert run("--model", square_finder, "--data", *folders, "--eval_dir", tmp_path / "new") == 0
    results = json.loads((tmp_path / "new" / "results.json").read_text())
    assert results["pictures"] == 5
    assert results["datasets"] == [str(folder) for folder in folders]
    assert not (square_finder.parent / "results.json").exists()


@pytest.mark.parametrize("by_folder", [True, False])
def test_upstreams_command_line_on_bare_weights(by_folder, bare_weights, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 2})
    model = ["--model-dir", bare_weights.parent] if by_folder else ["--trained_model", bare_weights]
    options = ["--dataset_type=voc", f"--dataset={tmp_path / 'data'}", "--net=sq-ssd-lite"]
    options += [f"--label_file={bare_weights.parent / 'labels.txt'}", "--use_cuda=false"]
    options += ["--use_2007_metric=false", "--nms_method=soft", "--iou_threshold=0.4"]
    assert run(*model, *options) == 0
    results = json.loads((bare_weights.parent / "results.json").read_text())
    assert results["model"] == str(bare_weights)
    assert (results["resolution"], results["nms_method"]) == (300, "soft")
    assert (results["iou_threshold"], results["use_2007_metric"]) == (0.4, False)
    assert [one["name"] for one in results["classes"]] == CLASS_NAMES[1:]
    out = capsys.readouterr().out
    assert "Average Precision Per-class:\n    red: " in out


def test_the_closing_block_is_upstreams():
    classes = (
        ClassResult("apple", 0.28825, 35, 30, 5),
        ClassResult("größe", None, 0, 0, 2),
        ClassResult("zero", 0.0, 3, 0, 0),
    )
    lines = eval_ssd.report_lines(AveragePrecisionResult(classes, 0.144125, 0.5, True))
    assert lines == [
        "Average Precision Per-class:",
        "    apple: 0.2883",
        "    größe: n/a (no objects in this split)",
        "    zero: 0.0000",
        "",
        "Average Precision Across All Classes:0.1441",
    ]
    lines = eval_ssd.report_lines(AveragePrecisionResult(classes[1:2], None, 0.5, True))
    assert lines[-1] == "Average Precision Across All Classes:n/a"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--model=a.pth", "--model-dir=b"],
        ["--model=a.pth", "--iou-threshold=1"],
        ["--model=a.pth", "--batch-size=0"],
        ["--model=a.pth", "--nms-method=none"],
        ["--model=a.pth", "--splitt=test"],
    ],
)
def test_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit) as exit_status:
        eval_ssd.parse_args(argv)
    assert exit_status.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_a_missing_file_is_one_line(tmp_path, capsys):
    assert run("--model", tmp_path / "missing.pth", "--dataset", tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert "missing.pth" in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_upstreams_numbers_on_real_pictures(real_datasets, real_models, tmp_path):
    """The numbers that upstream's own script gives (VOC 2007 metric, IoU 0.5)."""
    options = [f"--dataset={real_datasets / 'fruit'}", "--dataset_type=voc", "--net=mb1-ssd"]
    options += [f"--label_file={real_models / 'labels.txt'}", f"--eval_dir={tmp_path}"]
    (model,) = real_models.glob("mb1-ssd-Epoch-14-*.pth")
    assert run("--trained_model", model, *options) == 0
    results = json.loads((tmp_path / "results.json").read_text())
    found = {one["name"]: one["average_precision"] for one in results["classes"]}
    assert found == pytest.approx({"apple": 0.2883, "banana": 0.2234, "orange": 0.3659}, abs=0.005)
    assert results["mAP"] == pytest.approx(0.2925, abs=0.005)
