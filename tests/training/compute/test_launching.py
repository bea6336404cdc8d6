from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from tests.drawing import write_voc
from tests.tiny import NET
from vision.training import setup
from vision.training.compute import launching
from vision.training.options import OF_MODEL_DIR
from vision.training.setup import earlier_devices

ROOT = Path(__file__).parents[3]
needs_processes = pytest.mark.skipif(
    not distributed.is_available(), reason="torch is built without torch.distributed"
)
# train_ssd.py, of which the second process dies at its fifth step, but not when it is restarted.
DYING = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
import train_ssd
from vision.training import steps

step = steps.train_step

def dying_step(training, batch):
    first = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if first and os.environ["RANK"] == "1" and training.step == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(training, batch)

steps.train_step = dying_step
sys.exit(train_ssd.run_main(train_ssd.main, train_ssd.parse_args()))
"""
# Ends as the status file and its argument say.
ENDING = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from vision.training.compute import launching

if launching.is_final():
    sys.exit(0)
sys.exit(launching.finish(int(sys.argv[1])) if sys.argv[2] == "final" else int(sys.argv[1]))
"""


def test_one_process_for_every_gpu(monkeypatch):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert launching.number_of_processes(None, use_cuda=True) == 4
    assert launching.number_of_processes(2, use_cuda=True) == 2
    assert launching.number_of_processes(None, use_cuda=False) == 1
    with pytest.raises(ValueError, match="--gpus must be at most 4"):
        launching.number_of_processes(5, use_cuda=True)
    monkeypatch.setenv("LOCAL_RANK", "0")  # one of those that were started
    assert launching.number_of_processes(None, use_cuda=True) == 1


@needs_processes
@pytest.mark.slow
@pytest.mark.parametrize(("words", "status"), [("0 final", 0), ("130 final", 130), ("7 failed", 1)])
def test_the_exit_status_of_what_was_started(monkeypatch, tmp_path, words, status):
    """What is final is not tried again and keeps its status; other failures are 1."""
    script = tmp_path / "ending.py"
    script.write_text(ENDING)
    monkeypatch.setattr(sys, "argv", [str(script)])
    monkeypatch.setattr(launching, "MAX_RESTARTS", 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert launching.start_processes(2, words.split()) == status


def test_what_the_user_has_to_mend_is_final(monkeypatch, tmp_path):
    status = tmp_path / "status"
    monkeypatch.setenv(launching.STATUS_FILE, str(status))
    with pytest.raises(RuntimeError), launching.final_failures():
        raise RuntimeError("another process died")
    assert not launching.is_final()
    with pytest.raises(ValueError, match="no such net"), launching.final_failures():
        raise ValueError("no such net")
    assert launching.is_final()
    assert status.read_text() == "1"


def test_a_resumed_run_computes_where_it_did(tmp_path):
    assert earlier_devices({}) == {}
    assert earlier_devices({"resume": OF_MODEL_DIR, "checkpoint_folder": tmp_path}) == {}
    saved = {"gpus": 2, "use_cuda": False, "lr": 0.5}
    (tmp_path / "training_args.json").write_text(json.dumps(saved))
    expected = {"gpus": 2, "use_cuda": False}
    assert earlier_devices({"resume": OF_MODEL_DIR, "checkpoint_folder": tmp_path}) == expected
    assert earlier_devices({"resume": str(tmp_path / "last.pth")}) == expected


def test_what_one_process_knows_of_an_earlier_run_holds_for_all(tmp_path, monkeypatch):
    """One that came later was told to resume; those that were there before were not."""
    options, _ = setup.options_and_state({"checkpoint_folder": tmp_path})
    assert options.resume_from is None
    monkeypatch.setattr(setup, "gather_values", lambda path: [path, tmp_path])
    with pytest.raises(ValueError, match=r"there is no file .*last\.pth"):
        setup.options_and_state({"checkpoint_folder": tmp_path})


@pytest.mark.parametrize("text", ["{", "[1]", "3", '{"gpus": "many"}', '{"use_cuda": [1]}'])
def test_a_file_of_options_that_is_none_is_named(tmp_path, text):
    (tmp_path / "training_args.json").write_text(text)
    with pytest.raises(ValueError, match=r"training_args\.json cannot be used"):
        earlier_devices({"resume": str(tmp_path)})


@pytest.mark.parametrize("text", ['{"gpus":\n', "", "[1]"])
def test_a_cut_file_of_options_comes_with_what_to_do(tmp_path, text):
    path = tmp_path / "training_args.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"put a copy of it back, or delete it\. .* type --data"):
        earlier_devices({"resume": str(tmp_path)})
    path.unlink()
    assert earlier_devices({"resume": str(tmp_path)}) == {}


def rows(folder):
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@needs_processes
@pytest.mark.slow
def test_a_process_that_dies_is_started_again_and_nothing_is_lost(tmp_path):
    write_voc(tmp_path / "data", {"trainval": 12, "test": 4})
    (tmp_path / "dying.py").write_text(DYING)
    words = f"--net {NET} --resolution 64 --epochs 2 --pretrained-ssd none --freeze-base-net"
    words += f" --workers 0 --save-minutes 0.0001 --batch-size 2 --data {tmp_path / 'data'}"
    torchrun = "-m torch.distributed.run --standalone --nproc-per-node=2 --max-restarts=3"
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environment["OMP_NUM_THREADS"] = "1"

    def train(name, script):
        folder = tmp_path / name
        command = [sys.executable, *torchrun.split(), str(script), *words.split()]
        command += ["--model-dir", str(folder)]
        subprocess.run(command, check=True, env=environment, capture_output=True, timeout=240)
        return rows(folder)

    assert train("died", tmp_path / "dying.py") == train("whole", ROOT / "train_ssd.py")
