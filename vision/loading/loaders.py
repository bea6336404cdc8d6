"""Loaders: pictures read and augmented by worker processes, in an order that can be repeated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Iterator

import torch
from torch.utils.data import DataLoader

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.loading.dataset import DetectionDataset, Transform, worker_init
from vision.loading.sampler import EpochSampler
from vision.loading.worker_recovery import WorkerRecovery, collate_shared
from vision.transforms import Batch, collate


@dataclass(frozen=True)
class LoaderOptions:
    """How batches are loaded, and which share of them."""

    batch_size: int  # pictures of a batch of this process
    workers: int  # processes that load, 0 for this one itself
    device: torch.device  # where the batches will go
    seed: int = 0
    rank: int = 0  # of this process among those that train together
    world_size: int = 1


def make_loader(
    index: AnnotationIndex, transform: Transform, options: LoaderOptions, shuffle: bool = False
) -> DataLoader:
    """Return a loader of batches; set `sampler.set_epoch` before each epoch.

    A last batch of one picture is left out of shuffled epochs: batch norm has nothing to compare
    a single cell of a single picture with.
    """
    sampler = EpochSampler(len(index), options.seed, shuffle, options.rank, options.world_size)
    pictures, size = len(sampler), options.batch_size
    return DataLoader(
        DetectionDataset(index, transform, options.seed),
        size,
        sampler=sampler,
        num_workers=options.workers,
        collate_fn=collate_shared,
        drop_last=shuffle and 1 < size < pictures and pictures % size == 1,
        pin_memory=options.device.type == "cuda",
        persistent_workers=shuffle and options.workers > 0,
        worker_init_fn=worker_init,
    )


class EpochLoader:
    """The batches of a dataset, of any epoch and from any position, also when a worker dies."""

    def __init__(
        self,
        index: AnnotationIndex,
        transform: Transform,
        options: LoaderOptions,
        shuffle: bool = False,
    ) -> None:
        self.index, self.transform, self.options, self.shuffle = index, transform, options, shuffle
        self._loader = make_loader(index, transform, options, shuffle)
        self._epoch = 0
        self._recovery: WorkerRecovery[Batch] = WorkerRecovery(self._start, options.workers)
        self._batches = len(self._loader)

    def __len__(self) -> int:
        """Return the number of batches of a whole epoch."""
        return self._batches

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches of epoch 0."""
        return self.epoch(0)

    def epoch(self, number: int, position: int = 0) -> Iterator[Batch]:
        """Yield the batches of an epoch, from the one at `position` on."""
        self._epoch = number
        return self._recovery.batches(position)

    def sample_batch(self, pictures: int) -> Batch:
        """Return the first pictures of the dataset as epoch 0 sees them, loaded here and now."""
        dataset = self._loader.dataset
        return collate([dataset[0, row] for row in range(min(pictures, len(dataset)))])

    def _start(self, workers: int, position: int) -> DataLoader:
        if workers != self._loader.num_workers:
            del self._loader  # with its queues, before there are new ones
            options = replace(self.options, workers=workers)
            self._loader = make_loader(self.index, self.transform, options, self.shuffle)
        self._loader.sampler.set_epoch(self._epoch)
        self._loader.sampler.start_at(position * self.options.batch_size)
        return self._loader
