"""The dataset that a loader draws samples from."""

from __future__ import annotations

from typing import Callable

import numpy as np
from torch.utils.data import Dataset

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.structures import Annotation, Sample
from vision.transforms import load_sample

Transform = Callable[[Annotation, np.random.Generator], Sample]


class DetectionDataset(Dataset):
    """Opens the pictures of an index and passes them through a transform.

    Every sample has a random generator of its own, made from (seed, epoch, picture), so that it
    comes out the same whichever process makes it and whatever came before.
    """

    def __init__(self, index: AnnotationIndex, transform: Transform = load_sample, seed: int = 0):
        """Make samples by `transform(annotation, rng)`; by default whole pictures."""
        self.index, self.transform, self.seed = index, transform, seed

    @property
    def class_names(self) -> list[str]:
        """Return the class names by label, BACKGROUND first."""
        return self.index.class_names

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: int | tuple[int, int]) -> Sample:
        """Return the sample of `picture`, in epoch 0, or of `(epoch, picture)`."""
        epoch, row = key if isinstance(key, tuple) else (0, key)
        rng = np.random.default_rng([self.seed, epoch, row % len(self)])
        return self.transform(self.index[row], rng)
