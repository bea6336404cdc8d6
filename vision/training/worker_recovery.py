"""Batches that keep coming when a process that loads them dies, most often for want of memory."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import re
import signal
import threading
from typing import Callable, Generic, Iterable, Iterator, TypeVar

logger = logging.getLogger(__name__)

Batch = TypeVar("Batch")

# How torch begins what it raises when it has lost a process. What the code in a worker raises
# begins with "Caught ... in DataLoader worker process" and is no business of ours.
LOST = re.compile(
    r"DataLoader worker \(pid(?:\(s\))? (?P<pids>[\d, ]+)\) "
    r"(?:is killed by signal|exited unexpectedly)"
    r"|Pin memory thread exited unexpectedly"
)
# What most often is behind a signal, and what to do.
CAUSES = {
    "SIGKILL": "out of memory?",
    "SIGBUS": "shared memory full? a container needs --shm-size=1g or --ipc=host",
    "SIGSEGV": "a damaged picture, or a fault in a library?",
}


class WorkerRecovery(Generic[Batch]):
    """Makes a loader anew, with half of its processes, where it has lost one.

    The batches are those of an undisturbed loader, as long as a batch depends on its place alone.

    Args:
        make_batches: called as `make_batches(workers, position)` at every start; returns the
            batches from `position` (0 is an epoch's first) to the end, loaded by so many
            processes, or by this one where `workers` is 0. It may return the same loader for the
            same number of workers, but must let go of the one of another number.
        workers: to begin with; the attribute is the present number, and later epochs keep it.
    """

    def __init__(self, make_batches: Callable[[int, int], Iterable[Batch]], workers: int) -> None:
        self.make_batches, self.workers = make_batches, workers

    def batches(self, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch from a position on.

        Raises:
            RuntimeError: what the code in a worker raised, of whatever type.
        """
        while True:
            processes: list[multiprocessing.process.BaseProcess] = []
            try:
                for batch in self._start(position, processes):
                    position += 1
                    yield batch
                return
            except (RuntimeError, OSError) as error:
                if not self.workers or not is_loss(error):
                    raise
                cause = _cause(error, processes)
            # Behind the clause, where nothing holds the old loader's queues and tensors any more.
            self._halve(cause)

    def _start(
        self, position: int, processes: list[multiprocessing.process.BaseProcess]
    ) -> Iterator[Batch]:
        before = set(multiprocessing.active_children())
        batches = iter(self.make_batches(self.workers, position))
        processes += set(multiprocessing.active_children()) - before
        if self.workers:
            _keep_signals_out_of_steps()
        return batches

    def _halve(self, cause: str) -> None:
        before, self.workers = self.workers, self.workers // 2
        left = f"{self.workers} instead of {before}" if self.workers else "none, which is slower"
        logger.warning("A process that loads pictures %s; going on with %s", cause, left)


def is_loss(error: BaseException) -> bool:
    """Say whether an error means that a loader lost a process, or could not start one."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM  # of fork; errors from a worker come without a number
    return LOST.match(str(error)) is not None


def _cause(error: BaseException, processes: list[multiprocessing.process.BaseProcess]) -> str:
    """Return how a process ended, as the end of a sentence that begins with it."""
    if isinstance(error, OSError):
        return "could not be started (out of memory)"
    pids = re.findall(r"\d+", LOST.match(str(error)).group("pids") or "")
    for process in processes:
        if str(process.pid) in pids and (process.exitcode or 0) < 0:
            name = signal.Signals(-process.exitcode).name
            reason = f" ({CAUSES[name]})" if name in CAUSES else ""
            return f"was killed by {name}{reason}"
    return f"has ended ({' '.join(str(error).split())})"


def _keep_signals_out_of_steps() -> None:
    """Take away the handler with which torch raises wherever the main thread is when a worker ends.

    In the middle of an optimizer's step that would leave half of the weights updated. Without it
    torch looks for lost workers whenever it has waited five seconds, as it always does on Windows.
    """
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
