"""A training on shards is the training on the folder that they were made of, bit for bit."""

from __future__ import annotations

import csv
import logging
import os
import signal

import pytest
import torch

import check_dataset
from tests.drawing import write_voc
from tests.tiny import NET
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.training import steps

TINY = f"--net {NET} --resolution 64 --batch-size 4 --epochs 2 --pretrained-ssd none --warm_up 1"
TINY += " --debug-steps 0"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a VOC folder of twelve pictures to train on, and the shards made of it."""
    folder = tmp_path_factory.mktemp("data")
    write_voc(folder / "voc", {"trainval": 12, "test": 4}, suffix=".jpg", negatives=1)
    words = [folder / "voc", "--output", folder / "check", "--write-shards", folder / "shards"]
    args = check_dataset.parse_args(list(map(str, words)))
    quiet = logging.getLogger("vision.datasets.opening")
    assert check_dataset.main(args) == 0
    quiet.setLevel(logging.NOTSET)  # check_dataset.py has raised it
    return folder / "voc", folder / "shards"


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    """Return what two epochs on the folder leave behind."""
    folder = tmp_path_factory.mktemp("whole")
    run(f"{TINY} --workers 0 --data", data[0], "--model-dir", folder)
    return left_by(folder)


def left_by(folder):
    """Return the tensors of a run and its table."""
    state = torch.load(folder / "last.pth", weights_only=True)
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {**state["net"], **state["average"]}, rows


def require_equal(one, other):
    assert one[0].keys() == other[0].keys()
    for name, tensor in one[0].items():
        assert tensor.equal(other[0][name]), name
    assert one[1] == other[1]
    assert any(row["mAP"] for row in one[1])


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_the_weights_and_the_table_are_those_of_the_folder(data, expected, tmp_path, workers):
    log = run(f"{TINY} --workers {workers} --data", data[1], "--model-dir", tmp_path)
    assert "(shards): 12 pictures to train on (train-000000.tar)" in log
    require_equal(expected, left_by(tmp_path))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_resumed_in_the_middle_of_an_epoch_is_too(
    data, expected, tmp_path, workers, monkeypatch
):
    real = steps.train_step

    def interrupted(training, batch):
        if training.step == 4:  # the second of the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return real(training, batch)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "train_step", interrupted)
        words = ["--data", data[1], "--model-dir", tmp_path]
        log = run(f"{TINY} --workers {workers}", *words)
    assert "Saved. To go on" in log
    run("--resume --model-dir", tmp_path)
    require_equal(expected, left_by(tmp_path))
