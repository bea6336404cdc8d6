"""The pictures that a training held out, opened again by what its model directory says."""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.opening import open_split
from vision.datasets.options import DataOptions
from vision.datasets.run_data import data_of_run
from vision.loading.dataset import DetectionDataset
from vision.structures import Sample

logger = logging.getLogger(__name__)


def open_held_out(
    model_dir: Path,
    folders: Sequence[Path] | None = None,
    typed: Mapping[str, Any] | None = None,
) -> AnnotationIndex | None:
    """Return the validation part of dataset folders, or of those that a run was trained on.

    Its classes are those of the data, or those of them that are chosen.

    Args:
        model_dir: of the run; its training_args.json says what was held out, and how.
        folders: datasets to take in place of those of the run.
        typed: `DataOptions` that win over those of the run.

    Returns:
        None if neither `folders` nor the run name a dataset, or that of the run cannot be read and
        nothing of it was typed.

    Raises:
        OSError: if `folders`, or the data of which something was typed, cannot be read.
        ValueError: if there is no picture in their validation part, or not what was typed.
    """
    run = data_of_run(model_dir, folders or ())
    if not run.folders:
        return None
    options = DataOptions.of(run.options, typed or {})
    try:
        index = open_split(
            run.folders,
            options.dataset_type,
            "val",
            selection=run.selection(options),
            pictures=options.picture_checks(),
        )
        if not len(index):
            raise ValueError(f"{', '.join(map(str, run.folders))} has no validation picture")
    except (OSError, ValueError) as error:
        if folders or {one.name for one in fields(DataOptions)} & set(typed or ()):
            raise
        logger.warning("what the run was validated on cannot be used: %s", error)
        return None
    return index


def spread_samples(index: AnnotationIndex, count: int) -> Iterator[Sample]:
    """Read up to `count` pictures spread evenly over an index: neighbours are often alike."""
    dataset = DetectionDataset(index)
    for row in np.unique(np.linspace(0, len(index) - 1, min(count, len(index))).astype(int)):
        yield dataset[int(row)]
