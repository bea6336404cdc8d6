"""Which pictures are trained on and which are kept for validation, and that none is both."""

from __future__ import annotations

import numpy as np

from vision.datasets.arrays import StringTable
from vision.datasets.index import AnnotationIndex, concatenate

_LEAST_LEFT = 0.25  # of the training pictures, for the stated split to be worth keeping


def hold_out(
    index: AnnotationIndex, fraction: float, seed: int
) -> tuple[AnnotationIndex, AnnotationIndex]:
    """Draw a `fraction` of the pictures for validation; return (training, validation).

    Where there are two pictures, there is one at least on either side. The same pictures in the
    same order give the same split.
    """
    count = round(len(index) * fraction)
    if fraction > 0:
        count = max(min(max(count, 1), len(index) - 1), 0)
    held = np.zeros(len(index), dtype=bool)
    held[np.random.default_rng(seed).permutation(len(index))[:count]] = True
    return index.select(~held), index.select(held)


def rows_in(table: StringTable, others: StringTable) -> np.ndarray:
    """Return which of the N strings are among the others, (N,) bool; meant for few others."""
    known = set(others)
    return np.fromiter((string in known for string in table), dtype=bool, count=len(table))


def separate(
    train: AnnotationIndex, validation: AnnotationIndex, fraction: float, seed: int
) -> tuple[AnnotationIndex, AnnotationIndex, str]:
    """See to it that no picture of a folder, by its id, is in both; return them and a sentence.

    Both have the same class names. Shared pictures are taken out of training. Where that would
    leave too little, as with lists that are copies of each other, the two are joined and split
    anew. Without shared pictures the sentence is "".
    """
    shared = rows_in(train.image_ids, validation.image_ids)
    count = int(shared.sum())
    if not count:
        return train, validation, ""
    found = (
        f"the {len(train):,} pictures to train on and the {len(validation):,} to validate on "
        f"have {count:,} in common"
    )
    if len(train) - count >= _LEAST_LEFT * len(train):
        return train.select(~shared), validation, f"{found}, which are not trained on"
    joined = concatenate([train.select(~shared), validation], train.class_names)
    train, validation = hold_out(joined, fraction, seed)
    return (
        train,
        validation,
        f"{found}, so that a score would mean little: {len(validation):,} of all {len(joined):,} "
        f"are held out instead, by seed {seed}",
    )
