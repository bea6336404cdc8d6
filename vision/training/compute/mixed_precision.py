"""Half the bits where a GPU multiplies them faster (automatic mixed precision)."""

from __future__ import annotations

import contextlib
from typing import Any, ContextManager

import torch
from torch import Tensor
from torch.optim import Optimizer


class Precision:
    """The arithmetic of the forward pass, and what the optimizer needs for it.

    Args:
        dtype: bfloat16 or float16 for the products of the forward pass; None for float32. Weights,
            losses and gradients are float32 in any case. float16 has few exponents, so its loss is
            scaled up before the backward pass (Micikevicius et al., Mixed Precision Training, 2018,
            section 3.2); a step whose gradients overflow is left out, and the scale halved.
    """

    def __init__(self, dtype: torch.dtype | None = None, device_type: str = "cuda") -> None:
        self.dtype, self.device_type = dtype, device_type
        self.scaler = _make_scaler(device_type) if dtype == torch.float16 else None

    def __str__(self) -> str:
        return str(self.dtype or torch.float32).replace("torch.", "")

    def forward(self) -> ContextManager:
        """Return the context of the forward pass."""
        if self.dtype is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device_type, dtype=self.dtype)

    def scale(self, loss: Tensor) -> Tensor:
        """Return the loss to go back from."""
        return self.scaler.scale(loss) if self.scaler else loss

    def unscale(self, optimizer: Optimizer) -> None:
        """Turn the gradients into those of the loss itself."""
        if self.scaler:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: Optimizer, skipped: Tensor) -> None:
        """Take an optimizer step, unless `skipped`, () bool, or float16's gradients overflowed.

        A loss that is not finite has such gradients, so in float16 the scaler knows it by itself.
        """
        if self.scaler:
            self.scaler.step(optimizer)
            self.scaler.update()
        elif optimizer.defaults.get("fused"):
            # A fused optimizer looks at these two, on the device, as if a scaler had set them.
            vars(optimizer).update(grad_scale=None, found_inf=skipped.float())
            optimizer.step()
        elif not skipped:
            optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: the scale."""
        return self.scaler.state_dict() if self.scaler else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the scale of a run in the same arithmetic; of another one, nothing."""
        if self.scaler and state:
            self.scaler.load_state_dict(state)


def choose_precision(device: torch.device, mixed: bool = True) -> Precision:
    """Return bfloat16 for a GPU that has it in hardware, float16 for another, float32 for a CPU."""
    if not mixed or device.type != "cuda":
        return Precision()
    # is_bf16_supported() says yes as well where it is only emulated, slowly.
    has_bfloat16 = torch.cuda.get_device_capability(device) >= (8, 0)
    return Precision(torch.bfloat16 if has_bfloat16 else torch.float16)


def _make_scaler(device_type: str) -> Any:
    if hasattr(torch.amp, "GradScaler"):
        return torch.amp.GradScaler(device_type)
    return torch.cuda.amp.GradScaler()  # torch before 2.3
