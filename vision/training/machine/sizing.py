"""Choose --batch-size and --workers where they are auto, by what the machine has room for."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vision.ssd import create_net
from vision.training.machine.machine import GB, Machine, read_machine
from vision.training.options import AUTO, TrainOptions

logger = logging.getLogger(__name__)

BATCH_SIZES = (32, 16, 8, 4, 2)  # batch norm needs two pictures at least
MOST_ON_CPU = 8  # larger batches are no faster on a CPU
BATCHES_PER_EPOCH = 8  # with fewer there are too few steps to learn from
# A step needs more memory than its forward pass keeps: gradients and work space. Measured on a CPU
# at 300 x 300, in all: 1.1 times as much for mb1-ssd, 1.25 for mb2-ssd-lite, 1.9 for sq-ssd-lite.
NEED_FACTOR = 2.0
CUDA_LIBRARIES = GB  # memory that CUDA's code and work space take once the first step has run
SHARE = 0.7  # part of the free memory that a step may take; other programs need the rest
SMALL_MEMORY = 6 * GB
TINY_MEMORY = 3 * GB
WORKER_MEMORY = GB // 2  # a process that loads pictures, with its share of the waiting batches
MOST_WORKERS = 16
MOST_WORKERS_ON_CPU = 2  # the net itself needs the cores


class Sizes(NamedTuple):
    """The two options, as numbers."""

    batch_size: int
    workers: int


@dataclass(frozen=True)
class Room:
    """Where the net computes, and what is free there for a step."""

    place: str  # for the log
    free: int | None  # bytes
    is_gpu: bool


def choose_sizes(options: TrainOptions, pictures: int, device: torch.device) -> Sizes:
    """Return --batch-size and --workers, with a number in the place of "auto".

    What was chosen, and why, is logged.

    Args:
        options: of the run.
        pictures: to train on.
        device: where the net will compute.
    """
    batch_size, workers = options.batch_size, options.num_workers
    if AUTO not in (batch_size, workers):
        return Sizes(int(batch_size), int(workers))
    machine = shared(read_machine(), int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
    reasons = []
    if workers == AUTO:
        workers, reason = choose_workers(machine, on_gpu=device.type == "cuda")
        reasons.append(f"--workers={workers} ({reason})")
    if batch_size == AUTO:
        room = read_room(device, machine, int(workers))
        need = picture_need(options.net, options.resolution)
        batch_size, reason = choose_batch_size(room, need, pictures)
        reasons.append(f"--batch-size={batch_size} ({reason})")
    logger.info("Chosen: %s", ", ".join(reasons))
    return Sizes(int(batch_size), int(workers))


def shared(machine: Machine, processes: int) -> Machine:
    """Return the part of a machine that each of several trainings at once may use."""
    free = None if machine.free is None else machine.free // processes
    return Machine(max(1, machine.cores // processes), machine.memory, free)


def choose_workers(machine: Machine, on_gpu: bool) -> tuple[int, str]:
    """Return the number of processes to load pictures, and why; training keeps one core."""
    cores, memory = machine.cores, machine.memory
    if memory is not None and memory < SMALL_MEMORY:
        reason = f"{memory / GB:.1f} GB of memory in all"
        return int(memory >= TINY_MEMORY and cores > 1), reason
    most = min(cores - 1, MOST_WORKERS if on_gpu else MOST_WORKERS_ON_CPU)
    reason = f"{cores} cores" if cores != 1 else "one core"
    if machine.free is not None and machine.free // 2 // WORKER_MEMORY < most:
        return machine.free // 2 // WORKER_MEMORY, f"{machine.free / GB:.1f} GB of memory free"
    return most, reason


def read_room(device: torch.device, machine: Machine, workers: int) -> Room:
    """Return the memory that is free for a step beside N workers.

    A Jetson's GPU shares the system's memory. CUDA does not count what the system would give back,
    so there the system's own figure is used, as on a CPU.
    """
    free = None if machine.free is None else machine.free - workers * WORKER_MEMORY
    if device.type != "cuda":
        return Room("free", free, is_gpu=False)
    properties = torch.cuda.get_device_properties(device)
    if not getattr(properties, "is_integrated", False):
        free = torch.cuda.mem_get_info(device)[0]
    free = None if free is None else free - CUDA_LIBRARIES
    return Room(f"free on {properties.name}", free, is_gpu=True)


def choose_batch_size(room: Room, need: int, pictures: int) -> tuple[int, str]:
    """Return the number of pictures per step, and why.

    Args:
        room: where, and what is free there.
        need: bytes a picture takes in a step.
        pictures: to train on.
    """
    most = max(BATCH_SIZES) if room.is_gpu else MOST_ON_CPU
    reason = "more is no faster" if not room.is_gpu else "the most that is sensible"
    if pictures // BATCHES_PER_EPOCH < most:
        most, reason = pictures // BATCHES_PER_EPOCH, f"{pictures} pictures to train on"
    if room.free is None:
        return _rounded(min(most, 4)), "the free memory is unknown"
    fitting = int(max(0, room.free) * SHARE / need)
    if fitting < most:
        most = fitting
        reason = f"{max(0, room.free) / GB:.1f} GB {room.place}, {need / GB:.2f} GB a picture"
    return _rounded(most), reason


def _rounded(most: int) -> int:
    return next((size for size in BATCH_SIZES if size <= most), min(BATCH_SIZES))


def picture_need(net: str, resolution: int) -> int:
    """Return about how many bytes a picture takes in a training step, in float32."""
    kept = _kept_bytes(net, resolution, 4) - _kept_bytes(net, resolution, 2)
    return int(kept / 2 * NEED_FACTOR)


def _kept_bytes(net: str, resolution: int, pictures: int) -> int:
    """Return the bytes that a forward pass keeps for the backward pass, without computing any."""
    storages: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage()._cdata] = tensor
        return tensor

    with torch.device("meta"):
        module = create_net(net, num_classes=21, resolution=resolution).train()
        with torch.autograd.graph.saved_tensors_hooks(keep, _same):
            outputs = module(torch.empty(pictures, 3, resolution, resolution))
    kept = sum(tensor.untyped_storage().nbytes() for tensor in storages.values())
    del outputs
    return kept


def _same(tensor: Tensor) -> Tensor:
    return tensor
