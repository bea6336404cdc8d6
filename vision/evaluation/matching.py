"""Which detection found which object: the rules of PASCAL VOC and of upstream's eval_ssd.py.

- Detections of a class are ranked over all pictures, best score first.
- Each looks at the object of its class and picture that it overlaps most. If the overlap exceeds
  the threshold and no better detection has taken that object, it is a true positive; otherwise a
  false positive. It may not turn to the second best object.
- Objects marked difficult count neither way, and neither do the detections that found them.

All pictures are matched at once: their objects stand in one table, and so do the detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, NamedTuple, Sequence, Union

import numpy as np
import torch

from vision.structures import Detections, Sample
from vision.utils.box_utils import box_iou

PAIRS_AT_ONCE = 1 << 20  # of a detection and an object: about 100 MB of temporary arrays


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """What really is on one picture. A `Sample` has the same fields and may stand in for it."""

    boxes: np.ndarray  # (N, 4) float32 xyxy, pixels of the picture that the detections refer to
    labels: np.ndarray  # (N,) int64, 1..C-1
    difficult: np.ndarray  # (N,) bool


Truth = Union[GroundTruth, Sample]


@dataclass(frozen=True, eq=False)
class ObjectTable:
    """The objects of many pictures, picture after picture."""

    boxes: np.ndarray  # (M, 4) float32 xyxy, pixels of their pictures
    labels: np.ndarray  # (M,) int64, 1..C-1
    difficult: np.ndarray  # (M,) bool
    pictures: np.ndarray  # (M,) int64, the number of the picture, rising

    @classmethod
    def join(cls, truths: Sequence[Truth]) -> ObjectTable:
        """Put the objects of the pictures into one table."""
        return cls(
            np.concatenate([np.zeros((0, 4), np.float32), *(one.boxes for one in truths)]),
            np.concatenate([np.zeros(0, np.int64), *(one.labels for one in truths)]),
            np.concatenate([np.zeros(0, bool), *(one.difficult for one in truths)]),
            np.repeat(np.arange(len(truths)), [len(one.labels) for one in truths]),
        )

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, kept: np.ndarray) -> ObjectTable:
        """Return the objects for which `kept` (M,) bool is true, or of these rows (K,)."""
        return ObjectTable(
            self.boxes[kept], self.labels[kept], self.difficult[kept], self.pictures[kept]
        )

    def counts_per_class(self, num_classes: int) -> np.ndarray:
        """Return the number of objects of every class (C,) int64, without the difficult ones."""
        return np.bincount(self.labels[~self.difficult], minlength=num_classes)


@dataclass(frozen=True, eq=False)
class DetectionTable:
    """The detections in many pictures, picture after picture, best first within each."""

    boxes: np.ndarray  # (D, 4) float32 xyxy, pixels of their pictures
    labels: np.ndarray  # (D,) int64, 1..C-1
    scores: np.ndarray  # (D,) float32
    pictures: np.ndarray  # (D,) int64, the number of the picture, rising

    @classmethod
    def join(cls, detections: Sequence[Detections]) -> DetectionTable:
        """Put the detections into one table; those of a picture may come in any order.

        Raises:
            ValueError: a score is not a number.
        """
        scores = np.concatenate([np.zeros(0, np.float32), *(one.scores for one in detections)])
        pictures = np.repeat(np.arange(len(detections)), [len(one) for one in detections])
        wrong = np.flatnonzero(np.isnan(scores))
        if len(wrong):
            raise ValueError(
                f"scores must be numbers, {len(wrong):,} of {len(scores):,} are NaN, the first in "
                f"picture number {pictures[wrong[0]] + 1}"
            )
        order = np.lexsort((-scores, pictures))
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *(one.boxes for one in detections)])
        labels = np.concatenate([np.zeros(0, np.int64), *(one.labels for one in detections)])
        return cls(boxes[order], labels[order], scores[order], pictures)

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, kept: np.ndarray) -> DetectionTable:
        """Return the detections for which `kept` (D,) bool is true, or of these rows (K,)."""
        return DetectionTable(
            self.boxes[kept], self.labels[kept], self.scores[kept], self.pictures[kept]
        )


class Closest(NamedTuple):
    """For every detection the object that it overlaps most."""

    objects: np.ndarray  # (D,) int64 row of the object table, -1 where it overlaps none
    overlaps: np.ndarray  # (D,) float32 intersection over union, 0 where it overlaps none


class Pairs(NamedTuple):
    """Detections and objects that overlap."""

    detections: np.ndarray  # (P,) int64 rows of the detection table
    objects: np.ndarray  # (P,) int64 rows of the object table
    overlaps: np.ndarray  # (P,) float32 intersection over union, above 0


class Outcome(NamedTuple):
    """What became of every detection; one that is neither true positive nor ignored is false."""

    true_positive: np.ndarray  # (D,) bool, it found an object
    ignored: np.ndarray  # (D,) bool, it found a difficult object, which does not count
    closest: Closest  # objects of its own class

    @property
    def false_positive(self) -> np.ndarray:
        """(D,) bool."""
        return ~self.true_positive & ~self.ignored


class Matches(NamedTuple):
    """Every detection that counts, in the order of the pictures, and whether it found an object."""

    scores: np.ndarray  # (D,) float32
    labels: np.ndarray  # (D,) int64
    true_positive: np.ndarray  # (D,) bool
    object_counts: np.ndarray  # (C,) int64 objects of each class, without the difficult ones


def match_detections(
    detections: Sequence[Detections],
    truths: Sequence[Truth],
    num_classes: int,
    iou_threshold: float = 0.5,
) -> Matches:
    """Find out which detections are true positives; those of difficult objects are left out.

    Args:
        detections: one for each picture.
        truths: the same pictures in the same order, boxes in the same pixels.
        num_classes: C, BACKGROUND included.
        iou_threshold: the overlap that a true positive has to exceed.

    Raises:
        ValueError: the two are not of the same number of pictures, a label is not below C, or a
            score is not a number.
    """
    require_same_pictures(detections, truths)
    found, objects = DetectionTable.join(detections), ObjectTable.join(truths)
    return matches_of(found, objects, match_tables(found, objects, iou_threshold), num_classes)


def require_same_pictures(detections: Sequence[Detections], truths: Sequence[Truth]) -> None:
    """Refuse detections and truths that cannot be of the same pictures."""
    if len(detections) != len(truths):
        raise ValueError(
            "detections and truths must be of the same pictures, "
            f"got {len(detections)} and {len(truths)}"
        )


def matches_of(
    found: DetectionTable, objects: ObjectTable, outcome: Outcome, num_classes: int
) -> Matches:
    """Return what average precision needs to know of an outcome."""
    if len(objects) and objects.labels.max() >= num_classes:
        raise ValueError(
            f"labels must be below the number of classes, {num_classes}, got {objects.labels.max()}"
        )
    counts = ~outcome.ignored
    return Matches(
        found.scores[counts],
        found.labels[counts],
        outcome.true_positive[counts],
        objects.counts_per_class(num_classes),
    )


def match_tables(
    found: DetectionTable, objects: ObjectTable, iou_threshold: float = 0.5
) -> Outcome:
    """Find out what became of every detection (D)."""
    closest = closest_objects(found, objects)
    hits = np.flatnonzero(closest.overlaps > iou_threshold)
    ignored = np.zeros(len(found), bool)
    ignored[hits] = objects.difficult[closest.objects[hits]]
    # The detections of a picture stand best first, so the first of an object is the best of it.
    true_positive = np.zeros(len(found), bool)
    true_positive[hits[np.unique(closest.objects[hits], return_index=True)[1]]] = True
    return Outcome(true_positive & ~ignored, ignored, closest)


def closest_objects(
    found: DetectionTable, objects: ObjectTable, of_other_classes: bool = False
) -> Closest:
    """Return for every detection the object of its picture that it overlaps most.

    Args:
        of_other_classes: look at the objects of other classes instead of those of its own.
    """
    rows, overlaps = np.full(len(found), -1), np.zeros(len(found), np.float32)
    for pairs in overlapping_pairs(found, objects, of_other_classes):
        first = np.flatnonzero(np.diff(pairs.detections, prepend=-1))  # where a detection begins
        detections = pairs.detections[first]
        overlaps[detections] = np.maximum.reduceat(pairs.overlaps, first)
        best = np.flatnonzero(pairs.overlaps == overlaps[pairs.detections])[::-1]
        # Backwards, so that of equal overlaps the first object stays.
        rows[pairs.detections[best]] = pairs.objects[best]
    return Closest(rows, overlaps)


def overlapping_pairs(
    found: DetectionTable, objects: ObjectTable, of_other_classes: bool = False
) -> Iterator[Pairs]:
    """Yield the pairs of a detection and an object of one picture that overlap, in portions.

    They come by detection, and those of one detection by object, all in one portion.

    Args:
        of_other_classes: pairs of different classes instead of those of one class.
    """
    found_keys, object_keys = found.pictures, objects.pictures
    if not of_other_classes:
        classes = 1 + max(found.labels.max(initial=0), objects.labels.max(initial=0))
        found_keys = found_keys * classes + found.labels
        object_keys = object_keys * classes + objects.labels
    in_order = np.argsort(object_keys, kind="stable")
    starts = np.searchsorted(object_keys[in_order], found_keys, side="left")
    counts = np.searchsorted(object_keys[in_order], found_keys, side="right") - starts
    for part in _parts(counts):
        before = np.cumsum(counts[part]) - counts[part]  # pairs before those of each detection
        detection = np.repeat(part, counts[part])
        place = np.arange(len(detection)) + np.repeat(starts[part] - before, counts[part])
        thing = in_order[place]
        overlap = overlaps_of_pairs(found.boxes[detection], objects.boxes[thing])
        kept = overlap > 0
        if of_other_classes:
            kept &= found.labels[detection] != objects.labels[thing]
        if kept.any():
            yield Pairs(detection[kept], thing[kept], overlap[kept])


def _parts(counts: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the detections (K,) that have objects to look at, so many that their pairs fit."""
    rows = np.flatnonzero(counts)
    ends = np.cumsum(counts[rows])
    start = 0
    while start < len(rows):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + PAIRS_AT_ONCE, side="right")))
        yield rows[start:stop]
        start = stop


def overlaps_of_pairs(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union (P,) of each box (P, 4) with the other (P, 4) beside it."""
    pairs = torch.from_numpy(boxes)[:, None], torch.from_numpy(others)[:, None]
    return box_iou(*pairs)[:, 0, 0].numpy()
