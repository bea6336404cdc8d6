"""Augmentation by a pipeline file of Albumentations, in place of `TrainTransform`."""

from __future__ import annotations

import json
import os
import random
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from vision.pictures.reading import read_picture
from vision.structures import Annotation, Sample
from vision.transforms import resampling
from vision.transforms.geometry import can_be_seen
from vision.utils.files import read_regular

HOW_TO_SAVE = (
    "save it with albumentations.save(albumentations.Compose([...], "
    'bbox_params=albumentations.BboxParams("pascal_voc")), FILE)'
)


class AlbumentationsTransform:
    """Augment as a pipeline file says, then stretch to a square if the pipeline does not.

    All randomness comes from the generator given. The file decides which objects are dropped
    (min_area, min_visibility, ...); its box format and label fields do not matter, they are
    replaced.

    Args:
        path: of a .json or .yaml file, written by `albumentations.save`.
        size: S, the side of the square, pixels.

    Raises:
        ValueError: if the file is missing or holds no pipeline for boxes.
        ImportError: if Albumentations is not installed.
    """

    def __init__(self, path: str | Path, size: int) -> None:
        self.path, self.size = Path(path), size
        self.pipeline = _build(_read(self.path), self.path)

    def __call__(self, annotation: Annotation, rng: np.random.Generator) -> Sample:
        """Return a sample of S x S pixels with the objects that are left in it, perhaps none.

        Raises:
            PictureError: the picture file is missing or damaged.
            ValueError: the pipeline fails, or returns no uint8 RGB picture.
        """
        picture = read_picture(annotation.path, annotation.upright)
        boxes = annotation.boxes_in_pixels(picture.shape[1], picture.shape[0])
        # Albumentations refuses boxes without an area.
        present = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
        image, boxes, left = self._draw(picture, boxes[present], present, rng)
        height, width = image.shape[:2]
        boxes = boxes * (self.size / np.array([width, height, width, height]))
        boxes = boxes.clip(0, self.size).astype(np.float32)
        visible = can_be_seen(boxes)
        boxes, left = boxes[visible], left[visible]
        if image.shape[:2] != (self.size, self.size):
            image = resampling.resize(image, self.size, "linear")
        return Sample(
            image=np.ascontiguousarray(image),
            boxes=boxes,
            labels=annotation.labels[left],
            difficult=annotation.difficult[left],
            image_id=annotation.image_id,
            confidences=None if annotation.confidences is None else annotation.confidences[left],
        )

    def _draw(
        self, picture: np.ndarray, boxes: np.ndarray, objects: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the pipeline; return the picture, the boxes (M, 4) and their numbers (M,)."""
        seed = int(rng.integers(2**32))
        try:
            with _seeded(self.pipeline, seed):
                result = self.pipeline(
                    image=picture, bboxes=boxes.tolist(), objects=objects.tolist()
                )
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"the pipeline {self.path} fails: {error}") from error
        image = result["image"]
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
            raise ValueError(
                f"the pipeline {self.path} must return (H, W, 3) uint8, it returns "
                f"{tuple(image.shape)} {image.dtype}; leave Normalize, ToFloat and ToTensorV2 out"
            )
        boxes = np.array(result["bboxes"], np.float64).reshape(-1, 4)
        return image, boxes, np.array(result["objects"]).astype(np.int64)


def _read(path: Path) -> dict[str, Any]:
    """Read a saved pipeline as plain data, with its boxes and labels as they are given here."""
    if not path.is_file():
        raise ValueError(f"there is no pipeline file {path}; {HOW_TO_SAVE}")
    try:
        text = read_regular(path).decode("utf-8")
        content = json.loads(text) if path.suffix.lower() == ".json" else _parse_yaml(text)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is not JSON or YAML: {reason}; {HOW_TO_SAVE}") from None
    transform = content.get("transform") if isinstance(content, dict) else None
    if not isinstance(transform, dict) or "transforms" not in transform:
        raise ValueError(f"{path} must hold an Albumentations Compose; {HOW_TO_SAVE}")
    if not transform.get("bbox_params"):
        raise ValueError(f"the pipeline {path} has no bbox_params, so it moves no boxes; "
                         f"{HOW_TO_SAVE}")  # fmt: skip
    boxes = {**transform["bbox_params"], "format": "pascal_voc", "label_fields": ["objects"]}
    return {**content, "transform": {**transform, "bbox_params": boxes}}


def _parse_yaml(text: str) -> Any:
    """Return what a YAML text holds; like JSON's parser, raise ValueError for anything else."""
    try:
        import yaml
    except ImportError:
        raise ImportError(
            "a pipeline in YAML needs PyYAML, which comes with Albumentations; "
            "pip install albumentations, or save it as .json"
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None


def _build(content: dict[str, Any], path: Path) -> Any:
    # Without this, every worker would ask the internet for a newer version of Albumentations.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    try:
        import albumentations
    except ImportError as error:
        raise ImportError(
            f"--augmentation {path} needs Albumentations ({error}); pip install albumentations, or "
            "leave the option out"
        ) from None
    try:
        return albumentations.from_dict(content)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} was saved by Albumentations {content.get('__version__')}, which "
            f"{albumentations.__version__} cannot read: {type(error).__name__} {error}"
        ) from None


@contextmanager
def _seeded(pipeline: Any, seed: int) -> Iterator[None]:
    """Make a pipeline draw from `seed` only.

    Albumentations up to 1.4 draws from the global generators; they get their state back afterwards.
    """
    if hasattr(pipeline, "set_random_seed"):
        pipeline.set_random_seed(seed)
        yield
        return
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
