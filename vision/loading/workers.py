"""Processes that load pictures: how one starts, and how batches go on when one dies.

What kills them is most often a lack of memory.
"""

from __future__ import annotations

import errno
import logging
import multiprocessing
import multiprocessing.connection
import multiprocessing.process
import os
import re
import signal
import threading
import traceback
from typing import Callable, Iterable, Iterator, Sequence, TypeVar

import cv2
from torch import Tensor
from torch.utils.data import get_worker_info

from vision.structures import Sample
from vision.transforms import Batch, collate

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

# What torch raises when it has lost a process; with a GPU, a thread notices first.
LOST = re.compile(
    r"DataLoader worker \(pid.*(?:is killed by signal|exited unexpectedly)"
    r"|Pin memory thread exited unexpectedly"
)
FROM_WORKER = "Caught "  # begins an error that the code in a worker raised
NO_SHARED_MEMORY = re.compile(
    r"(?:</torch_\w+>|mmap).*: (?:No space left on device|Cannot allocate memory) \(\d+\)"
)
SHARED_MEMORY_ADVICE = "a container needs --shm-size=1g or --ipc=host"
SECONDS_TO_END = 5.0  # for a process whose connection broke, with the time for a core dump
# The most frequent causes of a signal, and what to do.
LOSS_CAUSES = {
    "SIGKILL": "out of memory?",
    "SIGBUS": f"shared memory full? {SHARED_MEMORY_ADVICE}",
    "SIGSEGV": "a damaged picture, or a fault in a library?",
}


class WorkerRecovery:
    """Starts a loader again with half of its processes after it has lost one.

    The batches are those of an undisturbed loader, as long as a batch depends on its place alone.
    It holds no loader: one that is nobody's any more ends its processes at once, but where only the
    garbage collector finds it, it waits five seconds for each.

    Args:
        workers: the number to begin with. The attribute is the present number; later epochs keep
            it.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._processes: list[multiprocessing.process.BaseProcess] = []

    def batches(
        self, make_batches: Callable[[int, int], Iterable[Item]], position: int = 0
    ) -> Iterator[Item]:
        """Yield the batches of an epoch from a position on.

        Args:
            make_batches: called as `make_batches(workers, position)` at every start; returns the
                batches from `position` (0 is the first of an epoch) to the end, loaded by `workers`
                processes, or by this process if `workers` is 0. It may return the same loader for
                the same number of workers, but must drop the loader of another number.
            position: of the first batch.

        Raises:
            Exception: what the code in a worker raised.
        """
        while True:
            try:
                for batch in self._start(make_batches, position):
                    position += 1
                    yield batch
                return
            except (RuntimeError, OSError, EOFError) as caught:
                loss = self._loss(caught) if self.workers else None
                if loss is None:
                    raise
                # The frames that the errors have come through hold the loader, and its memory.
                error: BaseException | None = caught
                while error is not None:
                    traceback.clear_frames(error.__traceback__)
                    error = error.__cause__ or error.__context__
            before, self.workers = self.workers, self.workers // 2
            self._processes = []
            left = f"{self.workers} instead of {before}" if self.workers else "none, but slower"
            logger.warning("A process that loads pictures %s; going on with %s", loss, left)

    def _start(
        self, make_batches: Callable[[int, int], Iterable[Item]], position: int
    ) -> Iterator[Item]:
        before = set(multiprocessing.active_children()).difference(self._processes)
        batches = iter(make_batches(self.workers, position))
        self._processes = list(set(multiprocessing.active_children()) - before)
        if self.workers:
            _keep_signals_out_of_steps()
        return batches

    def _loss(self, error: BaseException) -> str | None:
        """Return what happened to a process, as the end of a sentence; None if nothing did."""
        text = " ".join(str(error).split())
        # From fork or from locks in shared memory: the errors of a worker come without a number.
        if isinstance(error, OSError) and error.errno in (errno.ENOMEM, errno.ENOSPC):
            return f"could not be started ({os.strerror(error.errno)})"
        if NO_SHARED_MEMORY.search(text):
            return f"found no shared memory ({SHARED_MEMORY_ADVICE})"
        if text.startswith(FROM_WORKER):
            return None
        if self._processes:
            sentinels = [process.sentinel for process in self._processes]
            ended = multiprocessing.connection.wait(sentinels, SECONDS_TO_END)
            for process in self._processes:
                if process.sentinel in ended:
                    process.join(SECONDS_TO_END)
        codes = [process.exitcode for process in self._processes if process.exitcode]
        if not codes:
            return f"has ended ({text})" if LOST.match(text) else None
        if codes[0] > 0:
            return f"has ended with status {codes[0]}"
        name = signal.Signals(-codes[0]).name
        return f"was killed by {name}" + (f" ({LOSS_CAUSES[name]})" if name in LOSS_CAUSES else "")


def worker_init(worker: int) -> None:
    """Give a loader worker one thread, and let it end with the process that started it."""
    cv2.setNumThreads(0)
    leave_signals_to_parent()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def leave_signals_to_parent() -> None:
    """Let Ctrl+C be for the process that started this one, whose handlers a fork has inherited."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with(sentinel: int) -> None:
    """Wait until a process has ended, or was killed, and end this one.

    PyTorch's workers watch their parent, but not if that is a fork server.
    """
    multiprocessing.connection.wait([sentinel])
    os._exit(1)


def collate_shared(samples: Sequence[Sample]) -> Batch:
    """Put samples together into a batch that lies in shared memory, if a worker does it.

    Otherwise a thread of the worker's queue moves the tensors there. If memory is short, that
    thread prints an error and drops the batch, and the training waits for it forever. Here the
    error comes through.
    """
    batch = collate(samples)
    if get_worker_info() is not None:
        for value in batch:
            if isinstance(value, Tensor):
                value.share_memory_()
    return batch


def _keep_signals_out_of_steps() -> None:
    """Remove torch's signal handler, which raises in the main thread as soon as a worker ends.

    In the middle of an optimizer step that would leave half of the weights updated. Without it
    torch looks for lost workers whenever it has waited for five seconds, as always on Windows.
    """
    if hasattr(signal, "SIGCHLD") and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
