from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import signal

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info
from torch.utils.data._utils import MP_STATUS_CHECK_INTERVAL
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from tests.drawing import draw_samples
from vision.loading.workers import WorkerRecovery, collate_shared, worker_init

BATCHES, SIZE = 8, 2
NO_SPACE = (
    "RuntimeError: unable to allocate shared memory(shm) for file </torch_17608_1695712668_0>: "
    "No space left on device (28)"
)


class Deadly(Dataset):
    """Pictures that follow from (epoch, number); a file named like a number kills who loads it."""

    def __init__(self, folder):
        self.folder = folder

    def __getitem__(self, key):
        epoch, number = key
        marker = self.folder / str(number)
        if marker.exists() and get_worker_info() is not None:
            how = marker.read_text()
            marker.unlink()
            if how == "ValueError":
                raise ValueError(f"picture {number} is damaged")
            if how == "ENOSPC":
                raise RuntimeError(NO_SPACE)
            os.kill(os.getpid(), getattr(signal, how))
        rng = np.random.default_rng([epoch, number])
        return torch.from_numpy(rng.random((3, 4, 4), np.float32)), number


class Order:
    """Batches of keys from a position on, as a batch sampler."""

    def __init__(self, epoch):
        self.epoch, self.position = epoch, 0
        self.numbers = np.random.default_rng(epoch).permutation(BATCHES * SIZE)

    def __iter__(self):
        batches = self.numbers.reshape(-1, SIZE)[self.position :]
        return iter([[(self.epoch, int(number)) for number in batch] for batch in batches])


class Loaders:
    """Makes loaders as a training does: workers that persist, one loader for a number of them."""

    def __init__(self, folder):
        self.dataset, self.order, self.loader, self.calls = Deadly(folder), Order(5), None, []

    def __call__(self, workers, position):
        self.calls.append((workers, position))
        self.order.position = position
        if self.loader is None or self.loader.num_workers != workers:
            self.loader = DataLoader(
                self.dataset,
                batch_sampler=self.order,
                num_workers=workers,
                persistent_workers=workers > 0,
            )
        return self.loader


def learn(batches):
    """Return the weights and losses of a small training on the batches."""
    weights, losses = torch.zeros(48, dtype=torch.float64), []
    for pictures, numbers in batches:
        errors = pictures.flatten(1).double() @ weights - numbers
        losses.append(errors.square().mean().item())
        weights -= 0.01 * (errors[:, None] * pictures.flatten(1)).mean(0)
    return weights, losses


def mark(loaders, place, how):
    """Have the picture at a place in the order do something to the process that loads it."""
    (loaders.dataset.folder / str(loaders.order.numbers[place])).write_text(how)


@pytest.fixture
def undisturbed(tmp_path):
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    return learn(Loaders(folder)(0, 0))


@pytest.fixture
def looks_often(monkeypatch):
    """Have torch look for lost workers ten times a second, in place of every five seconds."""
    wait = _MultiProcessingDataLoaderIter._try_get_data
    assert wait.__defaults__ == (MP_STATUS_CHECK_INTERVAL,)
    monkeypatch.setattr(wait, "__defaults__", (0.1,))


@pytest.mark.usefixtures("looks_often")
def test_killed_twice_the_trajectory_is_the_same_to_the_bit(tmp_path, undisturbed, caplog):
    loaders = Loaders(tmp_path)
    mark(loaders, 4, "SIGKILL")
    mark(loaders, 14, "SIGBUS")  # further than two workers load in advance
    recovery = WorkerRecovery(workers=2)
    with caplog.at_level(logging.WARNING):
        weights, losses = learn(recovery.batches(loaders))
    assert losses == undisturbed[1]
    assert weights.equal(undisturbed[0])
    assert recovery.workers == 0
    assert [workers for workers, _ in loaders.calls] == [2, 1, 0]
    positions = [position for _, position in loaders.calls]
    assert positions[0] == 0
    assert positions[1] <= 4 // SIZE
    assert positions[1] <= positions[2] <= 14 // SIZE
    first, second = (record.getMessage() for record in caplog.records)
    assert first.startswith("A process that loads pictures was killed by SIGKILL (out of memory?)")
    assert first.endswith("; going on with 1 instead of 2")
    assert "SIGBUS (shared memory full?" in second
    assert second.endswith("; going on with none, but slower")


def test_without_shared_memory_fewer_processes_go_on(tmp_path, undisturbed, caplog):
    loaders = Loaders(tmp_path)
    mark(loaders, 7, "ENOSPC")
    weights, _ = learn(WorkerRecovery(workers=2).batches(loaders))
    assert weights.equal(undisturbed[0])
    assert loaders.calls == [(2, 0), (1, 3)]
    assert "found no shared memory (a container needs --shm-size=1g" in caplog.text


class Drawn(Dataset):
    """Three pictures, none with an object."""

    def __len__(self):
        return 3

    def __getitem__(self, number):
        return draw_samples(3, size=(8, 8), negatives=3)[number]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_shares_its_batches_itself(workers):
    def shared(samples):
        batch = collate_shared(samples)
        return [value.is_shared() for value in batch if isinstance(value, torch.Tensor)]

    loader = DataLoader(Drawn(), 3, num_workers=workers, collate_fn=shared)
    assert list(loader) == [[workers > 0] * 4]


