"""The dataset that a loader draws samples from."""

from __future__ import annotations

import multiprocessing.connection
import os
import signal
import threading
from typing import Callable

import numpy as np
from torch.utils.data import Dataset

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.structures import Annotation, Sample

Transform = Callable[[Annotation, np.random.Generator], Sample]


class DetectionDataset(Dataset):
    """Opens the pictures of an index and passes them through a transform.

    Every sample has a random generator of its own, made from (seed, epoch, picture), so that it
    comes out the same whichever worker makes it and whatever came before.
    """

    def __init__(self, index: AnnotationIndex, transform: Transform | None = None, seed: int = 0):
        """Make samples by `transform(annotation, rng)`; without one, as they are stored."""
        self.index = index
        self.transform = as_stored if transform is None else transform
        self.seed = seed

    @property
    def class_names(self) -> list[str]:
        """Return the class names by label, BACKGROUND first."""
        return self.index.class_names

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Return the sample of `picture`, in epoch 0, or of `(epoch, picture)`."""
        epoch, row = key if isinstance(key, tuple) else (0, key)
        annotation = self.index[row]
        return self.transform(
            annotation, np.random.default_rng([self.seed, epoch, row % len(self)])
        )


def as_stored(annotation: Annotation, rng: np.random.Generator) -> Sample:
    """Return the picture as it is on disk, with its boxes."""
    from vision.transforms import load_sample

    return load_sample(annotation)


def worker_init(worker: int) -> None:
    """Make a loader worker one thread that lives as long as the process that started it."""
    import cv2

    cv2.setNumThreads(0)
    # Ctrl+C is for that process; a forked worker has inherited what it does about signals.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    """Wait for the end of a process, also one that was killed, and end this one with it.

    PyTorch's workers look for that themselves, but not where a fork server is their parent.
    """
    multiprocessing.connection.wait([sentinel])
    os._exit(1)
