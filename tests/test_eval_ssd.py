from __future__ import annotations

import json
import re
from dataclasses import fields

import cv2
import numpy as np
import pytest
import torch

import eval_ssd
from tests.drawing import CLASS_NAMES, COLOURS, write_open_images, write_voc
from vision.checkpoints import detector
from vision.checkpoints.detector import OpenDetector
from vision.datasets.options import DataOptions
from vision.deploy import tuning
from vision.deploy.tuning import NEEDED_OBJECTS
from vision.ssd import create_net
from vision.ssd.predictor import Predictor
from vision.training.options import TrainOptions
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


def run(*argv, report=False):
    argv = [*map(str, argv), "--workers=0", *([] if report else ["--no-report"])]
    return run_main(eval_ssd.main, eval_ssd.parse_args(argv))


def results_of(model, folder=None):
    """Return what was written: beside the model, or into a folder."""
    folder = folder or model.parent / "evaluation"
    return json.loads((folder / "results.json").read_text("utf-8"))


@pytest.mark.parametrize("write", [write_voc, write_open_images])
def test_a_detector_that_finds_everything(write, square_finder, tmp_path, capsys):
    samples = write(tmp_path / "data", suffix=".png")["test"]
    assert run("--model", square_finder, "--dataset", tmp_path / "data", "--batch-size=3") == 0
    results = results_of(square_finder)
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
    results = results_of(square_finder)
    assert results["pictures"] == 3
    assert results["mAP"] is None
    assert {one["average_precision"] for one in results["classes"]} == {None}


def test_several_folders_and_results_elsewhere(square_finder, tmp_path):
    write_voc(tmp_path / "a", {"trainval": 2, "test": 3})
    write_voc(tmp_path / "b", {"trainval": 2, "test": 2}, seed=1)
    folders = [tmp_path / "a", tmp_path / "b"]
    assert run("--model", square_finder, "--data", *folders, "--eval_dir", tmp_path / "new") == 0
    results = results_of(square_finder, tmp_path / "new")
    assert results["pictures"] == 5
    assert results["datasets"] == [str(folder) for folder in folders]
    assert not (square_finder.parent / "evaluation").exists()


@pytest.mark.parametrize("by_folder", [True, False])
def test_upstreams_command_line_on_bare_weights(by_folder, bare_weights, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 2})
    model = ["--model-dir", bare_weights.parent] if by_folder else ["--trained_model", bare_weights]
    options = ["--dataset_type=voc", f"--dataset={tmp_path / 'data'}", "--net=sq-ssd-lite"]
    options += [f"--label_file={bare_weights.parent / 'labels.txt'}", "--use_cuda=false"]
    options += ["--use_2007_metric=false", "--nms_method=soft", "--iou_threshold=0.4"]
    assert run(*model, *options) == 0
    results = results_of(bare_weights)
    assert results["model"] == str(bare_weights)
    assert (results["resolution"], results["nms_method"]) == (300, "soft")
    assert (results["iou_threshold"], results["use_2007_metric"]) == (0.4, False)
    assert [one["name"] for one in results["classes"]] == CLASS_NAMES[1:]
    out = capsys.readouterr().out
    assert re.search(r"^Average Precision Per-class: .*\n    red: \d\.\d{4} ", out, re.MULTILINE)
    assert re.search(r"^Average Precision Across All Classes:\d\.\d{4}$", out, re.MULTILINE)


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--model=a.pth", "--model-dir=b"],
        ["--model=a.pth", "--iou-threshold=1"],
        ["--model=a.pth", "--batch-size=0"],
        ["--model=a.pth", "--nms-method=none"],
        ["--model=a.pth", "--clustering=0.5"],
        ["--model=a.pth", "--splitt=test"],
        ["--model=a.pth", "--pipeline=fast"],
        ["--model=a.pth", "--conf=1.5"],
        ["--model", "a.pth", "b.pth", "--save-detections=c.json"],
        ["--model=a.pth", "--pipeline=both", "--save-detections=c.json"],
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


