from __future__ import annotations

import signal

import pytest

from vision.training.stopping import StopSignals


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
