from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from vision.training.reports.progress_bar import ProgressBar, Throughput


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def batches(clock, waits, pictures=4):
    """Yield batches, each of which takes so many seconds to come."""
    for seconds in waits:
        clock.now += seconds
        yield SimpleNamespace(images=np.zeros((pictures, 1)))


def test_rate_and_waiting_are_measured_between_the_batches():
    clock = Clock()
    progress = ProgressBar(epochs=2, steps=3, show=False, clock=clock)
    assert progress.throughput == Throughput(0.0, 0.0, 0.0)
    assert progress.seconds_left is None
    for _ in progress.train(batches(clock, [2, 1, 1]), epoch=0):
        clock.now += 2  # of work
    # 3 batches of 4 pictures in 4 seconds of waiting and 6 of work.
    assert progress.throughput == Throughput(1.2, 0.4, 10.0)
    assert progress.seconds_left == pytest.approx(10.0)
    assert str(progress.throughput) == "1.2 pictures/s, 40% of the time waiting for data"


def test_the_time_left_counts_what_happens_between_epochs():
    clock = Clock()
    progress = ProgressBar(epochs=3, steps=2, show=False, clock=clock)
    list(progress.train(batches(clock, [1, 1]), epoch=0))
    clock.now += 4  # of validation
    assert progress.seconds_left == pytest.approx(6 / 2 * 4)
    left = []
    for _ in progress.train(batches(clock, [1, 1]), epoch=1):
        left.append(progress.seconds_left)
    assert left == pytest.approx([7 / 2 * 4, 8 / 3 * 3])
    assert progress.throughput == Throughput(4.0, 1.0, 2.0), "of this epoch alone"


def test_a_resumed_run_counts_only_what_it_did_itself():
    clock = Clock()
    progress = ProgressBar(epochs=5, steps=10, show=False, clock=clock)
    list(progress.train(batches(clock, [1, 1]), epoch=4, position=6))
    assert progress.seconds_left == pytest.approx(2.0), "2 of 10 batches are left, a second each"


def test_an_empty_epoch_and_a_clock_that_stands():
    clock = Clock()
    progress = ProgressBar(epochs=1, steps=0, show=False, clock=clock)
    assert list(progress.train(iter([]), epoch=0)) == []
    assert len(list(progress.train(batches(clock, [0]), epoch=0))) == 1
    assert progress.throughput.pictures_per_second == 0.0


def test_elsewhere_than_on_a_terminal_nothing_is_drawn(capsys):
    clock = Clock()
    with ProgressBar(epochs=1, steps=2, clock=clock) as progress:
        list(progress.train(batches(clock, [1, 1]), epoch=0))
        assert len(list(progress.validate([1, 2, 3], 3))) == 3
    assert capsys.readouterr() == ("", "")


def test_the_bar_says_how_fast_and_how_long(capsys):
    clock = Clock()
    with ProgressBar(epochs=100, steps=2, show=True, clock=clock) as progress:
        for _ in progress.train(batches(clock, [30, 30]), epoch=7):
            pass
        assert progress._postfix() == "run 1:32:00, 0.1 pictures/s, 100% waiting"
        list(progress.validate([1, 2, 3], 3))
    drawn = capsys.readouterr().err
    assert "Epoch 7 |" in drawn
    assert "Validation |" in drawn
    assert "0/2, " in drawn


def test_log_lines_go_above_the_bar_and_the_handlers_come_back(capsys):
    root = logging.getLogger()
    before = root.handlers[:]
    own = logging.StreamHandler(sys.stdout)
    root.handlers[:] = [own]
    try:
        with ProgressBar(epochs=1, steps=1, show=True) as progress:
            assert own not in root.handlers
            for _ in progress.train(batches(Clock(), [0]), epoch=0):
                logging.getLogger("x").warning("a whole line")
        assert root.handlers == [own]
    finally:
        root.handlers[:] = before
    assert "a whole line\n" in capsys.readouterr().out


def test_the_bar_goes_when_an_epoch_is_broken_off():
    clock = Clock()
    progress = ProgressBar(epochs=1, steps=5, show=False, clock=clock)
    for _ in progress.train(batches(clock, [1] * 5), epoch=0):
        clock.now += 1
        if clock.now > 104:
            break
    assert progress.throughput.seconds == 4.0, "of the two batches that were finished"
