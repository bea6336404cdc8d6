"""Which pictures are trained on and which are kept for validation, and that none is both."""

from __future__ import annotations

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.index.arrays import StringTable
from vision.datasets.likeness import find_groups, same_content

LEAST_LEFT = 0.25  # of the training pictures, for the stated split to be worth keeping


def hold_out(
    index: AnnotationIndex, fraction: float, seed: int
) -> tuple[AnnotationIndex, AnnotationIndex]:
    """Draw a `fraction` of the pictures for validation; return (training, validation).

    Pictures that look alike, as frames of a video do, come to the same side, in runs of no more
    than half of what is held out. Where there are two pictures, there is one at least on either
    side. The same pictures in the same order give the same split.
    """
    count = round(len(index) * fraction)
    if fraction > 0:
        count = max(min(max(count, 1), len(index) - 1), 0)
    held = np.zeros(len(index), dtype=bool)
    if count:
        for run in _shuffled_runs(find_groups(index), max(count // 2, 1), seed):
            if held.sum() + len(run) <= count:
                held[run] = True
    return index.select(~held), index.select(held)


def _shuffled_runs(groups: np.ndarray, longest: int, seed: int) -> list[np.ndarray]:
    """Return the pictures of every group, cut into runs of almost equal length, in any order."""
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    runs = [run for group in members for run in np.array_split(group, -(-len(group) // longest))]
    return [runs[place] for place in np.random.default_rng(seed).permutation(len(runs))]


def rows_in(table: StringTable, others: StringTable) -> np.ndarray:
    """Return which of the N strings are among the others, (N,) bool; meant for few others."""
    known = set(others)
    return np.fromiter((string in known for string in table), dtype=bool, count=len(table))


def without_copies_of(
    validation: AnnotationIndex, train: AnnotationIndex
) -> tuple[AnnotationIndex, str]:
    """Take the files that are validated on, also under other names, out of training.

    Returns:
        The training part and a sentence, "" where nothing was taken.
    """
    shared = rows_in(train.paths, validation.paths)
    shared |= same_content(train.paths, validation.paths)
    count = int(shared.sum())
    if not count:
        return train, ""
    return train.select(~shared), (
        f"{count:,} pictures to train on are validated on too, here or as copies in another place: "
        "they are not trained on"
    )


def separate(
    train: AnnotationIndex, validation: AnnotationIndex, fraction: float, seed: int
) -> tuple[AnnotationIndex, AnnotationIndex, str]:
    """See to it that no picture of a folder is in both; return them and a sentence.

    A picture is the same by its id, or by the content of its file. Both have the same class names.
    Shared pictures are taken out of training. Where that would leave too little, as with lists that
    are copies of each other, the two are joined and split anew. Without shared pictures the
    sentence is "".
    """
    shared = rows_in(train.image_ids, validation.image_ids)
    shared |= same_content(train.paths, validation.paths)
    count = int(shared.sum())
    if not count:
        return train, validation, ""
    found = (
        f"the {len(train):,} pictures to train on and the {len(validation):,} to validate on "
        f"have {count:,} in common"
    )
    if len(train) - count >= LEAST_LEFT * len(train):
        return train.select(~shared), validation, f"{found}, which are not trained on"
    joined = concatenate([train.select(~shared), validation], train.class_names)
    train, validation = hold_out(joined, fraction, seed)
    return (
        train,
        validation,
        f"{found}, so that a score would mean little: {len(validation):,} of all {len(joined):,} "
        f"are held out instead, by seed {seed}",
    )
