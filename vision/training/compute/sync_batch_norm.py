"""Batch norm over the pictures of all processes, also where PyTorch's own, for CUDA only, ends."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, distributed, nn


class SumOverProcesses(torch.autograd.Function):
    """The sum of a tensor over all processes, through which gradients flow back to each of them."""

    @staticmethod
    def forward(context: Any, tensor: Tensor) -> Tensor:
        """Return the sum."""
        total = tensor.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        """Return what the losses of all processes say of this one's tensor."""
        return SumOverProcesses.forward(context, gradient)


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose statistics, in training, are those of all processes' pictures."""

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (B, C, H, W); B may differ between the processes."""
        if not (self.training and distributed.is_initialized()):
            return super().forward(images)
        count = images.new_tensor([images.numel() / images.shape[1]])
        # Gradients flow back through both sums to the pictures of every process.
        sums = SumOverProcesses.apply(torch.cat([images.sum(dim=(0, 2, 3)), count]))
        mean, count = sums[:-1] / sums[-1], sums[-1]
        deviation = images - mean[:, None, None]
        variance = SumOverProcesses.apply(deviation.square().sum(dim=(0, 2, 3))) / count
        self._remember(mean.detach(), variance.detach(), count.detach())
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return deviation * scale[:, None, None] + self.bias[:, None, None]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        self.num_batches_tracked += 1
        unbiased = variance * (count / (count - 1).clamp(min=1))
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased, self.momentum)


def convert_batch_norm(net: nn.Module) -> None:
    """Make every batch norm of a net a synchronised one, with the same tensors and names."""
    for parent in list(net.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, _synchronised(child))


def _synchronised(norm: nn.BatchNorm2d) -> nn.Module:
    if norm.weight.is_cuda:
        return nn.SyncBatchNorm.convert_sync_batchnorm(norm)
    twin = SyncBatchNorm2d(norm.num_features, norm.eps, norm.momentum)
    twin.train(norm.training)
    twin._parameters, twin._buffers = norm._parameters, norm._buffers
    return twin
