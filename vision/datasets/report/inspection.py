"""The last look at a dataset before it is trained on, and the report about it."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, NamedTuple

import numpy as np

from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import Problems
from vision.datasets.copies import report_copies
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.opening import Datasets, Kinds, Roots
from vision.datasets.report.prior_coverage import fit_priors
from vision.datasets.report.report import Report
from vision.datasets.selection import EVERYTHING, Selection
from vision.datasets.source import Source


class HeldOutTest(NamedTuple):
    """Pictures that are neither trained nor validated on."""

    index: AnnotationIndex
    problems: list[Problems]


def inspect(
    datasets: Datasets,
    pictures: PictureChecks,
    priors: Mapping[int, np.ndarray],
    resolution: int = 300,
    test: HeldOutTest | None = None,
) -> Report:
    """Look for copies of pictures, compare boxes with priors, and report what was found before.

    Args:
        datasets: as `open_datasets` returns them when given the same `pictures`.
        priors: of the net, (P, 4) cxcywh in [0, 1], by resolution; those of `resolution` must be
            there, larger ones are what can be advised.
        test: what `open_test_part` returned, to be in the report.
    """
    copies = Problems("pictures compared")
    report_copies(datasets.train, pictures.scanner, copies)
    parts = {"train": datasets.train, "val": datasets.validation}
    problems = list(datasets.problems)
    if test is not None:
        parts["test"] = test.index
        problems += test.problems
    return Report(
        parts,
        datasets.lines,
        [one for one in [*problems, copies] if one],
        [one.source for one in datasets.problems],
        resolution,
        fit_priors(datasets.train, priors, resolution),
    )


def open_test_part(
    roots: Roots,
    kind: Kinds,
    datasets: Datasets,
    selection: Selection = EVERYTHING,
    pictures: PictureChecks | None = None,
) -> HeldOutTest | None:
    """Read the stated test parts of folders, if `open_datasets` had other pictures to validate on.

    The pictures that are in training or validation too are left out.
    """
    paths = [roots] if isinstance(roots, (str, Path)) else list(roots)
    kinds = [kind] * len(paths) if isinstance(kind, str) else list(kind)
    used = {*datasets.train.paths, *datasets.validation.paths}
    found = HeldOutTest(datasets.validation.select([]), [])
    for path, one in zip(paths, kinds):
        source = Source(path, one, pictures, selection)
        if not source.read("test"):
            continue
        source.settle(datasets.class_names)
        index = source.parts["test"]
        new = np.fromiter((name not in used for name in index.paths), bool, len(index))
        if new.any():
            joined = concatenate([found.index, index.select(new)], datasets.class_names)
            found = HeldOutTest(joined, [*found.problems, source.problems])
    return found if len(found.index) else None
