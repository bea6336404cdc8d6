"""What fuzz tests share: how many tries, and a process that may die of one.

A quick run makes a few tries, always the same. For more, and others, say how many and which:

    FUZZ_TRIES=10000 FUZZ_SEED=7 python -m pytest tests/deploy/test_onnx_mutations.py
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path

# What one try may take. A try that hangs takes any time: this is long for a busy machine.
SECONDS, GIGABYTES = 120, 2
KILOBYTES = 1 if sys.platform != "darwin" else 1024  # of ru_maxrss in one of its units


def tries(few):
    """Return the number of tries: what FUZZ_TRIES says, or else `few`."""
    return int(os.environ.get("FUZZ_TRIES", few))


def seed():
    """Return the seed of a run."""
    return int(os.environ.get("FUZZ_SEED", 1))


def fault_of(act, name):
    """Call `act`; return what is wrong with how it ended, None if nothing is.

    It may end in any way but an error that is no sentence of one line about the file `name`.
    """
    try:
        act()
    except (ValueError, OSError) as error:
        text = str(error)
        if "\n" in text or name not in text:
            return f"no sentence about {name}: {type(error).__name__}: {text!r}\n{_trace()}"
    except BaseException:
        return _trace()
    return None


def _trace():
    return "".join(traceback.format_exc(limit=-6))


class TooLongError(BaseException):
    """A try takes longer than it may; nothing shall catch this but the test."""


def _stop(number, frame):
    raise TooLongError(f"no answer in {SECONDS} s")


@contextmanager
def in_time():
    """Fail where the block takes too long, or waits for ever."""
    old = signal.signal(signal.SIGALRM, _stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


@contextmanager
def limited():
    """Fail where the block takes too long, or the process has taken too much memory since."""
    before = peak_memory()
    with in_time():
        yield
    assert peak_memory() - before < GIGABYTES << 30


def peak_memory():
    """Return the most memory that this process has ever had, bytes.

    Linux lets a new process begin with the peak of the one that started it, but not in its status.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        lines = status.read_text().splitlines()
        sizes = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
        if sizes:
            return int(sizes[0]) << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 // KILOBYTES


def _serve(pipe, act, arguments):
    """Do what comes through the pipe, one try after the other."""
    limit = 5 * GIGABYTES << 30  # spares the machine; what is above GIGABYTES is a fault anyway
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    while True:
        word = pipe.recv()
        fault = act(word, *arguments)
        peak = peak_memory()
        if fault is None and peak > GIGABYTES << 30:
            fault = f"{peak >> 20} MB of memory"
        pipe.send(fault)


class Process:
    """A process that does one try after the other; where it dies or hangs, the next one is new.

    Used as a context, it ends with it.
    """

    def __init__(self, act, *arguments):
        """Take the function of a try: `act(word, *arguments)` returns the fault, or None."""
        self._task = act, arguments
        self._process = self._pipe = None

    def fault_of(self, word):
        """Do a try in the process; return the fault, None where there is none."""
        if self._process is None:
            self._start()
        self._pipe.send(word)
        # The first answer waits for imports, too.
        if not self._pipe.poll(SECONDS + self._extra):
            self.stop()
            return f"no answer in {SECONDS} s"
        self._extra = 0
        try:
            fault = self._pipe.recv()
        except EOFError:
            self._process.join()
            code = self._process.exitcode
            self.stop()
            return f"the process died, exit code {code}"
        if fault is not None and fault.endswith("MB of memory"):
            self.stop()
        return fault

    def _start(self):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, *self._task), daemon=True)
        self._process.start()
        other.close()
        self._extra = 60

    def stop(self):
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._pipe.close()
        self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()
