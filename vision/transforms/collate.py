"""Putting samples together into a batch, where boxes change from pixels to fractions."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np
import torch
from torch import Tensor

from vision.structures import Sample

FEWEST_ROOM = 4  # objects; of a batch without any object the shape is no other one either


class Batch(NamedTuple):
    """Pictures and their objects; M is what `padded_count` says of the fullest picture."""

    images: Tensor  # (B, 3, S, S) uint8 RGB, in channels_last memory
    boxes: Tensor  # (B, M, 4) float32 xyxy in [0, 1], 0 where padded
    labels: Tensor  # (B, M) int64, 0 where padded
    difficult: Tensor  # (B, M) bool, False where padded
    image_ids: list[str]
    confidences: Tensor | None = None  # (B, M) float32, a teacher's, 0 where padded; None: people's

    def to(self, device: torch.device, non_blocking: bool = False) -> Batch:
        """Return the batch with its tensors on `device`."""
        tensors = (self.images, self.boxes, self.labels, self.difficult)
        images, boxes, labels, difficult = (
            tensor.to(device, non_blocking=non_blocking) for tensor in tensors
        )
        confidences = self.confidences
        if confidences is not None:
            confidences = confidences.to(device, non_blocking=non_blocking)
        return Batch(images, boxes, labels, difficult, self.image_ids, confidences)

    def select(self, row: int) -> Batch:
        """Return the batch of one picture."""
        one = slice(row, row + 1)
        return Batch(
            self.images[one],
            self.boxes[one],
            self.labels[one],
            self.difficult[one],
            self.image_ids[one],
            None if self.confidences is None else self.confidences[one],
        )


def padded_count(most: int) -> int:
    """Return for how many objects a batch has room whose fullest picture has `most`.

    Only 4, 6, 8, 12, 16, 24, and so on: what is compiled for a shape, or recorded as a CUDA graph,
    then serves many batches. From 5 objects on less than a third of the room stays empty.
    """
    power = max(FEWEST_ROOM, 1 << (most - 1).bit_length())
    three_quarters = max(FEWEST_ROOM, power * 3 // 4)
    return three_quarters if most <= three_quarters else power


def collate(samples: Sequence[Sample]) -> Batch:
    """Put samples of one size together into a batch.

    Raises:
        ValueError: there are no samples, or their pictures differ in size.
    """
    if not samples:
        raise ValueError("a batch needs at least one sample, got none")
    for sample in samples:
        if sample.image.shape != samples[0].image.shape:
            raise ValueError(
                f"all pictures of a batch must be {samples[0].image.shape} like "
                f"{samples[0].image_id}, got {sample.image.shape} in {sample.image_id}"
            )
    height, width = samples[0].image.shape[:2]
    shape = len(samples), padded_count(max(len(sample.labels) for sample in samples))
    boxes = np.zeros((*shape, 4), np.float32)
    labels = np.zeros(shape, np.int64)
    difficult = np.zeros(shape, bool)
    taught = any(sample.confidences is not None for sample in samples)
    confidences = np.zeros(shape, np.float32) if taught else None
    for row, sample in enumerate(samples):
        count = len(sample.labels)
        boxes[row, :count] = sample.boxes / np.array([width, height, width, height], np.float32)
        labels[row, :count] = sample.labels
        difficult[row, :count] = sample.difficult
        if confidences is not None:
            confidences[row, :count] = 1 if sample.confidences is None else sample.confidences
    images = torch.from_numpy(np.stack([sample.image for sample in samples]))  # (B, S, S, 3)
    return Batch(
        images.permute(0, 3, 1, 2),
        torch.from_numpy(boxes),
        torch.from_numpy(labels),
        torch.from_numpy(difficult),
        [sample.image_id for sample in samples],
        None if confidences is None else torch.from_numpy(confidences),
    )
