"""A slow copy of the weights, which detects better than the weights of any single step."""

from __future__ import annotations

import copy

import torch

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
        self.steps = 0

    @torch.no_grad()
    def update(self, net: SSD) -> None:
        """Take in the weights after an optimizer step."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        averages, values = [], []
        for average, value in zip(self.net.state_dict().values(), net.state_dict().values()):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)
