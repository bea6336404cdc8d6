"""The order in which the processes of a training visit pictures, epoch by epoch."""

from __future__ import annotations

from typing import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler):
    """Yields the keys (epoch, picture) of a `DetectionDataset`, for one of several processes.

    The order depends on the seed and the epoch alone, so that a run can be repeated, and resumed
    amid an epoch.
    """

    def __init__(
        self,
        length: int,
        seed: int = 0,
        shuffle: bool = True,
        rank: int = 0,
        world_size: int = 1,
    ):
        """Visit `length` pictures.

        Args:
            shuffle: in a new order every epoch, or else in their own.
            rank: of this process among `world_size`; each visits its own share. Where `length` does
                not divide, the start of the order is visited again, so that all make as many steps.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be 0 to {world_size - 1}, got {rank}")
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        """Return how many pictures this process has still to visit in this epoch."""
        return len(self._places())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        else:
            order = np.arange(self.length)
        return ((self.epoch, int(order[place % self.length])) for place in self._places())

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of an epoch."""
        self.epoch, self.position = epoch, 0

    def start_at(self, position: int) -> None:
        """Leave out the first `position` pictures of this process, until the next `set_epoch`."""
        self.position = position

    def _places(self) -> range:
        """Return the places in the order still to visit; those past its end begin again."""
        missing = -self.length % self.world_size
        return range(self.rank, self.length + missing, self.world_size)[self.position :]
