"""Decide in which order the processes of a training visit pictures."""

from __future__ import annotations

from typing import Iterator

import numpy as np
from torch.utils.data import Sampler


class EpochSampler(Sampler):
    """Yields the keys (epoch, picture) of a `DetectionDataset`, for one of several processes.

    The order depends only on seed and epoch, so that a run can be repeated, and resumed in the
    middle of an epoch.
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
            length: number of pictures.
            seed: of the order.
            shuffle: whether every epoch has a new order, or the order of the dataset.
            rank: number of this process among `world_size`, from 0. Each visits its own share. If
                `length` does not divide evenly, the first pictures are visited again at the end, so
                that all processes make the same number of steps.
        """
        if not 0 <= rank < world_size:
            raise ValueError(f"rank must be 0 to {world_size - 1}, got {rank}")
        self.length, self.seed, self.shuffle = length, seed, shuffle
        self.rank, self.world_size = rank, world_size
        self.epoch = 0
        self.position = 0

    def __len__(self) -> int:
        """Return the number of pictures that this process still visits in this epoch."""
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
        """Skip the first `position` pictures of this process, until the next `set_epoch`."""
        self.position = position

    def _places(self) -> range:
        """Return the places in the order that are left; places past its end start again."""
        missing = -self.length % self.world_size
        return range(self.rank, self.length + missing, self.world_size)[self.position :]
