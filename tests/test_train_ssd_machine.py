"""What train_ssd.py does about the machine it runs on, and with runs of other scripts."""

from __future__ import annotations

import csv
import json

import pytest
import torch

import train_ssd
from tests.combo import ARGUMENTS, write_combo
from tests.drawing import write_voc
from tests.tiny import NET
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.training.machine import sizing
from vision.training.machine.machine import GB, Machine

TINY = f"--net {NET} --resolution 64 --pretrained-ssd none --warm_up 1 --use-cuda false"


@pytest.fixture(scope="module")
def squares(tmp_path_factory):
    """Return a VOC folder of 34 squares to train on and two to validate on."""
    folder = tmp_path_factory.mktemp("squares")
    write_voc(folder, {"trainval": 34, "test": 2})
    return folder


def test_sizes_are_chosen_kept_and_repeated(squares, tmp_path, monkeypatch):
    monkeypatch.setattr(sizing, "read_machine", lambda: Machine(2, 4 * GB, 2 * GB))
    sized = f"{TINY} --batch-size auto --workers AUTO --epochs 1"
    log = run(f"{sized} --t-max 2 --data", squares, "--model-dir", tmp_path)
    assert "Chosen: --workers=1 (4.0 GB of memory in all), --batch-size=4 (34 pictures" in log
    saved = json.loads((tmp_path / "training_args.json").read_text())
    assert (saved["batch_size"], saved["num_workers"]) == (4, 1)

    monkeypatch.setattr(sizing, "read_machine", lambda: Machine(64, 64 * GB, 64 * GB))
    log = run(f"{sized} --resume --epochs 2 --data", squares, "--model-dir", tmp_path)
    assert "Chosen" not in log
    assert "Start training from epoch 1." in log
    assert json.loads((tmp_path / "training_args.json").read_text())["batch_size"] == 4


def test_what_is_said_and_shown_before_the_first_step(squares, tmp_path):
    fast = f"{TINY} --batch-size 17 --workers 0 --epochs 1 --viz-inputs --data"
    log = run(fast, squares, "--model-dir", tmp_path / "model")
    machine, data = log.index("GB of disk free at"), log.index("Prepare training datasets.")
    assert machine < log.index(f"torch {torch.__version__}") < data
    assert data < log.index("Wrote 16 pictures") < log.index("Start training from epoch 0.")
    assert len(list((tmp_path / "model" / "inputs").glob("*.jpg"))) == 16


@pytest.mark.parametrize("words", ["--batch-size many", "--workers 1.5", "--viz-inputs all"])
def test_neither_a_number_nor_auto(words, capsys):
    with pytest.raises(SystemExit) as end:
        train_ssd.parse_args(words.split())
    assert end.value.code == 2
    assert words.split()[0] in capsys.readouterr().err


def test_a_combo_checkpoint_is_resumed_at_the_next_epoch(squares, tmp_path):
    path, net, _ = write_combo(tmp_path)
    arguments = {**ARGUMENTS, "dataset_type": "voc", "datasets": [str(squares)]}
    (tmp_path / "training_args.json").write_text(
        json.dumps({**arguments, "batch_size": 17, "num_workers": 0, "num_epochs": 6})
    )
    log = run("--use-cuda false --average-decay 0 --resume", path)
    assert "at the start of epoch 5 with the weights and what the optimizer has gathered" in log
    assert "Start training from epoch 5." in log
    assert "Learning rate: 0.0003, Base net learning rate: 0.0001" in log
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["epoch"], row["steps"]) == ("5", "12")
    state = torch.load(tmp_path / "last.pth", weights_only=True)
    name = "base_net.0.weight"
    moved = (state["net"].get(name, net.state_dict()[name]) - net.state_dict()[name]).abs().max()
    assert 0 < moved < 0.01