def test_a_missing_file_of_detections_is_one_line(tmp_path, capsys):
    assert run("--detections", tmp_path / "none.json", "--dataset", tmp_path) == 1
    assert "there is no file of detections" in capsys.readouterr().err


def test_an_empty_split_has_its_sentence(square_finder, tmp_path, capsys):
    write_voc(tmp_path / "data", {})
    argv = ["--model", square_finder, "--dataset", tmp_path / "data"]
    assert run(*argv, "--split=val", "--val-split=0") == 1
    assert "no picture to measure on in the val part" in capsys.readouterr().err


def test_everything_that_is_written(square_finder, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 3})
    argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--tensorboard"]
    assert run(*argv, report=True) == 0
    folder = square_finder.parent / "evaluation"
    names = {path.name for path in folder.iterdir()}
    assert {"report.html", "results.json", "results.csv", "confusion.png", "tensorboard"} <= names
    assert list(folder.glob("tensorboard/*/events*"))
    out = capsys.readouterr().out
    table = out[out.index("Average Precision Per-class:") :]
    assert max(len(line) for line in table.splitlines()[:-1]) <= 80
    assert "It finds" in table


def test_detections_are_written_and_scored_again_to_the_same_numbers(square_finder, tmp_path):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 5})
    data = ["--dataset", tmp_path / "data"]
    saved = tmp_path / "saved" / "found.json"
    assert run("--model", square_finder, *data, "--save-detections", saved) == 0
    assert run("--detections", saved, *data) == 0
    before, after = results_of(square_finder), results_of(saved)
    for name in ("mAP", "threshold", "coco", "errors", "confusion", "classes"):
        assert after[name] == pytest.approx(before[name]) if name == "mAP" else before[name]
    assert after["detections"] == str(saved)


def test_detections_from_a_board_name_pictures_and_lines_of_labels(tmp_path, capsys):
    samples = write_voc(tmp_path / "data", {"trainval": 2, "test": 3})["test"]
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    found = [
        {
            "image_id": f"{sample.image_id}.png",
            "category_id": int(label),
            "bbox": [float(x1), float(y1), float(x2 - x1), float(y2 - y1)],
            "score": 0.9,
        }
        for sample in samples
        for (x1, y1, x2, y2), label in zip(sample.boxes, sample.labels)
    ]
    found.append({**found[0], "image_id": "from elsewhere.png"})
    (tmp_path / "board.json").write_text(json.dumps(found))
    argv = ["--detections", tmp_path / "board.json", "--dataset", tmp_path / "data"]
    assert run(*argv) == 1
    assert "give a labels.txt by --labels" in capsys.readouterr().err
    assert run(*argv, "--labels", tmp_path / "labels.txt") == 0
    results = results_of(tmp_path / "board.json")
    assert results["mAP"] == pytest.approx(1)
    assert results["notes"] == ["1 pictures are not measured on, such as from elsewhere.png."]


def test_a_file_with_corners_in_bbox_is_told_of_its_notation(tmp_path, capsys):
    """There is no net, so that nothing can be trained longer."""
    samples = write_voc(tmp_path / "data", {"trainval": 2, "test": 3})["test"]
    write_labels(tmp_path / "labels.txt", CLASS_NAMES)
    found = [
        {"image_id": sample.image_id, "category_id": int(label), "bbox": box, "score": 0.9}
        for sample in samples
        for box, label in zip(sample.boxes.tolist(), sample.labels)
    ]
    (tmp_path / "board.json").write_text(json.dumps(found))
    argv = ["--detections", tmp_path / "board.json", "--labels", tmp_path / "labels.txt"]
    assert run(*argv, "--dataset", tmp_path / "data") == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "bbox in the file: it must be x, y, width, height in pixels of the picture, not" in told
    assert "Train longer" not in told


