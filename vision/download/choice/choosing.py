"""Choose pictures by their boxes: arrays in, masks out.

In every function box i lies in the picture with the number `pictures[i]` and is of the class at
place `classes[i]`, both (N,). A choice is always of whole pictures: a chosen picture keeps all its
boxes of the chosen classes, because an object without its box would teach that it is background.
"""

from __future__ import annotations

import numpy as np

COVERED = 0.9  # a single box is covered if this share of its area lies inside one group box


def in_clean_pictures(pictures: np.ndarray, unwanted: np.ndarray) -> np.ndarray:
    """Return which boxes lie in pictures without any unwanted box, (N,) bool.

    Taking the unwanted boxes away alone would leave their objects unlabelled.
    """
    clean = np.ones(_count(pictures), bool)
    clean[pictures[unwanted]] = False
    return clean[pictures]


def covered_by_group(
    pictures: np.ndarray, classes: np.ndarray, groups: np.ndarray, boxes: np.ndarray
) -> np.ndarray:
    """Return which single boxes a group box of their class and picture covers, (N,) bool.

    A group box marks five or more objects that touch.

    Args:
        groups: (N,) bool, which boxes mark groups.
        boxes: (N, 4) xyxy, in any unit.
    """
    kinds = pictures.astype(np.int64) * (int(classes.max(initial=0)) + 1) + classes
    singles, marks = np.flatnonzero(~groups), np.flatnonzero(groups)
    singles = singles[np.argsort(kinds[singles], kind="stable")]
    first = np.searchsorted(kinds[singles], kinds[marks], "left")
    rivals = np.searchsorted(kinds[singles], kinds[marks], "right") - first
    # One row for each pair of a group box and a single box of the same picture and class.
    mark = np.repeat(marks, rivals)
    number = np.arange(len(mark)) - np.repeat(np.cumsum(rivals) - rivals, rivals)
    single = singles[np.repeat(first, rivals) + number]
    upper_left = np.maximum(boxes[mark, :2], boxes[single, :2])
    lower_right = np.minimum(boxes[mark, 2:], boxes[single, 2:])
    inside = (lower_right - upper_left).clip(0).prod(axis=1)
    area = (boxes[single, 2:] - boxes[single, :2]).prod(axis=1)
    covered = np.zeros(len(pictures), bool)
    covered[single[inside >= COVERED * area]] = True
    return covered


def limit_per_class(
    pictures: np.ndarray, classes: np.ndarray, most: int, rng: np.random.Generator
) -> np.ndarray:
    """Choose pictures so that no class has more than `most` boxes, (P,) bool.

    The class with the fewest boxes picks first: in random order, every picture that keeps all
    classes within the limit. So rare classes lose nothing to common ones.
    """
    counts = np.bincount(classes)
    chosen = np.zeros(_count(pictures), bool)
    if (counts <= most).all():
        chosen[pictures] = True
        return chosen
    owners, kinds, amounts = _contents(pictures, classes)
    begins = np.searchsorted(owners, np.arange(len(chosen) + 1))
    room = np.full(len(counts), most)
    for rarest in np.argsort(counts, kind="stable"):
        for picture in rng.permutation(owners[kinds == rarest]):
            if room[rarest] <= 0:
                break
            inside = slice(begins[picture], begins[picture + 1])
            if not chosen[picture] and (amounts[inside] <= room[kinds[inside]]).all():
                room[kinds[inside]] -= amounts[inside]
                chosen[picture] = True
    return chosen


def sample_pictures(
    pictures: np.ndarray,
    classes: np.ndarray,
    splits: np.ndarray,
    count: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Choose `count` pictures in which splits and classes keep their proportions, (P,) bool.

    The pictures of a split are sorted by their rarest class, then by the set of their classes,
    then by chance; every k-th is taken. So the share of a class is right to within one picture
    among the pictures in which it is the rarest, and nearly right among the others.

    Args:
        splits: (P,) int, the split of each picture, from 0.
    """
    owners, kinds, _ = _contents(pictures, classes)
    present = np.unique(owners)
    chosen = np.zeros(_count(pictures), bool)
    if count >= len(present):
        chosen[present] = True
        return chosen
    commonness = np.argsort(np.argsort(np.bincount(kinds), kind="stable"))
    rarest = np.full(len(chosen), len(commonness))
    np.minimum.at(rarest, owners, commonness[kinds])
    # A sum of one random number for each class stands for the set of classes.
    class_set = np.bincount(owners, weights=rng.random(len(commonness))[kinds])
    order = present[np.lexsort((rng.random(len(present)), class_set[present], rarest[present]))]
    shares = apportion(count, np.bincount(splits[present]))
    for split, share in enumerate(shares):
        queue = order[splits[order] == split]
        places = (np.arange(share) + rng.random()) * (len(queue) / max(1, share))
        chosen[queue[places.astype(np.int64)]] = True
    return chosen


def apportion(count: int, sizes: np.ndarray) -> np.ndarray:
    """Share `count` among groups in proportion to their sizes; the largest remainders round up.

    Every group that is not empty gets at least one, if `count` is not less than their number.
    `count` must not be more than the sum of the sizes.
    """
    quotas = count * sizes / max(1, sizes.sum())
    shares = np.floor(quotas).astype(np.int64)
    if count >= np.count_nonzero(sizes):
        shares = np.maximum(shares, sizes > 0)
    while shares.sum() < count:
        shares[np.argmax(quotas - shares)] += 1
    while shares.sum() > count:
        shares[np.argmax(shares - quotas - (shares <= 1) * count)] -= 1
    return shares


def _contents(
    pictures: np.ndarray, classes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what lies in which picture: picture, class and number of boxes, ordered, (M,) each."""
    width = int(classes.max(initial=0)) + 1
    kinds, amounts = np.unique(pictures.astype(np.int64) * width + classes, return_counts=True)
    return kinds // width, kinds % width, amounts


def _count(pictures: np.ndarray) -> int:
    return int(pictures.max(initial=-1)) + 1
