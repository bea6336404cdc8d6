"""The last look at a dataset before it is trained on, and the report about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping

import numpy as np

from vision.datasets.copies import report_copies, without_copies
from vision.datasets.opening import Datasets
from vision.datasets.picture_checks import PictureChecks
from vision.datasets.prior_fit import fit_priors
from vision.datasets.problems import Problems
from vision.datasets.report import Report


def inspect(
    datasets: Datasets,
    pictures: PictureChecks,
    priors: Mapping[int, np.ndarray],
    resolution: int = 300,
) -> tuple[Datasets, Report]:
    """Compare the contents of all pictures and the sizes of all boxes; return what to train on.

    Args:
        datasets: as `open_datasets` returns them when given the same `pictures`.
        priors: of the net, (P, 4) cxcywh in [0, 1], by resolution; those of `resolution` must be
            there, larger ones are what can be advised.

    Raises:
        ValueError: every picture to train on is validated on too.
    """
    found = Problems("pictures compared")
    report_copies(datasets.train, pictures.scanner, found)
    train = without_copies(datasets.train, datasets.validation, pictures.scanner, found)
    datasets = replace(datasets, train=train)
    problems = [*datasets.problems, *([found] if found else [])]
    report = Report(
        {"train": train, "validation": datasets.validation},
        datasets.lines,
        problems,
        resolution,
        fit_priors(train, priors, resolution),
    )
    return datasets, report
