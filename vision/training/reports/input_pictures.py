"""`--viz-inputs`: pictures as the net sees them, for a look at data and augmentation."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from vision.loading.loaders import EpochLoader
from vision.training.reports.pictures import draw_batch
from vision.transforms import collate

logger = logging.getLogger(__name__)

INPUTS = "inputs"  # the folder in the model directory


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
