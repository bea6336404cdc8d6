"""Preprocessing, augmentation, batches."""

from vision.transforms.augmentation import EvalTransform, TrainTransform, load_sample
from vision.transforms.collate import Batch, collate
from vision.transforms.resampling import resize

__all__ = [
    "Batch",
    "EvalTransform",
    "TrainTransform",
    "collate",
    "load_sample",
    "resize",
]