def test_several_detectors_stand_side_by_side(square_finder, bare_weights, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 3})
    again = square_finder.with_name("again.onnx")
    again.touch()
    argv = ["--model", square_finder, again, "--dataset", tmp_path / "data"]
    assert run(*argv, "--eval-dir", tmp_path / "out", report=True) == 0
    detectors = results_of(None, tmp_path / "out")["detectors"]
    assert [one["name"] for one in detectors] == ["model/squares.pth", "model/again.onnx"]
    assert [one["mAP"] for one in detectors] == pytest.approx([1, 1])
    out = capsys.readouterr().out
    assert "mAP AP50:95  AP50  AP75     P     R    F1 score  boxes\nmodel/squares.pth" in out
    assert (tmp_path / "out" / "side_by_side_f1.png").is_file()
    assert (tmp_path / "out" / "model_again.onnx" / "report.html").is_file()


def test_files_of_the_same_name_are_two_detectors_everywhere(square_finder, tmp_path, capsys):
    """The second one's report, curve and run for TensorBoard replaced those of the first."""
    write_voc(tmp_path / "data", {"trainval": 2, "test": 3})
    files = [tmp_path / folder / "board.json" for folder in ("monday", "friday", "sunday")]
    for file in files:
        argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--save-detections"]
        assert run(*argv, file) == 0
    argv = ["--detections", *files, "--dataset", tmp_path / "data", "--eval-dir", tmp_path / "out"]
    assert run(*argv, "--tensorboard", report=True) == 0
    detectors = results_of(None, tmp_path / "out")["detectors"]
    assert [one["name"] for one in detectors] == [
        "monday/board.json", "friday/board.json", "sunday/board.json"
    ]  # fmt: skip
    folders = [path.name for path in (tmp_path / "out").glob("*_board.json")]
    assert sorted(folders) == ["friday_board.json", "sunday_board.json"]


@pytest.mark.parametrize("pipeline", ["detectnet", "both"])
def test_what_detectnet_would_show(pipeline, square_finder, tmp_path):
    samples = write_voc(tmp_path / "data", {"trainval": 2, "test": 4})["test"]
    argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--pipeline", pipeline]
    assert run(*argv, "--conf=0.6", "--clustering=0.5") == 0
    *nms, usual, chosen = results_of(square_finder)["detectors"]
    assert [one["name"] for one in nms] == (["NMS"] if pipeline == "both" else [])
    assert (usual["name"], chosen["name"]) == ("detectnet 0.5 0.75", "detectnet 0.6 0.5")
    assert (usual["threshold"], usual["clustering"]) == (0.5, 0.75)
    objects = sum(len(sample.labels) for sample in samples)
    assert usual["true_positives"] == objects
    assert usual["false_positives"] == 0
    assert usual["mAP"] == pytest.approx(1)


def test_a_threshold_of_0_is_detectnets_default(square_finder, tmp_path, capsys):
    """It was measured at 0, where detectnet shows what reaches 0.5."""
    write_voc(tmp_path / "data", {"trainval": 2, "test": 3})
    argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--pipeline=detectnet"]
    assert run(*argv, "--conf=0", "--clustering=0.5") == 0
    chosen = results_of(square_finder)["detectors"][1]
    assert (chosen["name"], chosen["threshold"]) == ("detectnet 0.5 0.5", 0.5)
    assert "detectnet takes --threshold=0 for its default, 0.5" in capsys.readouterr().out


def test_detectnets_settings_are_found_where_none_are_typed(square_finder, tmp_path):
    samples = write_voc(tmp_path / "data", {"trainval": 2, "test": 20})["test"]
    assert sum(len(sample.labels) for sample in samples) >= NEEDED_OBJECTS
    argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--pipeline=detectnet"]
    assert run(*argv) == 0
    # Nothing is better than the defaults.
    results = results_of(square_finder)
    assert (results["name"], results["f1"]) == ("detectnet 0.5 0.75", pytest.approx(1))


