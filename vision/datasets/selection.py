"""Select what of a dataset is used: classes, their names, and negatives."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Iterable, Mapping, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.options import DataOptions
from vision.utils.labels import BACKGROUND
from vision.utils.text import did_you_mean, first_few


@dataclass(frozen=True)
class Selection:
    """What a person chose to train on; the defaults take everything."""

    # Share that is held out of a folder that states no split; 0 holds out nothing.
    val_split: float = DataOptions.val_split
    seed: int = DataOptions.seed
    classes: Sequence[str] = ()  # if any: use only these, in this order
    class_map: Mapping[str, str] = field(
        default_factory=dict
    )  # new names, or LEFT_OUT, by old ones
    negatives: float = 1.0  # largest share of training pictures without objects
    validation_only: bool = False  # the folders are a --validation-dataset: nothing is trained on
    # The pictures that a run has held out before, by the real path of their folder.
    held_out: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the fractions."""
        if not 0 <= self.val_split < 1:
            raise ValueError(
                f"val_split must be a fraction from 0 to less than 1, got {self.val_split}"
            )
        if not 0 <= self.negatives <= 1:
            raise ValueError(f"negatives must be a share from 0 to 1, got {self.negatives}")


EVERYTHING = Selection()
LEFT_OUT = "-"  # the new name of a class of which nothing is used


def new_names(names: Iterable[str], class_map: Mapping[str, str]) -> list[str]:
    """Return the classes under their new names, each once, without those that are left out."""
    renamed = dict.fromkeys(class_map.get(name, name) for name in names)
    return [name for name in renamed if name != LEFT_OUT]


def rename_classes(index: AnnotationIndex, class_map: Mapping[str, str]) -> AnnotationIndex:
    """Return the index with renamed classes; those of one new name become one class.

    Boxes of classes that are left out are gone.
    """
    if LEFT_OUT in class_map.values():
        kept = [class_map.get(name) != LEFT_OUT for name in index.class_names]
        index = index.with_classes([name for name, stays in zip(index.class_names, kept) if stays])
    renamed = [class_map.get(name, name) for name in index.class_names]
    if renamed == index.class_names:
        return index
    names = [BACKGROUND, *dict.fromkeys(renamed[1:])]
    # A class that is renamed BACKGROUND stays a class: the checks report it and leave it out.
    numbers = {name: number for number, name in reversed(list(enumerate(names)))}
    numbers.update((name, number) for number, name in enumerate(names) if number)
    table = np.array([0, *(numbers[name] for name in renamed[1:])], dtype=np.int16)
    return replace(index, class_names=names, labels=table[index.labels])


def require_known(wanted: Iterable[str], known: Iterable[str], what: str) -> None:
    """Refuse class names that no folder has.

    Raises:
        ValueError: naming the first unknown one, and the nearest known name.
    """
    known = list(known)
    for name in wanted:
        if name not in known:
            raise ValueError(
                f"{what} must be of the data's classes ({first_few(known, 20)}), got '{name}'"
                f"{did_you_mean(name, known)}"
            )


def limit_negatives(index: AnnotationIndex, share: float, seed: int) -> AnnotationIndex:
    """Return the index with at most this share of pictures without objects, drawn by seed."""
    empty = np.flatnonzero(np.diff(index.offsets) == 0)
    allowed = len(empty)
    if share < 1:
        allowed = int(share / (1 - share) * (len(index) - len(empty)) + 1e-9)
    if allowed >= len(empty):
        return index
    kept = np.ones(len(index), dtype=bool)
    kept[np.random.default_rng(seed).permutation(empty)[allowed:]] = False
    return index.select(kept)
