"""The data of a run: opened, checked, reported and balanced, as its options say."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import torch

from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.drawn_split import HELD_OUT, HeldOut, held_out_of
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.likeness import same_content
from vision.datasets.opening import Datasets, open_datasets
from vision.datasets.options import REPORT_FILE
from vision.datasets.report.report import inspect
from vision.datasets.sampling import balance, repeat_rare
from vision.datasets.splits import rows_in, without_copies_of
from vision.ssd.prior_search import priors_by_resolution
from vision.training.compute.processes import from_main, is_main, main_first
from vision.training.options import TrainOptions
from vision.training.teaching import TAUGHT, Taught, taught_before, teach

logger = logging.getLogger(__name__)


class Writable(Protocol):
    """Something for the model folder."""

    def write(self, path: Path) -> None:
        """Write its file."""


class TrainingData(NamedTuple):
    """What a run trains and validates on, and what it writes about it."""

    datasets: Datasets
    files: dict[str, Writable]  # by their names in the model folder; of the main process


def open_training_data(
    options: TrainOptions, device: torch.device, earlier: Path | None = None
) -> TrainingData:
    """Read the datasets and open every picture once; say what was found. Nothing is written.

    Args:
        options: of the run.
        device: for the teacher, if there is one.
        earlier: the model folder of the run that goes on.

    Raises:
        ValueError: if there is nothing to train or to validate on.
    """
    logger.info("Prepare training datasets.")
    pictures = options.picture_checks()
    datasets = _open(options, pictures, earlier)
    files: dict[str, Writable] = {}
    if is_main():
        priors = priors_by_resolution(options.net, options.resolution)
        report = inspect(datasets, pictures, priors, options.resolution)
        # What else there is to say, `open_datasets` has said.
        if report.coverage and not options.fits_priors:  # else the fit says how priors lie
            logger.info(report.coverage)
        for problems in report.problems:
            if problems not in datasets.problems:
                logger.warning("%s\n  %s", problems.source, "\n  ".join(problems.summary()))
        files[REPORT_FILE] = report
        if datasets.held_out.pictures:
            files[HELD_OUT] = datasets.held_out
    train = datasets.train
    if options.teacher:
        marked = from_main(_taught(options, datasets, device, earlier) if is_main() else None)
        assert marked is not None  # the main process has made it, or has raised an error
        files[TAUGHT] = marked
        train = _with_taught(datasets, marked)
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
    return TrainingData(replace(datasets, train=train), files)


def _open(options: TrainOptions, pictures: PictureChecks, earlier: Path | None) -> Datasets:
    """Open the folders; what a run has held out before, it holds out again."""
    before = from_main(held_out_of(earlier) if is_main() and earlier else HeldOut())
    drawn = before.for_draw(options.val_split, options.seed)
    with main_first():  # it fills the cache of what the pictures are
        datasets = open_datasets(
            options.datasets,
            options.dataset_type,
            options.validation_dataset,
            replace(options.selection(), held_out=drawn),
            pictures=pictures,
        )
        if not len(datasets.validation):
            raise ValueError(
                datasets.no_validation
                or "there is no picture to validate on, so no epoch would be the best; give a "
                "--validation-dataset or a --val-split above 0"
            )
    return datasets


def _with_taught(datasets: Datasets, taught: Taught) -> AnnotationIndex:
    """Return the training part with what a teacher has marked, but nothing that is validated on."""
    logger.info("%s", taught.summary())
    names, train = datasets.class_names, datasets.train
    marked = taught.index(names, train.upright)
    labelled = rows_in(marked.paths, train.paths) | same_content(marked.paths, train.paths)
    if labelled.any():
        logger.info("%d of them have labels already, which count", labelled.sum())
    train = concatenate([train, marked.select(~labelled)], names)
    train, sentence = without_copies_of(datasets.validation, train)
    if sentence:
        logger.info("%s", sentence)
    return train


def _taught(
    options: TrainOptions, datasets: Datasets, device: torch.device, earlier: Path | None
) -> Taught:
    """Return what the teacher marks, or has marked before the run was interrupted."""
    before = taught_before(earlier, options, datasets.class_names) if earlier else None
    return before or teach(options, datasets.class_names, datasets.train.upright, device)
