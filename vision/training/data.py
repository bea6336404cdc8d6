"""The data of a run: opened, checked, reported and balanced, as its options say."""

from __future__ import annotations

import logging
from dataclasses import replace

from vision.datasets.opening import Datasets, open_datasets
from vision.datasets.report.report import DatasetReport, inspect
from vision.datasets.sampling import balance, repeat_rare
from vision.ssd.prior_search import priors_by_resolution
from vision.training.compute.processes import is_main, main_first
from vision.training.options import TrainOptions

logger = logging.getLogger(__name__)


def open_training_data(options: TrainOptions) -> tuple[Datasets, DatasetReport | None]:
    """Read the datasets and open every picture once; say what was found. Nothing is written.

    Returns:
        Also the report for the model folder, in the main process.

    Raises:
        ValueError: if there is nothing to train or to validate on.
    """
    logger.info("Prepare training datasets.")
    with main_first():  # it fills the cache of what the pictures are
        pictures = options.picture_checks()
        datasets = open_datasets(
            options.datasets,
            options.dataset_type,
            options.validation_dataset,
            options.selection(),
            pictures=pictures,
        )
        if not len(datasets.validation):
            raise ValueError(
                "there is no picture to validate on, so no epoch would be the best; give a "
                "--validation-dataset or a --val-split above 0"
            )
    report = None
    if is_main():
        priors = priors_by_resolution(options.net, options.resolution)
        report = inspect(datasets, pictures, priors, options.resolution)
        # What else there is to say, `open_datasets` has said.
        if report.coverage and not options.fits_priors:  # else the fit says how priors lie
            logger.info(report.coverage)
        for problems in report.problems:
            if problems not in datasets.problems:
                logger.warning("%s\n  %s", problems.source, "\n  ".join(problems.summary()))
    train = datasets.train
    if not len(datasets.validation.boxes):
        logger.warning(
            "No validation picture shows an object, so there is no mAP; the best epoch is the one "
            "with the smallest training loss"
        )
    if options.balance_data:
        train = balance(train, options.seed)
    if options.balance == "sampler":
        train = repeat_rare(train, options.seed)
    logger.info("Train dataset size: %d", len(train))
    logger.info("Validation dataset size: %d", len(datasets.validation))
    return replace(datasets, train=train), report
