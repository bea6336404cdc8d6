"""Loaders: pictures read and augmented by worker processes, in an order that can be repeated."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Iterator

import torch
from torch.utils.data import DataLoader

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.sampling import spread_over_classes
from vision.loading.dataset import DetectionDataset, Transform
from vision.loading.sampler import EpochSampler
from vision.loading.workers import WorkerRecovery, collate_shared, worker_init
from vision.transforms import Batch, collate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoaderOptions:
    """How batches are loaded, and which share of them."""

    batch_size: int  # pictures in a batch of this process
    workers: int  # processes that load; 0: this process loads
    device: torch.device  # that the batches will go to
    seed: int = 0
    rank: int = 0  # of this process among those that train together
    world_size: int = 1  # their number


class EpochLoader:
    """The batches of a dataset: of any epoch, from any position on, even if a worker dies.

    A last batch of a single picture is left out of shuffled epochs: on the coarsest map it has one
    cell, with which batch norm cannot train.

    Attributes:
        dataset: where the samples come from.
        data_loader: torch's loader of the present number of workers.
    """

    def __init__(
        self,
        index: AnnotationIndex,
        transform: Transform,
        options: LoaderOptions,
        shuffle: bool = False,
    ) -> None:
        self.dataset = DetectionDataset(index, transform, options.seed)
        self.options, self.shuffle = options, shuffle
        self._sampler = EpochSampler(
            len(index), options.seed, shuffle, options.rank, options.world_size
        )
        pictures, size = len(self._sampler), options.batch_size
        self._drop_last = shuffle and 1 < size < pictures and pictures % size == 1
        if self._drop_last:
            logger.info(
                "Of %d pictures in batches of %d one is left over, in every epoch another",
                pictures,
                size,
            )
        self.data_loader = self._make(options.workers)
        self._batches = len(self.data_loader)
        self._epoch = 0
        self._recovery = WorkerRecovery(options.workers)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of epoch 0."""
        return self.epoch(0)

    def epoch(self, number: int, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from the one at `position` on."""
        self._epoch = number
        return self._recovery.batches(self._start, position)

    def sample_batch(self, pictures: int) -> Batch:
        """Return pictures of all classes as epoch 0 sees them, loaded by this process."""
        rows = spread_over_classes(self.dataset.index, pictures)
        return collate([self.dataset[0, int(row)] for row in rows])

    def _start(self, workers: int, position: int) -> DataLoader:
        if workers != self.data_loader.num_workers:
            del self.data_loader  # with its queues, before there are new ones
            self.data_loader = self._make(workers)
        self._sampler.set_epoch(self._epoch)
        self._sampler.start_at(position * self.options.batch_size)
        return self.data_loader

    def _make(self, workers: int) -> DataLoader:
        return DataLoader(
            self.dataset,
            self.options.batch_size,
            sampler=self._sampler,
            num_workers=workers,
            collate_fn=collate_shared,
            drop_last=self._drop_last,
            pin_memory=self.options.device.type == "cuda",
            persistent_workers=self.shuffle and workers > 0,
            worker_init_fn=worker_init,
        )
