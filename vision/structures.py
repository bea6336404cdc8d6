"""The types that all rooms share: what is marked on a picture, and what was found in one.

Boxes are xyxy in pixels of the picture that they travel with; x runs right and y runs down. A box
covers [x1, x2) x [y1, y2): its width is x2 - x1, and a whole picture is (0, 0, width, height).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator, Sequence

import numpy as np

# detectnet feeds every net (pixel - 127.5) / 127.5. New trainings do the same, except those of VGG.
DETECTNET_MEAN = DETECTNET_STD = 127.5
DETECTNET_THRESHOLD = 0.5  # the least score that it shows, if it is not told otherwise


@dataclass(frozen=True, eq=False)
class Sample:
    """A picture and the objects marked on it; without objects, boxes are (0, 4)."""

    image: np.ndarray  # (H, W, 3) uint8 RGB
    boxes: np.ndarray  # (N, 4) float32 xyxy, pixels of `image`
    labels: np.ndarray  # (N,) int64, 1..C-1; 0 is BACKGROUND and never marks an object
    difficult: np.ndarray  # (N,) bool, PASCAL's "do not count this one"; all False elsewhere
    image_id: str
    confidences: np.ndarray | None = None  # (N,) float32 in [0, 1], a teacher's; None: people's

    def __post_init__(self) -> None:
        """Check that the arrays fit each other."""
        image = self.image
        is_picture = image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8
        _check(is_picture, "image must be (H, W, 3) uint8", image, self.image_id)
        _check_objects(self)


@dataclass(frozen=True, eq=False)
class Annotation:
    """The objects marked on a picture whose file has not been opened yet."""

    image_id: str
    path: str  # of the picture file
    boxes: np.ndarray  # (N, 4) float32 xyxy, pixels of the picture as `upright` says
    labels: np.ndarray  # (N,) int64, 1..C-1
    difficult: np.ndarray  # (N,) bool
    relative: bool = False  # boxes are fractions of the picture, not pixels
    upright: bool = True  # of the picture turned as EXIF says, not as it is stored
    confidences: np.ndarray | None = None  # (N,) float32 in [0, 1], a teacher's; None: people's

    def __post_init__(self) -> None:
        """Check that the arrays fit each other."""
        _check_objects(self)

    def boxes_in_pixels(self, width: int, height: int) -> np.ndarray:
        """Return the boxes as (N, 4) float32 xyxy pixels of the picture, clipped to it."""
        limits = np.array([width, height, width, height], np.float32)
        boxes = self.boxes * limits if self.relative else self.boxes
        return np.clip(boxes, 0, limits, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Detections:
    """What a net found in one picture, best first. Unpacks as `boxes, labels, scores`."""

    boxes: np.ndarray  # (K, 4) float32 xyxy, pixels of the picture that was given
    labels: np.ndarray  # (K,) int64, 1..C-1
    scores: np.ndarray  # (K,) float32 in [0, 1], descending

    def __post_init__(self) -> None:
        """Check that the arrays fit each other."""
        _check_rows(self.boxes, {"labels": self.labels, "scores": self.scores})

    @classmethod
    def none(cls) -> Detections:
        """Return what is found where nothing is found."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, np.float32))

    def select(self, kept: np.ndarray | Sequence[int]) -> Detections:
        """Return the detections for which `kept` (K,) bool is true, or of these rows."""
        return Detections(self.boxes[kept], self.labels[kept], self.scores[kept])

    def __len__(self) -> int:
        return len(self.boxes)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.boxes, self.labels, self.scores))


def _check_objects(marked: Sample | Annotation) -> None:
    labels, image_id = marked.labels, marked.image_id
    columns = {"labels": labels, "difficult": marked.difficult}
    if marked.confidences is not None:
        columns["confidences"] = marked.confidences
    _check_rows(marked.boxes, columns, image_id)
    if len(labels) and labels.min() < 1:
        raise ValueError(
            f"labels must be 1 or more (0 is BACKGROUND), got {labels.min()} in {image_id}"
        )


def _check_rows(boxes: np.ndarray, columns: dict[str, np.ndarray], image_id: str = "") -> None:
    """Check that boxes are (N, 4) and that every column has one value a box."""
    _check(boxes.ndim == 2 and boxes.shape[1] == 4, "boxes must be (N, 4)", boxes, image_id)
    for name, array in columns.items():
        rule = f"{name} must be {boxes.shape[:1]} like boxes {boxes.shape}"
        _check(array.shape == boxes.shape[:1], rule, array, image_id)


def _check(condition: bool, rule: str, array: np.ndarray, image_id: str = "") -> None:
    if not condition:
        where = f" in {image_id}" if image_id else ""
        raise ValueError(f"{rule}, got {array.shape} {array.dtype}{where}")
