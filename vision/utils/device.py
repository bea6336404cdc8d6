"""Choosing the device that a net runs on; only scripts choose."""

from __future__ import annotations

import logging

import torch

logger = logging.getLogger(__name__)

READ_AT_ONCE = frozenset({"cpu"})


def reads_at_once(tensor: torch.Tensor) -> bool:
    """Say whether a value can be read without waiting: a CPU is never behind the program."""
    return tensor.device.type in READ_AT_ONCE


def select_device(use_cuda: bool = True, number: int = 0) -> torch.device:
    """Return GPU `number` if `use_cuda` allows it and there is a GPU, else the CPU; log which."""
    if use_cuda and torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        logger.info("Using CUDA... (%s)", torch.cuda.get_device_name(number))
        return torch.device("cuda", number)
    logger.info("Using the CPU, %d threads.", torch.get_num_threads())
    return torch.device("cpu")
