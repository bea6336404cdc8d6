"""Reading pictures, preprocessing, augmentation, batches."""

from vision.transforms.augmentation import EvalTransform, TrainTransform, load_sample
from vision.transforms.collate import Batch, collate
from vision.transforms.picture import (
    EncodedPicture,
    PictureError,
    read_picture,
    read_picture_size,
)
from vision.transforms.resampling import resize

__all__ = [
    "Batch",
    "EncodedPicture",
    "EvalTransform",
    "PictureError",
    "TrainTransform",
    "collate",
    "load_sample",
    "read_picture",
    "read_picture_size",
    "resize",
]
