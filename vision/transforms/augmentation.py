"""From an annotation to a sample: augmented to train on, stretched to evaluate on, or as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from vision.pictures.reading import EncodedPicture, read_picture
from vision.structures import Annotation, Sample
from vision.transforms import resampling
from vision.transforms.colour import ColourJitter, ShuffleChannels
from vision.transforms.geometry import DrawInterpolation, GeometryPlan, IoUCrop, Mirror, ZoomOut

# The SSD paper zooms out half of the pictures and cuts nearly all. Less of both trains better where
# pictures are few and epochs too (docs/training.md).
GEOMETRY = (
    ZoomOut(probability=0.3),
    IoUCrop(probability=0.12),
    Mirror(),
    DrawInterpolation(),
)
COLOURS = (ColourJitter(), ShuffleChannels())


@dataclass(frozen=True)
class TrainTransform:
    """Read, cut, mirror, stretch and recolour a picture, as the generator draws it."""

    size: int
    fill_colour: tuple[int, int, int] = (127, 127, 127)  # RGB, beside a picture that is zoomed out
    geometry: tuple[Callable, ...] = GEOMETRY  # (plan, boxes, rng) -> plan, in this order
    colours: tuple[Callable, ...] = COLOURS  # (image, rng) -> image, in this order

    def __call__(self, annotation: Annotation, rng: np.random.Generator) -> Sample:
        """Return a sample of `size` x `size` pixels and the objects left in it, perhaps none.

        Raises:
            PictureError: the picture file is missing or damaged.
        """
        picture = EncodedPicture.read(annotation.path)
        boxes = annotation.boxes_in_pixels(picture.width, picture.height)
        plan = GeometryPlan.whole(picture.width, picture.height, self.size)
        for step in self.geometry:
            plan = step(plan, boxes, rng)
        image = resampling.draw(picture, plan, self.fill_colour)
        for distort in self.colours:
            image = distort(image, rng)
        return _sample(annotation, image, *_objects_left(plan, boxes))


@dataclass(frozen=True)
class EvalTransform:
    """Stretch the whole picture, the way the finished detector gets it.

    `interpolation` is "linear", as in upstream's predictor, or "nearest", exactly as in detectnet.
    """

    size: int
    interpolation: str = "linear"

    def __call__(self, annotation: Annotation, rng: np.random.Generator | None = None) -> Sample:
        """Return a sample of `size` x `size` pixels with all objects; nothing is drawn from `rng`.

        Raises:
            PictureError: the picture file is missing or damaged.
        """
        image = read_picture(annotation.path)
        height, width = image.shape[:2]
        boxes = annotation.boxes_in_pixels(width, height)
        moved = GeometryPlan.whole(width, height, self.size).apply_to_boxes(boxes)
        stretched = resampling.resize(image, self.size, self.interpolation)
        return _sample(annotation, stretched, moved, np.arange(len(moved)))


def load_sample(annotation: Annotation) -> Sample:
    """Return the picture as it is on disk, and its objects in its pixels.

    Raises:
        PictureError: the picture file is missing or damaged.
    """
    image = read_picture(annotation.path)
    boxes = annotation.boxes_in_pixels(image.shape[1], image.shape[0])
    return _sample(annotation, image, boxes, np.arange(len(boxes)))


def _objects_left(plan: GeometryPlan, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the boxes (M, 4) that are left, in pixels of the square, and their indices (M,)."""
    moved = plan.apply_to_boxes(boxes)
    # Narrower than a pixel of its input, an object is nothing that a network could see.
    visible = ((moved[:, 2:] - moved[:, :2]) >= 1).all(axis=1)
    left = np.flatnonzero(plan.keeps(boxes) & visible)
    return moved[left], left


def _sample(
    annotation: Annotation, image: np.ndarray, boxes: np.ndarray, indices: np.ndarray
) -> Sample:
    return Sample(
        image=image,
        boxes=boxes,
        labels=annotation.labels[indices],
        difficult=annotation.difficult[indices],
        image_id=annotation.image_id,
    )
