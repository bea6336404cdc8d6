"""Choosing the device that a net runs on; only scripts choose."""

from __future__ import annotations

import ctypes
import logging

import torch

logger = logging.getLogger(__name__)

READ_AT_ONCE = frozenset({"cpu"})

# Settings of glibc's mallopt, by its numbers for them.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST_KEPT_BLOCK, MOST_KEPT = 2**30, 2**31 - 1  # bytes


def reads_at_once(tensor: torch.Tensor) -> bool:
    """Say whether a value can be read without waiting: a CPU is never behind the program."""
    return tensor.device.type in READ_AT_ONCE


def select_device(use_cuda: bool = True, number: int = 0) -> torch.device:
    """Return GPU `number` if `use_cuda` allows it and there is a GPU, else the CPU; log which.

    Torch is set up for it: a GPU looks for its fastest kernels, a CPU keeps freed memory.
    """
    if use_cuda and torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        logger.info("Using CUDA... (%s)", torch.cuda.get_device_name(number))
        return torch.device("cuda", number)
    logger.info("Using the CPU, %d threads.", torch.get_num_threads())
    keep_freed_memory()
    return torch.device("cpu")


def keep_freed_memory() -> bool:
    """Let the C library keep what a layer has freed, for the next one; return whether it does so.

    By itself glibc gives large blocks back at once. The system clears them before it hands them out
    again, which takes a fifth of a training step in float32, and as much of a detection. Other C
    libraries, and older glibc, which cannot keep blocks as large, stay as they are.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # what Python says where there is none
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST_KEPT_BLOCK) and mallopt(TRIM_THRESHOLD, MOST_KEPT))