@pytest.mark.parametrize("objects_needed", [1, 10_000])
def test_detectnets_settings_have_the_best_f1(objects_needed, monkeypatch, tmp_path):
    """A detector with scores of 0.3 shows nothing at detectnet's threshold of 0.5."""
    write_voc(tmp_path / "data", {"trainval": 2, "test": 6})
    path = tmp_path / "unsure.pth"
    path.touch()

    def detect(images):
        scores, boxes = find_squares(images)
        return scores * 0.35, boxes

    predictor = Predictor(detect, SIDE, (0.0, 0.0, 0.0), 1.0)
    opened = OpenDetector(predictor, CLASS_NAMES, path)
    monkeypatch.setattr(detector, "open_detector", lambda *_, **__: opened)
    monkeypatch.setattr(tuning, "NEEDED_OBJECTS", objects_needed)
    assert run("--model", path, "--dataset", tmp_path / "data", "--pipeline=detectnet") == 0
    results = results_of(path)
    if objects_needed > 1:  # too few to choose by
        assert (results["name"], results["recall"]) == ("detectnet 0.5 0.75", 0)
    else:
        usual, chosen = results["detectors"]
        assert (usual["recall"], chosen["recall"], chosen["precision"]) == (0, 1, 1)
        assert chosen["threshold"] == 0.3


def write_training(model, **options):
    """Write what a training says of itself beside a model."""
    text = json.dumps({"batch_size": 999, "net": "mb1-ssd", **options})
    (model.parent / "training_args.json").write_text(text, encoding="utf-8")


def test_the_data_of_the_training_are_those_that_are_measured_on(square_finder, tmp_path):
    write_voc(tmp_path / "data", {})  # eight pictures and no list: the split goes by the seed
    write_training(square_finder, datasets=[str(tmp_path / "data")], val_split=0.5, seed=3)
    assert run("--model-dir", square_finder.parent, "--model-dir", square_finder) == 0
    results = results_of(square_finder)
    assert (results["pictures"], results["split"]) == (4, "test")
    assert results["datasets"] == [str(tmp_path / "data")]
    assert run("--model", square_finder, "--val-split=0.25") == 0
    assert results_of(square_finder)["pictures"] == 2


def test_a_folder_of_validation_alone_is_measured_whole(square_finder, tmp_path):
    write_voc(tmp_path / "data", {})
    write_voc(tmp_path / "other", {}, seed=1)
    paths = [str(tmp_path / name) for name in ("data", "other")]
    write_training(square_finder, datasets=paths[:1], validation_dataset=paths[1])
    assert run("--model", square_finder) == 0
    results = results_of(square_finder)
    assert (results["datasets"], results["split"], results["pictures"]) == (paths[1:], "test", 8)
    assert run("--model", square_finder, "--split=val") == 0
    assert results_of(square_finder)["pictures"] == 8
    assert run("--model", square_finder, "--split=train") == 0  # all of the others is trained on
    results = results_of(square_finder)
    assert (results["datasets"], results["pictures"]) == (paths[:1], 8)


@pytest.mark.parametrize("typed", [False, True])
def test_a_class_map_means_what_it_meant_in_training(typed, square_finder, tmp_path):
    """Trained with crimson=red, measured on the same folder: these are reds, and no others."""
    samples = write_voc(tmp_path / "data", {"trainval": 2, "test": 6})["test"]
    for path in (tmp_path / "data" / "Annotations").iterdir():
        path.write_text(path.read_text().replace(">red<", ">crimson<"))
    (tmp_path / "data" / "labels.txt").write_text("crimson\ngreen\nblue\n")
    argv = ["--model", square_finder, "--dataset", tmp_path / "data"]
    assert run(*argv) == 0
    without = results_of(square_finder)
    assert [note.split(":")[0] for note in without["notes"]] == [
        "Only the dataset has these classes, whose boxes are left out",
        "Only the net has these classes, whose detections are left out",
    ]
    if typed:
        argv.append("--class-map=crimson=red")
    else:
        write_training(square_finder, class_map="crimson=red")
    assert run(*argv) == 0
    results = results_of(square_finder)
    counts = np.bincount(np.concatenate([sample.labels for sample in samples]), minlength=4)
    assert [one["ground_truths"] for one in results["classes"]] == counts[1:].tolist()
    assert results["mAP"] == pytest.approx(1)
    assert (results["notes"], results["class_map"]) == ([], "crimson=red")


