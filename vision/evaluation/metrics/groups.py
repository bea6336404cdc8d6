"""How recall and precision depend on the size of the objects and on their number in a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vision.evaluation.collection import Collection
from vision.evaluation.matching import Outcome

OBJECT_SIDES = (16, 32, 64, 128)  # pixels, where one group of sizes ends and the next begins
NUMBERS = (2, 4, 8, 16)  # objects in a picture, likewise


@dataclass(frozen=True)
class Group:
    """A group of objects, or of the pictures that have so many of them."""

    name: str
    objects: int
    found: int
    wrong: int | None  # false detections in these pictures; None for a group by size

    @property
    def recall(self) -> float | None:
        """Return the share of the objects that were found; None where there are none."""
        return self.found / self.objects if self.objects else None

    @property
    def precision(self) -> float | None:
        """Return the share of the detections that are right; None where that is not known."""
        shown = self.found + (self.wrong or 0)
        return self.found / shown if self.wrong is not None and shown else None


def groups_by_size(
    collection: Collection, found: np.ndarray, resolution: int | None
) -> tuple[Group, ...]:
    """Divide the objects by the side of a square of their area.

    Args:
        found: (M,) bool, whether an object was found.
        resolution: S, pixels of the square that the net sees; None for pixels of the picture.
    """
    counted = ~collection.objects.difficult
    places = np.digitize(collection.sides(resolution)[counted], OBJECT_SIDES)
    return tuple(
        Group(name, int((places == place).sum()), int(found[counted][places == place].sum()), None)
        for place, name in enumerate(range_names(OBJECT_SIDES))
    )


def groups_by_number(
    collection: Collection, found: np.ndarray, wrong: np.ndarray
) -> tuple[Group, ...]:
    """Divide the objects, and the false detections, by the number of objects in the picture.

    Args:
        found: (M,) bool, whether an object was found.
        wrong: (D,) bool, whether a detection is shown and false.
    """
    counted = ~collection.objects.difficult
    pictures = collection.objects.pictures[counted]
    objects = np.bincount(pictures, minlength=len(collection.pictures))
    places = np.digitize(objects, NUMBERS)
    places[objects == 0] = -1
    of_objects, of_wrong = places[pictures], places[collection.found.pictures[wrong]]
    groups = [Group("0", 0, 0, int((of_wrong == -1).sum()))]
    for place, name in enumerate(range_names(NUMBERS, first=1, whole=True)):
        inside = of_objects == place
        counts = int(inside.sum()), int(found[counted][inside].sum())
        groups.append(Group(name, *counts, int((of_wrong == place).sum())))
    return tuple(groups)


def range_names(limits: tuple[int, ...], first: int = 0, whole: bool = False) -> list[str]:
    """Name the ranges that limits divide, as "0-16", or "2-3" where only whole numbers count."""
    starts = [first, *limits]
    ends = [end - 1 if whole else end for end in limits]
    names = [str(start) if start == end else f"{start}-{end}" for start, end in zip(starts, ends)]
    return [*names, f"{limits[-1]}+"]


def found_objects(collection: Collection, outcome: Outcome, threshold: float) -> np.ndarray:
    """Return whether a detection of at least this score found an object, (M,) bool."""
    found = np.zeros(len(collection.objects), bool)
    right = outcome.true_positive & (collection.found.scores >= threshold)
    found[outcome.closest.objects[right]] = True
    return found