@pytest.mark.usefixtures("looks_often")
def test_a_worker_killed_amid_a_step_does_not_interrupt_the_step(tmp_path, undisturbed):
    loaders = Loaders(tmp_path)
    recovery = WorkerRecovery(workers=1)
    before = set(multiprocessing.active_children())

    def watched():
        for place, batch in enumerate(recovery.batches(loaders)):
            if place == 1:
                (worker,) = set(multiprocessing.active_children()) - before
                worker.kill()
                os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)
            yield batch

    weights, losses = learn(watched())
    assert weights.equal(undisturbed[0])
    assert losses == undisturbed[1]
    assert loaders.calls[0] == (1, 0)
    assert loaders.calls[1][0] == 0


def test_an_undisturbed_run_keeps_its_workers_and_its_loader(tmp_path, undisturbed, caplog):
    loaders = Loaders(tmp_path)
    recovery = WorkerRecovery(workers=1)
    weights, _ = learn(recovery.batches(loaders))
    assert weights.equal(undisturbed[0])
    loader = loaders.loader
    assert len(list(recovery.batches(loaders, position=5))) == BATCHES - 5
    assert list(recovery.batches(loaders, position=BATCHES)) == []
    assert loaders.loader is loader
    assert loaders.calls == [(1, 0), (1, 5), (1, BATCHES)]
    assert not caplog.records


def test_what_the_code_in_a_worker_raises_comes_through(tmp_path):
    loaders = Loaders(tmp_path)
    mark(loaders, 3, "ValueError")
    with pytest.raises(ValueError, match=r"picture \d+ is damaged"):
        list(WorkerRecovery(workers=1).batches(loaders))
    assert len(loaders.calls) == 1
    loaders.loader._iterator._shutdown_workers()  # left to the garbage collector it waits


def test_without_processes_nothing_is_caught():
    def make_batches(workers, position):
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed. ")

    with pytest.raises(RuntimeError, match="pid 7"):
        next(WorkerRecovery(workers=0).batches(make_batches))


def test_no_memory_to_start_processes_with(caplog):
    def make_batches(workers, position):
        if workers:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        return iter([10, 11, 12][position:])

    recovery = WorkerRecovery(workers=4)
    assert list(recovery.batches(make_batches, 1)) == [11, 12]
    assert [record.getMessage().split("; ")[1] for record in caplog.records] == [
        "going on with 2 instead of 4",
        "going on with 1 instead of 2",
        "going on with none, but slower",
    ]
    assert "could not be started (Cannot allocate memory)" in caplog.text


def test_an_error_of_the_consumer_is_not_taken_for_a_loss(tmp_path):
    loaders = Loaders(tmp_path)
    with pytest.raises(RuntimeError, match="amid a step"):
        for _ in WorkerRecovery(workers=0).batches(loaders):
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal, amid a step")
    assert len(loaders.calls) == 1


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DataLoader worker (pid 31) is killed by signal: Bus error. It is possible"),
        RuntimeError("DataLoader worker (pid(s) 31, 32) exited unexpectedly"),
        RuntimeError("DataLoader worker (pid 3) exited unexpectedly with exit code 1. Details"),
        RuntimeError("Pin memory thread exited unexpectedly"),
        RuntimeError(f"Caught RuntimeError in DataLoader worker process 0.\n{NO_SPACE}"),
        RuntimeError("unable to mmap 9 bytes from file <no name>: Cannot allocate memory (12)"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_what_counts_as_a_loss(error, caplog):
    assert list(failing_once(error)) == [10, 11, 12]
    assert "; going on with 1 instead of 2" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Caught RuntimeError in DataLoader worker process 0.\nOriginal Traceback"),
        RuntimeError("CUDA error: out of memory"),
        OSError(errno.EACCES, "Permission denied"),
        OSError("Caught OSError in DataLoader worker process 0. No space left on device (28)"),
        EOFError(),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        ValueError("DataLoader worker (pid 31) is killed by signal: Killed."),
    ],
)
def test_what_does_not(error):
    with pytest.raises(type(error)):
        list(failing_once(error))


def failing_once(error):
    """Return the batches of a loader that raises an error in the middle of its first start."""
    starts = []

    def make_batches(workers, position):
        starts.append(workers)
        for item in (10, 11, 12)[position:]:
            if item == 11 and len(starts) == 1:
                raise error
            yield item

    return WorkerRecovery(workers=2).batches(make_batches)


@pytest.mark.parametrize(
    "error",
    [EOFError(), ConnectionResetError(errno.ECONNRESET, "reset"), RuntimeError("0 of ancdata")],
)
def test_a_connection_that_breaks_because_its_process_dies(error, caplog):
    processes = []

    def make_batches(workers, position):
        if workers:
            processes.append(multiprocessing.get_context("fork").Process(target=signal.pause))
            processes[0].start()
        return dying(position) if workers else iter([10, 11][position:])

    def dying(position):
        yield 10
        processes[0].kill()
        raise error

    assert list(WorkerRecovery(workers=1).batches(make_batches)) == [10, 11]
    assert "was killed by SIGKILL (out of memory?); going on with none" in caplog.text


def test_worker_init_leaves_opencv_one_thread():
    threads = cv2.getNumThreads()
    worker_init(0)
    assert cv2.getNumThreads() <= 1
    cv2.setNumThreads(threads)
    assert np.isscalar(threads)
