"""From an annotation to a sample: augmented for training, stretched for evaluation, or as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import numpy as np

from vision.pictures.reading import EncodedPicture, read_picture
from vision.structures import Annotation, Sample
from vision.transforms import resampling
from vision.transforms.colour import ColourJitter, ShuffleChannels
from vision.transforms.geometry import (
    DrawInterpolation,
    GeometryPlan,
    IoUCrop,
    Mirror,
    Reframe,
    ZoomOut,
    can_be_seen,
)

# With few pictures and few epochs, a frame that always moves a little trains better than the SSD
# paper's zooming out of half of the pictures and cutting of nearly all (docs/recipe.md).
GEOMETRY = (Reframe(), Mirror(), DrawInterpolation())
GEOMETRY_OF_THE_PAPER = (ZoomOut(), IoUCrop(), Mirror(), DrawInterpolation())
COLOURS = (ColourJitter(), ShuffleChannels())


@dataclass(frozen=True)
class TrainTransform:
    """Read, cut, mirror, stretch and recolour a picture at random."""

    size: int  # S, the side of the net's input, pixels
    fill_colour: tuple[int, int, int] = (127, 127, 127)  # RGB, around a picture that is zoomed out
    geometry: tuple[Callable, ...] = GEOMETRY  # (plan, boxes, rng) -> plan, in this order
    colours: tuple[Callable, ...] = COLOURS  # (image, rng) -> image, in this order

    def __call__(self, annotation: Annotation, rng: np.random.Generator) -> Sample:
        """Return a sample of S x S pixels with the objects that are left in it, perhaps none.

        Raises:
            PictureError: the picture file is missing or damaged.
        """
        picture = EncodedPicture.read(annotation.path, annotation.upright)
        boxes = annotation.boxes_in_pixels(picture.width, picture.height)
        plan = GeometryPlan.whole(picture.width, picture.height, self.size)
        for step in self.geometry:
            plan = step(plan, boxes, rng)
        image = resampling.draw(picture, plan, self.fill_colour)
        for distort in self.colours:
            image = distort(image, rng)
        moved = plan.apply_to_boxes(boxes)
        left = np.flatnonzero(plan.keeps(boxes) & can_be_seen(moved))
        return _sample(annotation, image, moved[left], left)


@dataclass(frozen=True)
class EvalTransform:
    """Stretch the whole picture, as a detector sees it.

    `interpolation` is "linear", as in upstream's predictor, or "nearest", exactly as in detectnet.
    """

    size: int  # S, the side of the net's input, pixels
    interpolation: str = "linear"

    def __call__(self, annotation: Annotation, rng: np.random.Generator | None = None) -> Sample:
        """Return a sample of S x S pixels with all objects; `rng` is not used.

        Raises:
            PictureError: the picture file is missing or damaged.
        """
        image = read_picture(annotation.path, annotation.upright)
        height, width = image.shape[:2]
        boxes = annotation.boxes_in_pixels(width, height)
        moved = GeometryPlan.whole(width, height, self.size).apply_to_boxes(boxes)
        stretched = resampling.resize(image, self.size, self.interpolation)
        return _sample(annotation, stretched, moved, np.arange(len(moved)))


def load_sample(annotation: Annotation, rng: np.random.Generator | None = None) -> Sample:
    """Return the whole picture, with its objects in its pixels; `rng` is not used.

    Raises:
        PictureError: the picture file is missing or damaged.
    """
    image = read_picture(annotation.path, annotation.upright)
    boxes = annotation.boxes_in_pixels(image.shape[1], image.shape[0])
    return _sample(annotation, image, boxes, np.arange(len(boxes)))


def _sample(
    annotation: Annotation, image: np.ndarray, boxes: np.ndarray, indices: np.ndarray
) -> Sample:
    return Sample(
        image=image,
        boxes=boxes,
        labels=annotation.labels[indices],
        difficult=annotation.difficult[indices],
        image_id=annotation.image_id,
        confidences=None if annotation.confidences is None else annotation.confidences[indices],
    )
