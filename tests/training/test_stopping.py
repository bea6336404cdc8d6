from __future__ import annotations

import signal

import pytest

from vision.training.stopping import Autosave, StopSignals


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
