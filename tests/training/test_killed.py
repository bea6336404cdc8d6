"""A run that is killed again and again ends like one that was not, bit for bit."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time

import numpy as np
import pytest
import torch

from tests.drawing import write_voc
from tests.tiny import NET
from vision.checkpoints.detector import LAST, PREVIOUS
from vision.training.model_folder.state import load_state

KILLS = 20
# Two epochs of four steps; the state is saved after each.
WORDS = f"""--net {NET} --resolution 64 --batch-size 4 --epochs 2 --pretrained-ssd none
    --save-minutes 0.00001 --debug-steps 0 --warm-up 2"""
HEAVY = ["train_ssd", "vision.training.setup", "vision.training.data", "cv2"]
HEAVY += ["matplotlib.figure", "torch.utils.tensorboard", "vision.training.reports.reports"]


def train(words, cache, begins):
    """Train in a process of its own; `begins` is set when the data are read and the net is made."""
    os.environ["XDG_CACHE_HOME"] = str(cache)
    multiprocessing.set_start_method("fork", force=True)  # of loaders, as from a shell
    torch.set_num_threads(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    import train_ssd
    from vision.training.reports.reports import Reports

    Reports._try = no_drawing

    def announced(reports, *what):
        begins.set()

    Reports.begin = announced
    sys.exit(train_ssd.main(train_ssd.parse_args(words)))


def no_drawing(reports, *what):
    """Take the place of what draws pictures and curves, which takes longer than the training."""


class Runs:
    """Starts trainings on one dataset, from a server that has imported all that is slow to."""

    def __init__(self, folder, workers):
        self.folder, self.workers = folder, workers
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(HEAVY)
        write_voc(folder / "data", {"trainval": 16, "test": 2})

    def start(self, name, *more):
        """Begin or go on; return the process when it trains."""
        words = [*WORDS.split(), "--workers", str(self.workers), *more]
        words += ["--data", str(self.folder / "data"), "--model-dir", str(self.folder / name)]
        begins = self.context.Event()
        process = self.context.Process(target=train, args=(words, self.folder / "cache", begins))
        process.start()
        while process.is_alive() and not begins.wait(0.1):
            pass
        return process

    def finish(self, name, *more):
        """Begin or go on, to the end; return the seconds of training."""
        process = self.start(name, *more)
        started = time.monotonic()
        process.join()
        assert process.exitcode == 0
        return time.monotonic() - started

    def kill(self, name, seconds, *more):
        """Begin or go on, and kill the process after so many seconds; say whether it was alive."""
        process = self.start(name, *more)
        process.join(seconds)
        process.kill()
        process.join()
        assert process.exitcode in (0, -signal.SIGKILL)
        return process.exitcode != 0

    def result(self, name):
        """Return all that a run leaves behind, but its files' times."""
        state = load_state(self.folder / name / LAST)
        table = (self.folder / name / "results.csv").read_text()
        return {**state.tensors["net"], **state.tensors["average"]}, state.progress, table


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_run_killed_at_twenty_moments_ends_like_one_that_was_not(tmp_path, workers):
    runs = Runs(tmp_path, workers)
    seconds = runs.finish("whole")
    tensors, progress, table = runs.result("whole")
    rng = np.random.default_rng(workers)
    kills = number = 0
    while kills < KILLS:
        name, more = f"run {number}", ()
        number += 1
        while runs.kill(name, rng.uniform(0, 0.8 * seconds), *more):
            kills += 1
            # Killed before its first step was saved, a run has nothing to go on from. Killed while
            # one state took the place of another, it has the older one.
            states = [tmp_path / name / state for state in (LAST, PREVIOUS)]
            more = ("--resume",) if any(state.exists() for state in states) else ()
            if kills >= KILLS:
                runs.finish(name, *more)
                break
        resumed, its_progress, its_table = runs.result(name)
        assert all(torch.equal(tensors[one], value) for one, value in resumed.items()), name
        assert (its_progress, its_table) == (progress, table), name
    assert number >= 2
