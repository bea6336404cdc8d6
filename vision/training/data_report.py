"""What the checks say of the data that is about to be trained on."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import Datasets
from vision.datasets.report.inspection import inspect
from vision.ssd import NETS
from vision.ssd.priors import generate_priors

logger = logging.getLogger(__name__)

# Input sizes that can be advised where no prior fits the objects.
RESOLUTIONS = (300, 400, 512, 640, 800, 1024)


def priors_by_resolution(net: str, resolution: int) -> dict[int, np.ndarray]:
    """Return the priors (P, 4) cxcywh in [0, 1] of a net at a resolution and at larger ones."""
    config = NETS[net].config
    sides = [resolution, *(side for side in RESOLUTIONS if side > resolution)]
    return {side: generate_priors(config(side).prior_specs, side).numpy() for side in sides}


def report_data(
    datasets: Datasets, pictures: PictureChecks, net: str, resolution: int, folder: Path
) -> None:
    """Log ten lines about the data, and write all of it to dataset_report.json in `folder`."""
    report = inspect(datasets, pictures, priors_by_resolution(net, resolution), resolution)
    for line in report.summary():
        logger.info(line)
    report.write(folder)
