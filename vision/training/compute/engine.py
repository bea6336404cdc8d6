"""How a step is computed: in which arithmetic, and in how many parts."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vision.ssd.ssd import SSD
from vision.training.compute.compiling import Forward
from vision.training.compute.mixed_precision import Precision, choose_precision
from vision.training.compute.processes import process_count

logger = logging.getLogger(__name__)

# How torch words a lack of GPU memory: its own, that of cuDNN, which then finds no way to compute a
# convolution, and that of a Jetson, whose GPU shares the memory.
NO_MEMORY = (
    "out of memory",
    "ALLOC_FAILED",
    "ALLOCATION_FAILED",
    "unable to find an engine",
    "Unable to find a valid cuDNN algorithm",
    "NVML_SUCCESS == r",
)


@dataclass
class Engine:
    """How the losses and gradients of a batch are computed; it does not change what they are.

    However many parts a batch is computed in, its gradients are those of the whole batch. Only
    batch norm sees one part at a time.
    """

    precision: Precision = field(default_factory=Precision)
    model: nn.Module | None = None  # what to call for the net, where it is wrapped
    compiled: Forward | None = None  # the same, for parts of `part_size` pictures only
    part_size: int | None = None  # most pictures at a time; None for the whole batch
    least_part: int = 1  # fewest pictures at a time, 2 where batch norm has to compare them

    def predict(self, net: SSD, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the net predicts from normalised images, as `SSD.forward` does."""
        # A compiled module has no truth value: it asks the net for its length.
        if self.compiled is not None and len(images) == self.part_size:
            return self.compiled(images)
        model = net if self.model is None else self.model
        predictions: tuple[Tensor, Tensor] = model(images)
        return predictions

    def parts(self, pictures: int) -> list[slice]:
        """Cut a batch into parts that differ by one picture at most."""
        number = math.ceil(pictures / min(self.part_size or pictures, pictures))
        number = max(1, min(number, pictures // self.least_part))
        ends = [pictures * part // number for part in range(number + 1)]
        return [slice(first, last) for first, last in zip(ends, ends[1:])]

    def halve(self, pictures: int) -> bool:
        """Compute half as many pictures at a time; return False where that is impossible."""
        before, largest = self.part_size, self._largest(pictures)
        self.part_size = math.ceil(largest / 2)
        half = self._largest(pictures)
        if process_count() > 1 or half == largest:
            self.part_size = before
            return False
        logger.warning(
            "The GPU is out of memory with %d pictures at a time. From now on it computes %d at a "
            "time, and still takes a step for every %d. To start like this: --batch-size %d "
            "--accumulate %d",
            largest,
            half,
            pictures,
            half,
            math.ceil(pictures / half),
        )
        return True

    def _largest(self, pictures: int) -> int:
        return max(part.stop - part.start for part in self.parts(pictures))


def make_engine(net: SSD, device: torch.device, batch_size: int, mixed: bool) -> Engine:
    """Return the engine for a device; `mixed` allows for half precision on a GPU.

    Raises:
        ValueError: for batches with fewer pictures than the net can learn from.
    """
    least = least_batch(net)
    if batch_size < least:
        raise ValueError(
            "this net has batch norm on a map of one cell and needs --batch-size 2 or more; "
            "mb1-ssd trains with 1 where --resolution is above 32"
        )
    precision = choose_precision(device, mixed)
    return Engine(precision, part_size=batch_size, least_part=least)


def least_batch(net: SSD) -> int:
    """Return the fewest pictures that a net can learn from at a time.

    Batch norm on a map of one cell has to compare it with that of another picture. The last map of
    extra layers has one cell, and that of the backbone may have.
    """
    maps = net.config.prior_specs
    last = maps[len(maps) - len(net.extras) - 1].feature_map_size  # of the backbone
    parts = [net.extras, net.base_net] if last == 1 else [net.extras]
    modules = [module for part in parts for module in part.modules()]
    return 1 + any(isinstance(module, nn.BatchNorm2d) for module in modules)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Tell a lack of GPU memory from other failures of torch."""
    return any(words in str(error) for words in NO_MEMORY)
