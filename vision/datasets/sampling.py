"""In which order pictures are visited, and how often those of every class."""

from __future__ import annotations

from typing import Iterator

import numpy as np
from torch.utils.data import Sampler

from vision.datasets.index.annotation_index import AnnotationIndex


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


def balance(index: AnnotationIndex, seed: int = 0) -> AnnotationIndex:
    """Draw as many pictures of every class as the rarest class has; return them in their order.

    A picture counts for each class on it, so a class may still come with more. Negatives count as
    one more class.
    """
    pairs = _classes_on_pictures(index)
    pictures = [pairs[pairs[:, 0] == label, 1] for label in np.unique(pairs[:, 0])]
    if not pictures:
        return index
    rarest = min(len(group) for group in pictures)
    pictures.append(np.flatnonzero(np.diff(index.offsets) == 0))
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(group)[:rarest] for group in pictures]
    return index.select(np.unique(np.concatenate(drawn)))


def repeat_rare(index: AnnotationIndex, seed: int = 0) -> AnnotationIndex:
    """Repeat the pictures with rare classes; return the index with repetitions, in its order.

    Repeat-factor sampling (Gupta et al., LVIS, 2019, section 4.2): a class on the share f of all
    pictures has the factor max(1, sqrt(t / f)), a picture the largest factor of its classes. The
    paper's t is a constant for 1,200 classes; here it is the mean of all f, so that a class counts
    as rare beside the others. A factor of 1.3 is 2 for three pictures of ten, chosen by seed.
    """
    pairs = _classes_on_pictures(index)
    if not len(pairs):
        return index
    labels, counts = np.unique(pairs[:, 0], return_counts=True)
    by_class = np.sqrt(np.maximum(counts.mean() / counts, 1))
    factors = np.ones(len(index))
    np.maximum.at(factors, pairs[:, 1], by_class[np.searchsorted(labels, pairs[:, 0])])
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(index))
    ends = np.floor(np.cumsum(factors[order]) + rng.random())
    times = np.empty(len(index), dtype=np.int64)
    times[order] = np.maximum(np.diff(ends, prepend=0), 1)
    return index.select(np.repeat(np.arange(len(index)), times))


def _classes_on_pictures(index: AnnotationIndex) -> np.ndarray:
    """Return every (label, picture) that occurs, (K, 2) int64."""
    rows = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    return np.unique(np.stack([index.labels.astype(np.int64), rows], axis=1), axis=0)
