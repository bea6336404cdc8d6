"""What is on the pictures of a split and what was found in them, kept as tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterable, NamedTuple, Sequence

import numpy as np

from vision.evaluation.matching import DetectionTable, GroundTruth, ObjectTable
from vision.structures import Detections


class EvaluatedPicture(NamedTuple):
    """Which picture it is."""

    image_id: str
    path: str  # of the picture file
    width: int  # pixels of the picture in which boxes are given
    height: int
    upright: bool = True  # turned as EXIF says, not as it is stored


@dataclass(frozen=True, eq=False)
class Collection:
    """The pictures of a split, their objects, and the detections of one detector."""

    class_names: list[str]  # BACKGROUND first; the index is the label
    pictures: list[EvaluatedPicture]
    objects: ObjectTable
    found: DetectionTable

    @property
    def num_classes(self) -> int:
        """Return C, BACKGROUND included."""
        return len(self.class_names)

    def name(self, label: int) -> str:
        """Return the name of a class."""
        return self.class_names[label]

    def object_counts(self) -> np.ndarray:
        """Return the objects of every class (C,) int64, without the difficult ones."""
        return self.objects.counts_per_class(self.num_classes)

    def sides(self, resolution: int | None) -> np.ndarray:
        """Return how large the objects (M,) are: the side of a square of their area, in pixels.

        Args:
            resolution: S, pixels of the square that the net sees; None for pixels of the picture.
        """
        sizes = self.objects.boxes[:, 2:] - self.objects.boxes[:, :2]
        if resolution is not None:
            frames = np.array([one[2:4] for one in self.pictures], np.float32).reshape(-1, 2)
            sizes = sizes / frames[self.objects.pictures] * np.float32(resolution)
        return np.sqrt(np.prod(sizes, axis=1))


def collect(
    results: Iterable[tuple[EvaluatedPicture, GroundTruth, Detections]], class_names: Sequence[str]
) -> Collection:
    """Gather what is there and what was found, picture by picture.

    Only boxes, labels and scores are kept, so that memory grows with the detections.

    Args:
        results: of every picture once, boxes in its pixels.
        class_names: BACKGROUND first; the index is the label.
    """
    pictures: list[EvaluatedPicture] = []
    truths: list[GroundTruth] = []
    detections: list[Detections] = []
    for facts, truth, found in results:
        pictures.append(facts)
        truths.append(truth)
        detections.append(found)
    return Collection(
        list(class_names), pictures, ObjectTable.join(truths), DetectionTable.join(detections)
    )
