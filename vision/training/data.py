"""The data of a run, as options choose them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Sequence

from vision.datasets.checks.picture_scan import PictureScanner, default_cache_folder
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import Datasets, open_datasets
from vision.datasets.sampling import balance, repeat_rare
from vision.datasets.selection import parse_selection

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataChoice:
    """Which pictures and objects to take; the fields are named as the options of train_ssd.py."""

    datasets: Sequence[Path]
    dataset_type: str = "auto"
    validation_dataset: Path | None = None
    val_split: float = 0.2
    classes: str = ""
    class_map: str = ""
    negatives: str = "keep"
    balance: str = "none"
    balance_data: bool = False
    exif: str = "auto"
    seed: int = 0


def open_data(choice: DataChoice) -> tuple[Datasets, PictureChecks]:
    """Read the datasets and open every picture once; return them, and what that has shown.

    Raises:
        ValueError: if there is nothing to train or to validate on.
    """
    selection = parse_selection(choice.classes, choice.class_map, choice.negatives)
    selection = replace(selection, val_split=choice.val_split, seed=choice.seed)
    pictures = PictureChecks(PictureScanner(default_cache_folder()), choice.exif)
    datasets = open_datasets(
        choice.datasets,
        choice.dataset_type,
        choice.validation_dataset,
        selection,
        pictures=pictures,
    )
    if not len(datasets.validation):
        raise ValueError(
            "there is no picture to validate on, so no epoch would be the best; give a "
            "--validation-dataset or a --val-split above 0"
        )
    return datasets, pictures


def balanced(datasets: Datasets, choice: DataChoice) -> Datasets:
    """Leave out or repeat pictures of the training part, as the options say."""
    train = datasets.train
    if choice.balance_data:
        train = balance(train, choice.seed)
    if choice.balance == "sampler":
        train = repeat_rare(train, choice.seed)
    logger.info("Train dataset size: %d", len(train))
    logger.info("Validation dataset size: %d", len(datasets.validation))
    return replace(datasets, train=train)
