from __future__ import annotations

import csv
import json
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import train_ssd
from tests.drawing import CLASS_NAMES, write_voc
from tests.tiny import NET, tiny_net
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.checkpoints.detector import load_detector
from vision.training.model_folder.state import load_state
from vision.training.options import TrainOptions
from vision.training.recipe_options import PEAKS
from vision.training.setup import load_initial_weights, make_training
from vision.utils.cli import run_main

TINY = f"--net {NET} --resolution 64 --batch-size 4 --workers 0 --pretrained-ssd none --warm_up 1"
ADAMW, SGD = PEAKS["adamw"].rate, PEAKS["sgd"].rate


def fail(capsys, line, *words):
    """Run the script as from a shell where it must fail; return its one line."""
    status = run_main(train_ssd.main, train_ssd.parse_args([*line.split(), *map(str, words)]))
    error = capsys.readouterr().err
    assert status == 1
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error
    return error


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Return a VOC folder of eight squares to train on and four to validate on."""
    folder = tmp_path_factory.mktemp("squares")
    write_voc(folder, {"trainval": 8, "test": 4}, negatives=1)
    return folder


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    """Return the model directory of two epochs in one go, and what was logged."""
    folder = tmp_path_factory.mktemp("whole")
    log = run(f"{TINY} --epochs 2 --debug_steps 1 --data", squares, "--model-dir", folder)
    return folder, log


def rows(folder):
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files(trained):
    folder, _ = trained
    names = {path.name for path in folder.iterdir()}
    expected = {"labels.txt", "best.pth", "last.pth", "results.csv", "training_args.json"}
    assert expected <= names
    weights = sorted(name for name in names if "-Epoch-" in name)
    pattern = rf"{NET}-Epoch-(\d)-Loss-(\d+\.\d+)\.pth"
    assert [re.fullmatch(pattern, name).group(1) for name in weights] == ["0", "1"]
    assert (folder / "labels.txt").read_text().split() == CLASS_NAMES


def test_the_log_in_upstreams_words(trained):
    _, log = trained
    stamp, number = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - ", r"\d+\.\d{4}"
    for pattern in (
        r"Prepare training datasets\.",
        r"Train dataset size: 8",
        r"Validation dataset size: 4",
        r"Build network\.",
        r"Took \d+\.\d\d seconds to load the model\.",
        r"Learning rate: [\d.]+, Base net learning rate: [\d.]+, "
        r"Extra Layers learning rate: [\d.]+",
        r"Uses .*cosine learning rate schedule\.",
        r"Stored labels into file .*labels\.txt\.",
        r"Start training from epoch 0\.",
        rf"Epoch: 1, Step: 2/2, Avg Loss: {number}, Avg Regression Loss {number}, "
        rf"Avg Classification Loss: {number}",
        rf"Epoch: 0, Validation Loss: {number}, Validation Regression Loss {number}, "
        rf"Validation Classification Loss: {number}",
        rf"    red: ({number}|n/a)",
        rf"Epoch: 1, Mean Average Precision: {number}",
        rf"Saved model .*{NET}-Epoch-1-Loss-.*\.pth",
        r"Task done, exiting program\.",
    ):
        assert re.search(f"^{stamp}{pattern}", log, re.MULTILINE), pattern


def test_the_table_of_results(trained):
    folder, _ = trained
    table = rows(folder)
    assert [row["epoch"] for row in table] == ["0", "1"]
    for row in table:
        values = [float(value) for value in row.values() if value]
        assert all(0 <= value < 1000 for value in values)
        assert {"training loss", "validation loss", "mAP", "AP red"} <= set(row)


def test_the_best_detector_describes_itself(trained):
    folder, _ = trained
    description = load_detector(folder / "best.pth").description
    assert (description.net, description.class_names) == (NET, tuple(CLASS_NAMES))
    assert description.config.image_size == 64
    assert (description.config.image_mean, description.config.image_std) == ((127.5,) * 3, 127.5)
    assert {"loss", "mAP"} <= set(description.metrics)
    torch.load(folder / "best.pth", weights_only=True)


def test_the_arguments_are_kept(trained, squares):
    folder, _ = trained
    arguments = json.loads((folder / "training_args.json").read_text())
    assert arguments["net"] == NET
    assert arguments["datasets"] == [str(squares.resolve())]
    assert arguments["num_epochs"] == 2
    assert "typed" not in arguments


def test_a_resumed_run_is_the_uninterrupted_one(trained, squares, tmp_path):
    whole, _ = trained
    run(f"{TINY} --epochs 1 --t-max 2 --data", squares, "--model-dir", tmp_path)
    log = run("--resume --epochs 2 --model-dir", tmp_path)  # all else is remembered
    assert "Start training from epoch 1." in log

    states = [torch.load(folder / "last.pth", weights_only=True) for folder in (whole, tmp_path)]
    for part in ("net", "average"):
        expected, resumed = (state[part] for state in states)
        for name, tensor in expected.items():
            assert tensor.equal(resumed[name]), name
    assert rows(tmp_path) == rows(whole)


def test_a_finished_run_has_nothing_to_resume(trained):
    folder, _ = trained
    before = (folder / "last.pth").read_bytes()
    log = run("--resume", folder)
    assert "Epoch: " not in log
    assert "The run has had its 2 epochs, so there is nothing to train" in log
    assert "Task done" in log
    assert (folder / "last.pth").read_bytes() == before


def test_resuming_with_other_data_or_another_net_is_refused(trained, tmp_path, capsys):
    folder, _ = trained
    assert "net of the run to resume is" in fail(capsys, "--net mb1-ssd --resume", folder)
    error = fail(capsys, "--resolution 300 --resume", folder)
    assert "resolution of the run to resume is 64, now it would be 300" in error


def test_weights_alone_start_at_epoch_0(trained, squares, tmp_path):
    folder, _ = trained
    words = ["--model-dir", tmp_path, "--resume", folder / "best.pth"]
    log = run(f"{TINY} --epochs 1 --average-decay 0 --optim sgd --lr 0 --data", squares, *words)
    assert "best.pth has weights only; the optimizer starts anew" in log
    assert "Start training from epoch 0." in log
    given, now = (torch.load(path, weights_only=True) for path in (words[3], tmp_path / "best.pth"))
    name = "regression_headers.0.3.weight"
    assert now[name].equal(given[name])  # at a rate of 0


def test_initial_weights(trained, tmp_path, monkeypatch, caplog):
    folder, _ = trained
    best = torch.load(folder / "best.pth", weights_only=True)

    def after(*words):
        caplog.clear()
        net = tiny_net()
        options = TrainOptions.of({"net": NET}, vars(train_ssd.parse_args([*words])))
        with caplog.at_level(logging.INFO):
            pretrained = train_ssd.pretrained_file(options)
            load_initial_weights(options, net, CLASS_NAMES, pretrained)
        return net.state_dict(), caplog.text

    backbone, head = "base_net.0.weight", "classification_headers.0.3.weight"
    state, log = after("--pretrained-ssd", str(folder / "best.pth"))
    assert "Init from pretrained ssd" in log
    assert "heads of red, green, blue" in log
    assert state[backbone].equal(best[backbone])
    assert state[head].equal(best[head])

    state, log = after("--base-net", str(folder / "best.pth"))
    assert "Init from base net" in log
    assert state[backbone].equal(best[backbone])
    assert not state[head].equal(best[head])

    asked = []

    def fetch(net, folder):
        asked.append((net, folder.name))

    monkeypatch.setattr("vision.download.published.fetch_published", fetch)
    _, log = after("--net", NET)  # for which nothing is published
    assert asked == [(NET, "models")]
    assert "starts from random weights" in log


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--net mb9", "there is no net 'mb9'; there are mb1-ssd,"),
        ("--net vgg16-ssd --resolution 200", "resolution of 200 leaves feature maps"),
        ("--net mb1-ssd --width-mult 0.5", "mb1-ssd has one width only"),
        ("--base-net none.pth", "there is no file none.pth"),
        ("--pretrained-ssd none.pth", "there is no file none.pth"),
        ("--resume", "to go on from; leave --resume out to begin a run"),
        ("--resume none.pth", "there is no file none.pth"),
    ],
)
def test_failures_are_one_line_and_status_1(squares, tmp_path, capsys, words, message):
    models = tmp_path / "models"
    assert message in fail(capsys, f"{TINY} {words} --data", squares, "--model-dir", models)
    assert not (models / "labels.txt").exists()


def test_the_model_directory_must_not_be_a_dataset(squares, tmp_path, capsys):
    before = sorted(squares.iterdir())
    same = squares / "JPEGImages" / ".."
    for words in (["--data", squares], ["--data", tmp_path, "--validation-dataset", squares]):
        error = fail(capsys, TINY, *words, "--model-dir", same)
        assert "is the dataset folder, whose labels.txt would be overwritten" in error
    assert sorted(squares.iterdir()) == before


def test_missing_data_is_named(tmp_path, capsys):
    error = fail(capsys, f"{TINY} --data", tmp_path / "nowhere", "--model-dir", tmp_path / "m")
    assert "nowhere" in error
    assert not (tmp_path / "m").exists()


def test_nothing_to_validate_on_is_said(tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 4})
    words = ["--val-split", 0, "--data", tmp_path / "data", "--model-dir", tmp_path / "m"]
    assert "no picture to validate on" in fail(capsys, TINY, *words)


def test_every_option_of_the_older_scripts():
    line = (
        "--dataset-type voc --datasets a b --validation_dataset c --balance_data "
        "--net mb2-ssd-lite --resolution 512 --freeze_base_net --freeze_net "
        "--mb2_width_mult 0.5 --base_net d "
        "--pretrained_ssd e --resume f --lr 0.1 --momentum 0.8 --weight_decay 1e-4 --gamma 0.2 "
        "--base_net_lr 0.01 --extra_layers_lr 0.02 --scheduler multi-step --milestones 3,7 "
        "--t_max 9 --batch_size 2 --num_epochs 3 --num_workers 1 --validation_epochs 2 "
        "--validation-mean-ap --debug_steps 50 --use_cuda False --checkpoint_folder g "
        "--log-level DEBUG"
    )
    args = train_ssd.parse_args(line.split())
    assert [str(path) for path in args.datasets] == ["a", "b"]
    assert (args.milestones, args.t_max, args.mb2_width_mult) == ((3, 7), 9, 0.5)
    assert (args.use_cuda, args.validation_mean_ap, args.log_level) == (False, True, "debug")
    assert (args.lr, args.base_net_lr, args.extra_layers_lr) == (0.1, 0.01, 0.02)
    words = ["--data", "a", "--epochs", "5", "--workers", "3", "--model-dir", "m"]
    short = train_ssd.parse_args(words)
    assert (short.num_epochs, short.num_workers, str(short.checkpoint_folder)) == (5, 3, "m")
    assert TrainOptions.of(vars(short)).milestones == (80, 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--scheduler poly", "--scheduler must be one of cosine, multi-step, none, got poly"),
        ("--milestones 80,x", "--milestones must be a whole number at least 0, got x"),
        ("--batch-size 0", "--batch-size must be a whole number at least 1 or auto, got 0"),
        ("--epochs 0", "--epochs must be a whole number at least 1 and at most 1000000, got 0"),
        ("--workers -1", "--workers must be a whole number at least 0 or auto, got -1"),
        ("--validation_epochs 0", "--validation-epochs must be a whole number at least 1, got 0"),
        ("--val-split 1", "--val-split must be a number at least 0 and below 1, got 1"),
        ("--lr nan", "--lr must be a number at least 0 and at most 100, got nan"),
        ("--model-dir=", "--model-dir must name a file or folder, got nothing"),
        ("--bach-size 4", "did you mean --batch-size?"),
        ("--use-cuda perhaps", "--use-cuda must be true or false, got perhaps"),
    ],
)
def test_usage_errors_have_status_2(capsys, words, message):
    with pytest.raises(SystemExit) as caught:
        train_ssd.parse_args(words.split())
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def training_of(words):
    options = TrainOptions.of(vars(train_ssd.parse_args(words.split())))
    return make_training(tiny_net(), options, steps_per_epoch=10)


def rates(words):
    groups = training_of(words).optimizer.param_groups
    return {group["name"]: group["initial_lr"] for group in groups if "decay" not in group["name"]}


@pytest.mark.parametrize(
    ("words", "base_net", "extras", "headers"),
    [
        ("", ADAMW / 3, ADAMW, ADAMW),
        ("--optim sgd", SGD / 10, SGD, SGD),
        ("--optim sgd --lr 0.3", 0.03, 0.3, 0.3),
        ("--optim adam --lr 0.3", 0.1, 0.3, 0.3),
        ("--lr 0.002 --base-net-lr 0 --extra-layers-lr 0", 0, 0, 0.002),  # 0 is a rate
        ("--extra-layers-lr 0.2", ADAMW / 3, 0.2, ADAMW),
    ],
)
def test_rates_that_are_given_and_those_that_follow(words, base_net, extras, headers):
    assert rates(words) == pytest.approx(
        {"base_net": base_net, "extras": extras, "headers": headers}
    )


def test_frozen_parts():
    assert set(rates("--freeze-base-net")) == {"extras", "headers"}
    assert set(rates("--freeze-net")) == {"headers"}


def test_the_rate_of_an_older_command_means_sgd():
    assert type(training_of("--lr 0.01").optimizer).__name__ == "SGD"
    assert type(training_of("--lr 0.001").optimizer).__name__ == "AdamW"
    assert type(training_of("--lr 0.01 --optim adamw").optimizer).__name__ == "AdamW"


def test_schedules_count_in_epochs():
    assert training_of("--epochs 6").schedule.t_max == 60
    assert training_of("--epochs 6 --t-max 2.5").schedule.t_max == 25
    milestones = training_of("--scheduler multi-step --milestones 2,4").schedule.milestones
    assert list(milestones) == [20, 40]


def test_a_folder_that_holds_a_run_is_not_overwritten_by_default(squares, tmp_path, capsys):
    words = ["--data", squares, "--model-dir", tmp_path]
    run(f"{TINY} --epochs 1", *words)
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    error = fail(capsys, f"{TINY} --epochs 1", *words)
    assert "holds a run, whose weights would be overwritten" in error
    assert "--resume" in error and "--overwrite" in error
    weights = next(path for path in before if "-Epoch-" in path.name)
    for file in (weights, tmp_path / "best.pth"):  # as older commands go on
        error = fail(capsys, f"{TINY} --epochs 1 --resume={file}", *words)
        assert f"--resume={file} names weights only" in error
        assert f"type --resume without a file, or --resume={tmp_path / 'last.pth'}," in error
        assert "--overwrite" in error
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before
    run(f"{TINY} --epochs 1 --overwrite --lr 0", *words)
    assert (tmp_path / "best.pth").read_bytes() != before[tmp_path / "best.pth"]


def test_what_a_killed_run_has_left_goes_at_the_next_start(squares, tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = tmp_path / f".last.{gone.pid}.part.pth"
    left.write_bytes(b"half")
    log = run(f"{TINY} --epochs 1 --data", squares, "--model-dir", tmp_path)
    assert f"Removed {left}, which a killed run has left" in log
    assert not left.exists()


def test_an_empty_value_means_none():
    words = ["--resume=", "--base-net=", "--pretrained-ssd=", "--validation-dataset="]
    options = TrainOptions.of(vars(train_ssd.parse_args(words)))
    assert (options.resume_from, options.base_net, options.validation_dataset) == (None,) * 3
    assert train_ssd.pretrained_file(options) is None
    options = TrainOptions.of(vars(train_ssd.parse_args(["--resume", "--model-dir=m"])))
    assert options.resume_from == Path("m")
    assert TrainOptions.of(vars(train_ssd.parse_args(["--resume=f"]))).resume_from == Path("f")


def test_validation_after_the_first_every_nth_and_the_last_epoch():
    options = TrainOptions(validation_epochs=5, num_epochs=13)
    assert [epoch for epoch in range(13) if options.validates_after(epoch)] == [0, 5, 10, 12]


def test_one_picture_to_train_on_gets_a_sentence(tmp_path, capsys):
    write_voc(tmp_path / "data", {"trainval": 1, "test": 2})
    words = ["--data", tmp_path / "data", "--model-dir", tmp_path / "m"]
    error = fail(capsys, TINY, *words)
    assert "there is 1 picture to train on" in error
    assert "no fewer than two at a time" in error


def test_a_last_batch_of_one_picture_is_left_out_in_words(tmp_path):
    write_voc(tmp_path / "data", {"trainval": 5, "test": 2})
    words = ["--data", tmp_path / "data", "--model-dir", tmp_path / "m"]
    log = run(f"{TINY} --epochs 1 --debug-steps 1", *words)
    assert "Of 5 pictures in batches of 4 one is left over" in log
    assert "Step: 1/1," in log


def test_a_validation_without_objects_is_judged_by_the_loss_of_training(tmp_path, monkeypatch):
    from vision.training import steps

    backward, factors = steps._backward, [9, 1, 3]  # of the losses, by epoch: the second is best
    monkeypatch.setattr(
        steps,
        "_backward",
        lambda training, batch: backward(training, batch) * factors[(training.step - 1) // 2],
    )
    write_voc(tmp_path / "data", {"trainval": 4, "test": 2})
    for name in (tmp_path / "data/ImageSets/Main/test.txt").read_text().split():
        path = tmp_path / "data/Annotations" / f"{name}.xml"
        path.write_text(re.sub("<object>.*</object>", "", path.read_text(), flags=re.DOTALL))
    words = ["--data", tmp_path / "data", "--model-dir", tmp_path / "m"]
    log = run(f"{TINY} --epochs 3 --batch-size 2", *words)
    assert "No validation picture shows an object, so there is no mAP" in log
    losses = [float(row["training loss"]) for row in rows(tmp_path / "m")]
    best = load_detector(tmp_path / "m" / "best.pth").description
    assert best.epoch == losses.index(min(losses)) == 1
    assert "mAP" not in best.metrics


def test_a_warm_up_that_is_longer_than_the_run_is_shortened_in_words(caplog):
    with caplog.at_level(logging.WARNING):
        schedule = training_of("--epochs 3 --warm-up 500").schedule
    assert "500 steps is longer than the run, which has 30; it now takes 3" in caplog.text
    assert schedule.factor(4) > 0.9 > 0.1 > schedule.factor(29)
    caplog.clear()
    assert training_of("--epochs 3 --warm-up 29").schedule.warmup_steps == 29
    assert "warm-up" not in caplog.text


def test_an_epoch_of_which_every_batch_is_skipped_has_no_loss_and_is_not_the_best(
    squares, tmp_path, monkeypatch
):
    from vision.training import steps

    backward = steps._backward
    monkeypatch.setattr(
        steps, "_backward", lambda training, batch: backward(training, batch) * float("nan")
    )
    log = run(f"{TINY} --epochs 2 --debug-steps 1 --data", squares, "--model-dir", tmp_path)
    assert "Epoch: 0, Training Loss: nan" in log
    assert "Step: 1/2, Avg Loss: nan" in log
    assert "0.0000, Avg" not in log
    assert [row["training loss"] for row in rows(tmp_path)] == ["nan", "nan"]
    assert not (tmp_path / "best.pth").exists()
    assert "No epoch has a finite loss; a smaller --lr may help." in log


def test_a_run_whose_loss_explodes_goes_on_at_a_lower_rate(squares, tmp_path, monkeypatch, capsys):
    from vision.training import steps

    backward = steps._backward

    def explodes(training, batch):  # from the second step of epoch 1 on, at a high rate
        lost = training.step > 3 and training.learning_rates()["headers"] > 0.1
        return backward(training, batch) * (float("nan") if lost else 1)

    monkeypatch.setattr(steps, "_backward", explodes)
    words = ["--save-minutes", 0.00001, "--data", squares, "--model-dir", tmp_path]
    line = f"{TINY} --epochs 4 --scheduler none --lr 0.2 --clip-gradients 0.001 --max-bad-batches 3"
    assert "go on with --resume" in fail(capsys, line, *words)
    state = load_state(tmp_path / "last.pth")
    assert (state.progress.epoch, state.progress.position, state.progress.bad_batches) == (1, 1, 0)
    log = run("--resume --lr 0.001 --model-dir", tmp_path)
    assert "Start training from epoch 1." in log and "Task done" in log


def test_weights_that_are_not_finite_are_never_the_best(squares, tmp_path, monkeypatch):
    from vision.training import validation

    real, calls = validation.all_finite, []

    def only_in_epoch_1(net):
        calls.append(real(net))
        return len(calls) == 2

    monkeypatch.setattr(validation, "all_finite", only_in_epoch_1)
    log = run(f"{TINY} --epochs 3 --data", squares, "--model-dir", tmp_path)
    assert calls == [True] * 3
    assert log.count("Not all weights are finite any more; start again at a lower --lr") == 2
    assert load_detector(tmp_path / "best.pth").description.epoch == 1


def test_an_interrupted_epoch_has_no_line_of_a_finished_one(squares, tmp_path, monkeypatch):
    from vision.training import steps

    real = steps.train_step

    def interrupted(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*arguments)

    monkeypatch.setattr(steps, "train_step", interrupted)
    log = run(f"{TINY} --epochs 1 --data", squares, "--model-dir", tmp_path)
    assert "SIGINT: finishing this step, then saving" in log
    assert "Saved. To go on: python3 train_ssd.py" in log
    assert "Training Loss" not in log and "Task done" not in log
    assert not (tmp_path / "results.csv").exists()
