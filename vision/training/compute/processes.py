"""The processes that train one net together, each on its share of every batch.

A process alone is one of one, for which every exchange gives back what was put in.
"""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from typing import Any, Callable, ContextManager, Iterator, TypeVar

import torch
from torch import Tensor, distributed, nn

from vision.training.compute.launching import RESTARTS

Exchanged = TypeVar("Exchanged")

# The first process may read a large dataset for long while the others wait for it. One that dies
# is noticed at once by the agent that started it.
TIMEOUT = timedelta(hours=3)


def process_count() -> int:
    """Return how many processes train together."""
    joined = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if joined else 1


def process_rank() -> int:
    """Return the number of this process among them."""
    return distributed.get_rank() if process_count() > 1 else 0


def local_rank() -> int:
    """Return its number among those of this machine, which is the number of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Say whether this is the process that writes files and log lines."""
    return process_rank() == 0


def sum_over_processes(tensor: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; it must be on the process's device."""
    if process_count() == 1:
        return tensor
    total = tensor.clone()
    distributed.all_reduce(total)
    return total


def any_process(flag: bool, device: torch.device) -> bool:
    """Say whether the flag is set in any process."""
    if process_count() == 1:
        return flag
    return bool(sum_over_processes(torch.tensor(int(flag), device=device)))


def gather_values(value: Exchanged) -> list[Exchanged]:
    """Return the values of all processes, by rank; they are pickled."""
    if process_count() == 1:
        return [value]
    values: list[Any] = [None] * process_count()
    distributed.all_gather_object(values, value)
    return values


def interleave(values: list[Exchanged], length: int) -> list[Exchanged]:
    """Return one list of all values, one of each process by turns, cut to `length`."""
    rows = zip(*gather_values(values))
    return [value for row in rows for value in row][:length]


def from_main(value: Exchanged) -> Exchanged:
    """Return the main process's value; it is pickled."""
    values = [value]
    if process_count() > 1:
        distributed.broadcast_object_list(values)
    return values[0]


def copy_buffers_of_main(net: nn.Module) -> None:
    """Give every process the main one's buffers, such as the statistics of batch norm."""
    if process_count() > 1:
        for buffer in net.buffers():
            distributed.broadcast(buffer, 0)


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Run the block in the main process, and when it is through, in the others."""
    together = process_count() > 1
    if together and not is_main():
        distributed.barrier()
    yield
    if together and is_main():
        distributed.barrier()


def wrap(net: nn.Module, sync_batch_norm: bool = False) -> nn.Module:
    """Return the module to call in training: it averages gradients over all processes.

    Args:
        net: on its device; its tensors keep their names, and are the ones to save.
        sync_batch_norm: compute the statistics of batch norm over the pictures of all.

    Raises:
        ValueError: if batch norm shall be synchronised on a CPU, where torch cannot.
    """
    if process_count() == 1:
        return net
    # NVIDIA's torch for Jetson is built without what this imports.
    from torch.nn.parallel import DistributedDataParallel

    on_gpu = next(net.parameters()).is_cuda
    if sync_batch_norm:
        if not on_gpu:
            raise ValueError("--sync-bn needs GPUs; leave it out to train on CPUs")
        for parent in list(net.modules()):  # in place, since `net` is what is saved
            for name, child in list(parent.named_children()):
                if type(child) is nn.BatchNorm2d:
                    setattr(parent, name, nn.SyncBatchNorm.convert_sync_batchnorm(child))
    return DistributedDataParallel(net, device_ids=[local_rank()] if on_gpu else None)


def gradients_stay(model: nn.Module) -> ContextManager:
    """Return a context in which a backward pass through a wrapped net exchanges no gradients."""
    no_sync: Callable[[], ContextManager] | None = getattr(model, "no_sync", None)
    return no_sync() if no_sync else contextlib.nullcontext()


@contextlib.contextmanager
def joined_processes(use_cuda: bool) -> Iterator[None]:
    """Join the processes that torchrun has started with this one; alone without torchrun."""
    size = int(os.environ["WORLD_SIZE"]) if "LOCAL_RANK" in os.environ else 1
    if size == 1:
        yield
        return
    on_gpu = use_cuda and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(local_rank())
    backend = "nccl" if on_gpu and distributed.is_nccl_available() else "gloo"
    rank = int(os.environ["RANK"])
    distributed.init_process_group(
        backend, store=_meeting(), rank=rank, world_size=size, timeout=TIMEOUT
    )
    yield
    # Only after success: with NCCL it waits for the others, which may wait for one that failed.
    distributed.destroy_process_group()


def _meeting() -> Any:
    """Return the store in which the processes leave their addresses for each other.

    After a restart on one machine the agent's store still has the addresses of those that died;
    several machines meet at a new store, and their agents do not count restarts alike.
    """
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    store.set_timeout(TIMEOUT)
    alone = os.environ.get("GROUP_WORLD_SIZE") == "1"
    restarts = os.environ.get(RESTARTS, "0") if alone else "any"
    return distributed.PrefixStore(f"restart_{restarts}", store)
