"""What train_ssd.py does about the machine it runs on, and with runs of other scripts."""

from __future__ import annotations

import csv
import json
import shutil

import pytest
import torch

import train_ssd
from tests.drawing import write_voc
from tests.tiny import NET, tiny_net
from tests.training_script import as_before, run  # noqa: F401 (a fixture)
from vision.training.compute import half_backbone
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


@pytest.fixture
def bfloat16(monkeypatch):
    """Let this CPU count as one with instructions for it, which torch does without if need be."""
    if not hasattr(torch, "compile"):
        pytest.skip("torch before 2.0 does not train in bfloat16 on a CPU")
    monkeypatch.setattr(half_backbone, "has_bfloat16", lambda: True)


@pytest.mark.usefixtures("bfloat16")
def test_a_resumed_run_with_a_half_backbone_is_the_uninterrupted_one(squares, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    half = f"{TINY} --half-backbone --batch-size 8 --workers 0"
    log = run(f"{half} --epochs 2 --data", squares, "--model-dir", whole)
    assert "The backbone is computed in bfloat16." in log
    run(f"{half} --epochs 1 --t-max 2 --data", squares, "--model-dir", parts)
    assert "The backbone is computed" in run("--resume --epochs 2 --model-dir", parts)
    states = [torch.load(folder / "last.pth", weights_only=False) for folder in (whole, parts)]
    expected, resumed = (state["net"] for state in states)
    assert list(expected) == list(resumed)
    for name, tensor in expected.items():
        assert tensor.equal(resumed[name]), name


@pytest.mark.slow
@pytest.mark.usefixtures("bfloat16")
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
def test_a_whole_run_of_a_compiled_net(squares, tmp_path):
    fast = f"{TINY} --compile --half-backbone --batch-size 17 --workers 0 --epochs 1 --data"
    log = run(fast, squares, "--model-dir", tmp_path)
    assert "The net is compiled in the first step" in log
    assert "Epoch: 0, Training Loss:" in log
    assert "not finite" not in log


def test_whether_it_can_compile_is_known_before_the_data_are_read(tmp_path, monkeypatch):
    monkeypatch.delattr(torch, "compile", raising=False)
    words = f"--compile --use-cuda false --data {tmp_path / 'none'} --model-dir {tmp_path / 'new'}"
    with pytest.raises(ValueError, match=r"--compile needs torch 2\.0 or newer"):
        train_ssd.main(train_ssd.parse_args(words.split()))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("words", ["--batch-size many", "--workers 1.5", "--viz-inputs all"])
def test_neither_a_number_nor_auto(words, capsys):
    with pytest.raises(SystemExit) as end:
        train_ssd.parse_args(words.split())
    assert end.value.code == 2
    assert words.split()[0] in capsys.readouterr().err


def test_a_combo_checkpoint_goes_on_at_the_next_epoch_with_its_weights(squares, tmp_path):
    net = tiny_net(class_names=["BACKGROUND", "red", "green", "blue"])
    path = tmp_path / "combo.pth"
    torch.save({"epoch": 4, "weights": net.state_dict(), "optimizer": {}}, path)
    words = f"{TINY} --batch-size 17 --workers 0 --epochs 6 --average-decay 0 --lr 0 --optim sgd"
    log = run(f"{words} --data", squares, "--model-dir", tmp_path / "model", "--resume", path)
    assert "combo.pth has weights only; the optimizer starts anew" in log
    assert "Start training from epoch 5." in log
    with (tmp_path / "model" / "results.csv").open(newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert (row["epoch"], row["steps"]) == ("5", "12")
    state = torch.load(tmp_path / "model" / "last.pth", weights_only=True)
    name = "regression_headers.0.3.weight"
    assert state["net"][name].equal(net.state_dict()[name])  # at a rate of 0
