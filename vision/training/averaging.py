"""A slow copy of the weights, which detects better than the weights of any single step."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vision.ssd.ssd import SSD


class WeightAverage:
    """Exponential moving average of a net's weights and batch norm statistics.

    Args:
        net: the net that learns; it is copied once.
        decay: weight of the past. At step n it is at most (1 + n) / (10 + n), so that the first
            weights of a short run do not stay in its average.
    """

    def __init__(self, net: SSD, decay: float) -> None:
        self.net = copy.deepcopy(net).eval()
        self.net.requires_grad_(False)
        self.decay = decay
        self.steps = torch.zeros((), device=next(net.parameters()).device)  # those taken in

    @torch.no_grad()
    def update(self, net: SSD, skipped: Tensor) -> None:
        """Take in the weights after an optimizer step, unless it was `skipped`, () bool."""
        learnt = 1 - skipped.to(self.steps.dtype)
        self.steps += learnt
        decay = ((1 + self.steps) / (10 + self.steps)).clamp(max=self.decay)
        averages, values = [], []
        for average, value in zip(self.net.state_dict().values(), net.state_dict().values()):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:  # a counter of batch norm, which a skipped step has not changed
                average.copy_(value)
        changes = torch._foreach_sub(values, averages)
        torch._foreach_mul_(changes, (1 - decay) * learnt)
        torch._foreach_add_(averages, changes)