def test_a_class_map_may_be_a_file_and_leave_classes_out(square_finder, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 6})
    names = tmp_path / "names.csv"
    names.write_text("# old, new\n\nred, green\nblue, -\n", encoding="utf-8")
    argv = ["--model", square_finder, "--dataset", tmp_path / "data", "--class-map", names]
    assert run(*argv) == 0
    results = results_of(square_finder)
    counts = {one["name"]: one["ground_truths"] for one in results["classes"]}
    assert counts["green"] > 0
    assert (counts["red"], counts["blue"]) == (0, 0)
    assert "Only the net has these classes" in results["notes"][0]
    names.write_text("red\n")
    with pytest.raises(SystemExit):
        run(*argv)
    assert "line 1 of" in capsys.readouterr().err


def test_nothing_in_common_has_its_sentence(square_finder, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 2})
    argv = ["--model", square_finder, "--dataset", tmp_path / "data"]
    assert run(*argv, "--class-map=red=a,green=b,blue=c") == 1
    error = capsys.readouterr().err
    assert "share no class: the net has red, green, blue; the dataset has a, b, c" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("detect", "sentence"),
    [
        (lambda images: find_squares(images * 127 + 127), "normalised wrongly"),
        (lambda images: [part * float("nan") for part in find_squares(images)], "NaN"),
        (lambda images: [part * 0 for part in find_squares(images)], "There is no prediction"),
    ],
)
def test_a_hopeless_result_explains_itself(detect, sentence, monkeypatch, tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 2, "test": 6})
    path = tmp_path / "wrong.pth"
    path.touch()
    predictor = Predictor(detect, SIDE, (0.0, 0.0, 0.0), 1.0)
    monkeypatch.setattr(
        detector, "open_detector", lambda *_, **__: OpenDetector(predictor, CLASS_NAMES, path)
    )
    assert run("--model", path, "--dataset", tmp_path / "data") == 0
    said = " ".join(results_of(path)["verdict"])
    assert sentence in said
    assert len(results_of(path)["verdict"]) == 3


def test_data_options_mean_the_same_in_training_and_in_measuring():
    shared = {one.name: one for one in fields(DataOptions)}
    for options in (TrainOptions, eval_ssd.EvalOptions):
        own = {one.name: one for one in fields(options)}
        for name, one in shared.items():
            assert own[name].default == one.default
            assert own[name].metadata == one.metadata


@pytest.mark.slow
def test_upstreams_numbers_on_real_pictures(real_datasets, real_models, tmp_path):
    """The numbers that upstream's own script gives (VOC 2007 metric, IoU 0.5)."""
    options = [f"--dataset={real_datasets / 'fruit'}", "--dataset_type=voc", "--net=mb1-ssd"]
    options += [f"--label_file={real_models / 'labels.txt'}", f"--eval_dir={tmp_path}"]
    (model,) = real_models.glob("mb1-ssd-Epoch-14-*.pth")
    assert run("--trained_model", model, *options) == 0
    results = results_of(model, tmp_path)
    found = {one["name"]: one["average_precision"] for one in results["classes"]}
    assert found == pytest.approx({"apple": 0.2883, "banana": 0.2234, "orange": 0.3659}, abs=0.005)
    assert results["mAP"] == pytest.approx(0.2925, abs=0.005)
