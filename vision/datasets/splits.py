"""Divide pictures into training and validation, so that none is in both."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.index.arrays import StringTable
from vision.datasets.likeness import Thumbnails, find_groups, same_content
from vision.datasets.thumbnails import thumbnails_of

# Keep the given split only if at least 25 % of the training pictures survive removing duplicates.
LEAST_LEFT = 0.25


class Division(NamedTuple):
    """A training and a validation part."""

    train: AnnotationIndex
    validation: AnnotationIndex
    sentence: str  # about how it came about, "" if the parts are as they were
    drawn: Sequence[str]  # ids to hold out from now on, none if nothing was drawn


def hold_out(
    index: AnnotationIndex, fraction: float, seed: int, thumbnails: Thumbnails = thumbnails_of
) -> tuple[AnnotationIndex, AnnotationIndex]:
    """Draw a `fraction` of the pictures for validation; return (training, validation).

    Pictures that look alike, as frames of a video do, stay on one side. A run of them is cut if it
    is longer than half of what is held out. Of two pictures or more, each side gets one at least.
    The same pictures in the same order give the same split.
    """
    count = round(len(index) * fraction)
    if fraction > 0:
        count = max(min(max(count, 1), len(index) - 1), 0)
    held = np.zeros(len(index), dtype=bool)
    if count:
        for run in _shuffled_runs(find_groups(index, thumbnails), max(count // 2, 1), seed):
            # Stop at the first run that does not fit. Going on would hold out nearly all single
            # pictures.
            if held.sum() + len(run) > count:
                break
            held[run] = True
    return index.select(~held), index.select(held)


def draw_split(
    index: AnnotationIndex,
    fraction: float,
    seed: int,
    before: Sequence[str] = (),
    thumbnails: Thumbnails = thumbnails_of,
) -> Division:
    """Hold out the ids that were held out before, else what `hold_out` draws; say which it was."""
    held = rows_in(index.image_ids, StringTable.from_strings(before if fraction else ()))
    if held.any():
        return Division(index.select(~held), index.select(held), "since the run began", before)
    train, validation = hold_out(index, fraction, seed, thumbnails)
    return Division(train, validation, f"by seed {seed}", list(validation.image_ids))


def _shuffled_runs(groups: np.ndarray, longest: int, seed: int) -> list[np.ndarray]:
    """Return the pictures of every group, cut into almost equal runs, in random order."""
    members = np.split(np.argsort(groups, kind="stable"), np.cumsum(np.bincount(groups))[:-1])
    runs = [run for group in members for run in np.array_split(group, -(-len(group) // longest))]
    return [runs[place] for place in np.random.default_rng(seed).permutation(len(runs))]


def rows_in(table: StringTable, others: StringTable) -> np.ndarray:
    """Return which of the N strings are among the others, (N,) bool; all others are unpacked."""
    known = set(others)
    return np.fromiter((string in known for string in table), dtype=bool, count=len(table))


def shared_rows(index: AnnotationIndex, others: AnnotationIndex) -> np.ndarray:
    """Return which of the N pictures are among the others or have the bytes of one, (N,) bool.

    Equal ids do not count, as folders of Open Images may each number their pictures from 0.
    """
    return rows_in(index.paths, others.paths) | same_content(index.paths, others.paths)


def without_copies_of(
    validation: AnnotationIndex, train: AnnotationIndex
) -> tuple[AnnotationIndex, str]:
    """Take files that are validated on, and copies of them, out of the training part.

    Returns:
        The training part, and a sentence about it, "" if nothing was taken out.
    """
    shared = shared_rows(train, validation)
    count = int(shared.sum())
    if not count:
        return train, ""
    return train.select(~shared), (
        f"{count:,} pictures to train on are validated on too, here or as copies in another place: "
        "they are not trained on"
    )


def separate(
    train: AnnotationIndex,
    validation: AnnotationIndex,
    fraction: float,
    seed: int,
    before: Sequence[str] = (),
    thumbnails: Thumbnails = thumbnails_of,
) -> Division:
    """Make sure that no picture of a folder is in both parts, which have the same class names.

    Pictures that are in both, or have the same bytes, are taken out of training. If that leaves too
    little, as with lists that are copies of each other, the parts are joined and split anew. They
    stay so, however many pictures come to the lists: the ids `before` are held out as before.
    """
    shared = shared_rows(train, validation)
    count = int(shared.sum())
    if not count:
        return Division(train, validation, "", ())
    found = (
        f"the {len(train):,} pictures to train on and the {len(validation):,} to validate on "
        f"have {count:,} in common"
    )
    if not before and leaves_enough(train, count):
        sentence = f"{found}, which are not trained on"
        return Division(train.select(~shared), validation, sentence, ())
    joined = concatenate([train.select(~shared), validation], train.class_names)
    drawn = draw_split(joined, fraction, seed, before, thumbnails)
    return drawn._replace(
        sentence=f"{found}, so that a score would mean little: {len(drawn.validation):,} of all "
        f"{len(joined):,} are held out instead, {drawn.sentence}"
    )


def leaves_enough(train: AnnotationIndex, count: int) -> bool:
    """Return whether a stated split is kept though `count` training pictures are in both parts."""
    return len(train) - count >= LEAST_LEFT * len(train)
