"""Batches that keep coming when a process that loads them dies, most often for want of memory."""

from __future__ import annotations

import errno
import logging
import multiprocessing.connection
import os
import re
import signal
import threading
import traceback
from typing import Callable, Generic, Iterable, Iterator, Sequence, TypeVar

from torch import Tensor
from torch.utils.data import get_worker_info

from vision.structures import Sample
from vision.transforms import Batch, collate

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

# What torch raises when it has lost a process; on a GPU it is a thread that notices first.
LOST = re.compile(
    r"DataLoader worker \(pid.*(?:is killed by signal|exited unexpectedly)"
    r"|Pin memory thread exited unexpectedly"
)
FROM_WORKER = "Caught "  # begins what the code in a worker raised
NO_SHARED_MEMORY = re.compile(
    r"(?:</torch_\w+>|mmap).*: (?:No space left on device|Cannot allocate memory) \(\d+\)"
)
SHARED_MEMORY_ADVICE = "a container needs --shm-size=1g or --ipc=host"
PATIENCE = 5.0  # seconds until a process whose connection broke has ended, core dump and all
# What most often is behind a signal, and what to do.
CAUSES = {
    "SIGKILL": "out of memory?",
    "SIGBUS": f"shared memory full? {SHARED_MEMORY_ADVICE}",
    "SIGSEGV": "a damaged picture, or a fault in a library?",
}


class WorkerRecovery(Generic[Item]):
    """Makes a loader anew, with half of its processes, where it has lost one.

    The batches are those of an undisturbed loader, as long as a batch depends on its place alone.

    Args:
        make_batches: called as `make_batches(workers, position)` at every start; returns the
            batches from `position` (0 is an epoch's first) to the end, loaded by so many
            processes, or by this one where `workers` is 0. It may return the same loader for the
            same number of workers, but must let go of the one of another number.
        workers: to begin with; the attribute is the present number, and later epochs keep it.
    """

    def __init__(self, make_batches: Callable[[int, int], Iterable[Item]], workers: int) -> None:
        self.make_batches, self.workers = make_batches, workers
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def batches(self, position: int = 0) -> Iterator[Item]:
        """Yield the batches of an epoch from a position on.

        Raises:
            Exception: what the code in a worker raised.
        """
        while True:
            try:
                for batch in self._start(position):
                    position += 1
                    yield batch
                return
            except (RuntimeError, OSError, EOFError) as error:
                loss = self._loss(error) if self.workers else None
                if loss is None:
                    raise
                _let_go(error)
            self._halve(loss)

    def _start(self, position: int) -> Iterator[Item]:
        before = set(multiprocessing.active_children()).difference(self._processes)
        batches = iter(self.make_batches(self.workers, position))
        self._processes = list(set(multiprocessing.active_children()) - before)
        if self.workers:
            _keep_signals_out_of_steps()
        return batches

    def _halve(self, loss: str) -> None:
        before, self.workers = self.workers, self.workers // 2
        self._processes = []
        left = f"{self.workers} instead of {before}" if self.workers else "none, which is slower"
        logger.warning("A process that loads pictures %s; going on with %s", loss, left)

    def _loss(self, error: BaseException) -> str | None:
        """Return what became of a process, to be put behind its name; None where nothing did."""
        text = " ".join(str(error).split())
        # Of fork, and of locks in shared memory; what a worker raises comes without a number.
        if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.ENOSPC):
            return f"could not be started ({os.strerror(error.errno)})"
        if NO_SHARED_MEMORY.search(text):
            return f"found no shared memory ({SHARED_MEMORY_ADVICE})"
        if text.startswith(FROM_WORKER):
            return None
        processes = {process.sentinel: process for process in self._processes}
        wait = multiprocessing.connection.wait
        for sentinel in wait(list(processes), PATIENCE) if processes else []:
            processes[sentinel].join(PATIENCE)
        codes = [process.exitcode for process in self._processes if process.exitcode]
        if not codes:
            return f"has ended ({text})" if LOST.match(text) else None
        if codes[0] > 0:
            return f"has ended with status {codes[0]}"
        name = signal.Signals(-codes[0]).name
        return f"was killed by {name}" + (f" ({CAUSES[name]})" if name in CAUSES else "")


def collate_shared(samples: Sequence[Sample]) -> Batch:
    """Put samples together into a batch that a worker can hand over without allocating anything.

    A worker's queue moves tensors to shared memory in a thread of its own, which prints an error
    and forgets the batch, for which the training would wait forever. Here the error comes through.
    """
    batch = collate(samples)
    if get_worker_info() is not None:
        for value in batch:
            if isinstance(value, Tensor):
                value.share_memory_()
    return batch


def _let_go(error: BaseException | None) -> None:
    """Clear the frames that an error has come through: they hold the loader, and it its memory."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _keep_signals_out_of_steps() -> None:
    """Take away the handler with which torch raises wherever the main thread is when a worker ends.

    In the middle of an optimizer's step that would leave half of the weights updated. Without it
    torch looks for lost workers whenever it has waited five seconds, as it always does on Windows.
    """
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
