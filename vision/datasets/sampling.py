"""Balance classes: leave out pictures of common ones, or repeat pictures with rare ones."""

from __future__ import annotations

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex


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
