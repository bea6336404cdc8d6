"""Compiling a net: kernels are made for it, which takes minutes, and each step is shorter then."""

from __future__ import annotations

import logging
from typing import Callable, Tuple

import torch
from torch import Tensor, nn

Forward = Callable[[Tensor], Tuple[Tensor, Tensor]]

logger = logging.getLogger(__name__)


def require_compiler(device: torch.device) -> None:
    """Check that torch can compile for a device, which takes some seconds.

    Raises:
        ValueError: if it cannot, saying why.
    """
    if not hasattr(torch, "compile"):
        raise ValueError(
            f"--compile needs torch 2.0 or newer, and this is {torch.__version__}; leave it out"
        )
    try:
        torch.compile(_double)(torch.ones(2, device=device))
    except (RuntimeError, ImportError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"--compile cannot be used here: {reason}; it needs a C++ compiler, and for a GPU "
            "Triton; install that or leave --compile out"
        ) from None


def compiled(model: nn.Module) -> Forward:
    """Return what to call in the place of a module; it is compiled when it is called first.

    Weights and statistics stay those of the module.
    """
    logger.info("The net is compiled in the first step, which takes a minute or more.")
    # One shape only: kernels for any number of pictures would be slower.
    forward: Forward = torch.compile(model, dynamic=False)
    return forward


def _double(x: Tensor) -> Tensor:
    """Be the least that can be compiled, to see whether anything can."""
    return x * 2
