"""Loaders: pictures read and augmented by worker processes, in an order that can be repeated."""

from __future__ import annotations

import torch
from torch.utils.data import DataLoader

from vision.datasets.dataset import DetectionDataset, Transform, worker_init
from vision.datasets.index import AnnotationIndex
from vision.datasets.sampling import EpochSampler
from vision.transforms import collate


def make_loader(
    index: AnnotationIndex,
    transform: Transform,
    batch_size: int,
    workers: int,
    device: torch.device,
    seed: int = 0,
    shuffle: bool = False,
) -> DataLoader:
    """Return a loader of batches; set `sampler.set_epoch` before each epoch.

    A last batch of one picture is left out of shuffled epochs: batch norm has nothing to compare
    a single cell of a single picture with.
    """
    sampler = EpochSampler(len(index), seed, shuffle=shuffle)
    single = shuffle and len(index) > batch_size and len(index) % batch_size == 1
    return DataLoader(
        DetectionDataset(index, transform, seed),
        batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=single and batch_size > 1,
        pin_memory=device.type == "cuda",
        persistent_workers=shuffle and workers > 0,
        worker_init_fn=worker_init,
    )
