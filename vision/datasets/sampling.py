"""Balance classes: leave out pictures of common ones, or repeat pictures of rare ones."""

from __future__ import annotations

import itertools

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex

MOST_LOOKED_AT = 20_000  # pictures, to find some of every class


def balance(index: AnnotationIndex, seed: int = 0) -> AnnotationIndex:
    """Draw the same number of pictures for every class, as the rarest one has.

    A picture may also show other classes, so they can end up with more. Negatives count as a class.
    The order stays.
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
    """Repeat the pictures that show rare classes; the order stays.

    Repeat-factor sampling (Gupta et al., LVIS, 2019, section 4.2): a class that is on the share f
    of all pictures has the factor max(1, sqrt(t / f)), and a picture has the largest factor of its
    classes. In the paper t is a constant for 1,200 classes. Here it is the mean of all f, so that
    rare means rare beside the others. With a factor of 1.3, three pictures of ten are repeated
    once, chosen by seed.
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


def spread_over_classes(index: AnnotationIndex, count: int) -> np.ndarray:
    """Return the rows of up to `count` pictures that show as many classes as they can, (K,) int64.

    The classes take turns, and in a large index only a part of the pictures is looked at.
    """
    looked_at = np.arange(min(len(index), MOST_LOOKED_AT)) * len(index)
    looked_at //= max(1, min(len(index), MOST_LOOKED_AT))
    pairs = _classes_on_pictures(index.select(looked_at))
    rng = np.random.default_rng(0)
    waiting = [
        rng.permutation(pairs[pairs[:, 0] == label, 1]).tolist() for label in np.unique(pairs[:, 0])
    ]
    chosen: dict[int, None] = {}
    while waiting and len(chosen) < count:
        for rows in waiting:
            while rows and rows[-1] in chosen:
                rows.pop()
            if rows and len(chosen) < count:
                chosen[rows.pop()] = None
        waiting = [rows for rows in waiting if rows]
    # Where there are too few with objects, those without fill up.
    others = (row for row in range(len(looked_at)) if row not in chosen)
    chosen.update((row, None) for row in itertools.islice(others, count - len(chosen)))
    return np.sort(looked_at[list(chosen)])


def _classes_on_pictures(index: AnnotationIndex) -> np.ndarray:
    """Return every pair (label, picture) that occurs, (K, 2) int64."""
    rows = np.repeat(np.arange(len(index)), np.diff(index.offsets))
    return np.unique(np.stack([index.labels.astype(np.int64), rows], axis=1), axis=0)
