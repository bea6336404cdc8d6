from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.drawing import write_voc
from tests.tiny import NET
from vision.training.checkpoints import LAST
from vision.training.state import load_state
from vision.training.stopping import Autosave, StopSignals

SCRIPT = str(Path(__file__).parents[2] / "train_ssd.py")


def test_a_stop_and_a_time_save_the_epoch_so_far():
    now, saved, stop = [0.0], [], [False]
    watch = Autosave(saved.append, lambda: stop[0], seconds=10, clock=lambda: now[0])
    assert watch("first") is False
    now[0] = 10.0
    assert watch("second") is False
    stop[0] = True
    assert watch("third") is True
    assert saved == ["second", "third"]


def test_the_first_signal_asks_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGTERM)
    now = [0.0]
    with StopSignals(clock=lambda: now[0]) as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested
        now[0] = 0.5  # the same request, passed on by another process
        signal.raise_signal(signal.SIGTERM)
        now[0] = 2.0
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_run_ends_like_one_that_was_not(tmp_path, workers):
    write_voc(tmp_path / "data", {"trainval": 24, "test": 4})
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def command(name, *more):
        words = f"--net {NET} --resolution 64 --batch-size 4 --epochs 2 --pretrained-ssd none"
        words += f" --save-minutes 0.0001 --debug-steps 1 --workers {workers}"
        folders = ["--data", tmp_path / "data", "--model-dir", tmp_path / name]
        return [sys.executable, SCRIPT, *words.split(), *map(str, folders), *more]

    subprocess.run(command("whole"), check=True, env=environment, stdout=subprocess.DEVNULL)
    for name, last_line in (("first", "Epoch: 0, Step: 3/6"), ("second", "Epoch: 1, Step: 5/6")):
        with subprocess.Popen(
            command(name), env=environment, stdout=subprocess.PIPE, text=True
        ) as process:
            for line in process.stdout:
                if last_line in line:
                    process.kill()
                    break
        assert process.returncode == -signal.SIGKILL
        subprocess.run(
            command(name, "--resume"), check=True, env=environment, stdout=subprocess.DEVNULL
        )
        whole, resumed = load_state(tmp_path / "whole" / LAST), load_state(tmp_path / name / LAST)
        for part in ("net", "average"):
            for tensor, value in whole.tensors[part].items():
                assert torch.equal(value, resumed.tensors[part][tensor]), tensor
        rows = [(tmp_path / run / "results.csv").read_text() for run in ("whole", name)]
        assert rows[0] == rows[1]
