"""Mosaics of batches: what a net is fed with, and what it finds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Sequence

import numpy as np
from torch import Tensor

from vision.evaluation.evaluate import truths_of
from vision.loading.loaders import EpochLoader
from vision.pictures.mosaic import draw_comparison, draw_tile, mosaic
from vision.pictures.writing import PAGE_QUALITY, write_picture
from vision.training.validation import Examples
from vision.transforms import collate
from vision.transforms.collate import Batch

logger = logging.getLogger(__name__)

MOST = 16  # pictures of a mosaic
INPUTS = "inputs"  # the folder of `write_inputs` in the model directory


def draw_batch(batch: Batch, class_names: Sequence[str], path: Path) -> None:
    """Write a mosaic of a batch as the net sees it, boxes and class names drawn.

    Args:
        batch: images (B, 3, S, S) uint8 RGB and boxes in [0, 1]; the first 16 are drawn.
        class_names: BACKGROUND first; the index is the label.
    """
    tiles, captions = [], []
    for image, truth, image_id in zip(_pictures(batch.images), truths_of(batch), batch.image_ids):
        tiles.append(draw_tile(image, truth.boxes, truth.labels, class_names))
        captions.append(f"{image_id}: {_objects(len(truth.boxes))}")
    write_picture(path, mosaic(tiles, captions), PAGE_QUALITY)


def draw_predictions(
    examples: Examples,
    class_names: Sequence[str],
    path: Path,
    threshold: float = 0.5,
) -> None:
    """Write a mosaic of what is there, dashed, and what was found, with its scores.

    Args:
        examples: the first 16 are drawn.
        class_names: BACKGROUND first; the index is the label.
        threshold: what a score has to reach to be drawn.
    """
    tiles, captions = [], []
    images, detections, truths, image_ids = examples
    for image, found, truth, image_id in zip(_pictures(images), detections, truths, image_ids):
        kept = found.select(found.scores >= threshold)
        tiles.append(draw_comparison(image, kept, truth.boxes, truth.labels, class_names))
        captions.append(
            f"{image_id}: {_objects(len(truth.boxes))} (dashed), {len(kept)} found at {threshold:g}"
        )
    write_picture(path, mosaic(tiles, captions), PAGE_QUALITY)


def write_inputs(loader: EpochLoader, count: int, model_folder: Path) -> list[Path]:
    """Write pictures, spread over the dataset, as epoch 0 sees them; boxes and names are drawn.

    Args:
        loader: of the training; its processes are not started.
        count: how many; all that there are, where those are fewer.
        model_folder: gets the folder `inputs`, if it is not there yet.

    Returns:
        The files, by the order of the dataset.
    """
    folder = model_folder / INPUTS
    folder.mkdir(parents=True, exist_ok=True)
    dataset = loader.dataset
    count = min(count, len(dataset))
    paths = []
    for row in np.arange(count) * len(dataset) // max(1, count):
        sample = dataset[0, int(row)]
        paths.append(folder / f"{row:06d}-{Path(sample.image_id).name}.jpg")
        draw_batch(collate([sample]), dataset.class_names, paths[-1])
    logger.info("Wrote %d pictures as the net sees them into %s", len(paths), folder)
    return paths


def _pictures(images: Tensor) -> list[np.ndarray]:
    """Return the first pictures of a batch (B, 3, S, S), each (S, S, 3)."""
    return list(images[:MOST].permute(0, 2, 3, 1).cpu().numpy())


def _objects(number: int) -> str:
    return f"{number} object" if number == 1 else f"{number} objects"
