"""The processes that train one net together, each on its share of every batch.

A process alone is a world of one, in which every exchange gives back what was put in.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Iterator, TypeVar

import torch
from torch import Tensor, distributed, nn

Value = TypeVar("Value")

# The first process may read a large dataset for long while the others wait for it. One that dies
# is noticed at once by the agent that started it.
TIMEOUT = timedelta(hours=3)


@dataclass(frozen=True)
class World:
    """Where this process stands among those that train together."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0  # among those of this machine, which is the number of its GPU

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files and log lines."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes; it must be on the process's device."""
        if self.size == 1:
            return tensor
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    def any(self, flag: bool, device: torch.device) -> bool:
        """Return whether the flag is set in any process."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor(int(flag), device=device)))

    def gather(self, value: Value) -> list[Value]:
        """Return the values of all processes, by rank; they are pickled."""
        values: list[Any] = [value] * self.size
        if self.size > 1:
            distributed.all_gather_object(values, value)
        return values

    def interleave(self, values: list[Value], length: int) -> list[Value]:
        """Return one list of which each process has every `size`-th value, without what is over."""
        rows = zip(*self.gather(values))
        return [value for row in rows for value in row][:length]

    def from_main(self, value: Value) -> Value:
        """Return the main process's value; it is pickled."""
        values = [value]
        if self.size > 1:
            distributed.broadcast_object_list(values)
        return values[0]

    def copy_buffers(self, net: nn.Module) -> None:
        """Give every process the main one's buffers, such as the statistics of batch norm."""
        if self.size > 1:
            for buffer in net.buffers():
                distributed.broadcast(buffer, 0)

    @contextlib.contextmanager
    def main_first(self) -> Iterator[None]:
        """Run the block in the main process, and when it is through, in the others."""
        if self.size > 1 and not self.is_main:
            distributed.barrier()
        yield
        if self.size > 1 and self.is_main:
            distributed.barrier()

    def wrap(self, net: nn.Module, sync_batch_norm: bool = False) -> nn.Module:
        """Return the module to call in training: it averages gradients over all processes.

        Args:
            net: on its device; it keeps its tensor names and stays what is saved.
            sync_batch_norm: compute the statistics of batch norm over the pictures of all.
        """
        if self.size == 1:
            return net
        # NVIDIA's torch for Jetson is built without what these import.
        from torch.nn.parallel import DistributedDataParallel

        from vision.training.compute.sync_batch_norm import convert_batch_norm

        if sync_batch_norm:
            convert_batch_norm(net)
        devices = [self.local_rank] if next(net.parameters()).is_cuda else None
        return DistributedDataParallel(net, device_ids=devices)


@contextlib.contextmanager
def join_world(use_cuda: bool) -> Iterator[World]:
    """Join the processes that torchrun has started with this one; alone without torchrun."""
    if "LOCAL_RANK" not in os.environ:
        yield World()
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    world = World(rank, size, int(os.environ["LOCAL_RANK"]))
    if size == 1:
        yield world
        return
    on_gpu = use_cuda and torch.cuda.is_available()
    if on_gpu:
        torch.cuda.set_device(world.local_rank)
    backend = "nccl" if on_gpu and distributed.is_nccl_available() else "gloo"
    distributed.init_process_group(
        backend, store=_meeting(), rank=rank, world_size=size, timeout=TIMEOUT
    )
    yield world
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
    restarts = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") if alone else "any"
    return distributed.PrefixStore(f"restart_{restarts}", store)
