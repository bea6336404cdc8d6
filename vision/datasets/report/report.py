"""Inspect a dataset before it is trained on: some lines for the screen, everything in a file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, NamedTuple, Sequence

import numpy as np

from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.problems import (
    KINDS,
    LISTED_PER_KIND,
    SEVERITIES,
    Problems,
    explain_unusable,
)
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.likeness import report_copies, report_tested
from vision.datasets.opening import Datasets, Kinds, Roots, describe_part, open_folders
from vision.datasets.report.prior_coverage import DatasetCoverage, measure_coverage
from vision.datasets.selection import EVERYTHING, Selection
from vision.utils.files import atomic_write

SIDES = (0, 8, 16, 32, 64, 128, 256)  # borders of the size histogram, pixels of the net

# Kinds of problems of pictures to test on, by the part that has them too.
TESTED_KINDS = {"test picture is trained on": "train", "test picture is validated on": "val"}


@dataclass(frozen=True, eq=False)
class DatasetReport:
    """What is left of a dataset after all checks, and what was found."""

    parts: Mapping[str, AnnotationIndex]  # "train", "val" and perhaps "test"
    understood: Sequence[str]  # sentences about folders, splits and classes
    problems: Sequence[Problems]  # of every folder, and of all together
    resolution: int = 300  # side of the net's input, pixels
    coverage: DatasetCoverage | None = None  # of the training part
    no_validation: str = ""  # why a training would have nothing to validate on

    @property
    def class_names(self) -> list[str]:
        """Return the class names, BACKGROUND first."""
        return next(iter(self.parts.values())).class_names

    @property
    def counts(self) -> Counter[str]:
        """Return how often each kind of problem was met, in all folders."""
        counts: Counter[str] = Counter()
        for one in self.problems:
            counts.update(one.counts)
        return counts

    def worst(self) -> str:
        """Return "error", "warning", "info", or "" where there is no problem at all."""
        found = {KINDS[kind].severity for kind in self.counts}
        return next((severity for severity in SEVERITIES if severity in found), "")

    def unusable(self) -> str:
        """Return why the dataset should not be used, "" if it can be."""
        return explain_unusable(list(self.parts.values()), self.problems) or self.no_validation

    def lines(self, first: int = 3) -> list[str]:
        """Return what was understood, then each kind of problem with its `first` cases."""
        lines = list(self.understood)
        if self.coverage:
            lines.append(str(self.coverage))
        for problems in self.problems:
            lines += ["", f"problems of {problems.source}"]
            lines += [f"  {line}" for line in problems.summary(first)]
        return lines if self.problems else [*lines, "no problem was found"]

    def as_dict(self) -> dict:
        """Return everything, ready for JSON."""
        return {
            "understood": list(self.understood),
            "classes": self.class_names,
            "parts": {name: self._describe(index) for name, index in self.parts.items()},
            "resolution": self.resolution,
            "priors": asdict(self.coverage) if self.coverage else None,
            "worst": self.worst(),
            "problems": [
                {
                    "source": problems.source,
                    "counts": dict(problems.counts),
                    "listed_per_kind": LISTED_PER_KIND,
                    "listed": [{"severity": one.severity, **asdict(one)} for one in problems],
                }
                for problems in self.problems
            ],
        }

    def write(self, path: str | Path) -> None:
        """Write everything as JSON; the usual name of the file is REPORT_FILE."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        with atomic_write(path) as temporary:
            # File names that are not UTF-8 are kept as they can be shown.
            temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")

    def _describe(self, index: AnnotationIndex) -> dict:
        return {
            "pictures": len(index),
            "pictures_without_objects": index.num_negatives,
            "boxes": index.num_boxes,
            "difficult": int(index.difficult.sum()),
            "boxes_per_class": index.boxes_per_class(),
            "box_sides_in_network_pixels": size_histogram(index, self.resolution),
        }


def size_histogram(index: AnnotationIndex, resolution: int) -> dict[str, int]:
    """Count boxes by the square root of their area, in pixels of the network's input."""
    boxes = index.boxes_in_square(resolution)
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    counts, _ = np.histogram(sides, bins=np.array([*SIDES, np.inf]))
    names = [f"{low} to {high}" for low, high in zip(SIDES, SIDES[1:])]
    return dict(zip([*names, f"{SIDES[-1]} and more"], counts.tolist()))


class HeldOutTest(NamedTuple):
    """Pictures that are neither trained nor validated on."""

    pictures: AnnotationIndex
    problems: list[Problems]
    stated: list[str]  # paths of all pictures to test on, also of those that are used otherwise


def inspect(
    datasets: Datasets,
    pictures: PictureChecks,
    priors: Mapping[int, np.ndarray],
    resolution: int = 300,
    test: HeldOutTest | None = None,
) -> DatasetReport:
    """Look for copies of pictures, compare boxes with priors, and put all findings together.

    Args:
        datasets: returned by `open_datasets`, which must have had the same `pictures`.
        priors: of the net by resolution, (P, 4) cxcywh in [0, 1]: those of `resolution`, and of
            larger ones that can be suggested.
        test: returned by `open_test_part`.
    """
    copies = Problems("all pictures to train on")
    report_copies(datasets.train, pictures.scanner.contents(datasets.train.paths), copies)
    parts = {"train": datasets.train, "val": datasets.validation}
    understood, problems = list(datasets.lines), list(datasets.problems)
    if test is not None:
        if len(test.pictures):
            parts["test"] = test.pictures
            understood.append(describe_part("test", test.pictures, with_pictures=True))
        tested = Problems("all pictures to test on")
        for kind, part in TESTED_KINDS.items():
            paths = list(parts[part].paths)
            report_tested(test.stated, paths, pictures.scanner.contents, kind, tested)
        problems += [*test.problems, tested]
    return DatasetReport(
        parts,
        understood,
        [one for one in [*problems, copies] if one],
        resolution,
        measure_coverage(datasets.train, priors, resolution),
        datasets.no_validation,
    )


def open_test_part(
    roots: Roots,
    kind: Kinds,
    datasets: Datasets,
    selection: Selection = EVERYTHING,
    pictures: PictureChecks | None = None,
) -> HeldOutTest | None:
    """Read the stated test parts of folders; return None if they are what is validated on.

    Pictures that are trained or validated on are left out, and `inspect` reports them.
    """
    validated = set(datasets.validation.paths)
    used = {*datasets.train.paths, *validated}
    found: list[AnnotationIndex] = []
    problems: list[Problems] = []
    stated: list[str] = []
    for folder in open_folders(roots, kind, pictures, selection):
        if not folder.read("test") or validated.issuperset(folder.parts["test"].paths):
            continue
        # As for the other parts: a box of a class that was not chosen is no loss.
        folder.number_labels(datasets.known_classes)
        folder.keep_classes(datasets.class_names)
        index = folder.parts["test"]
        new = np.fromiter((name not in used for name in index.paths), bool, len(index))
        found.append(index.select(new))
        stated += index.paths
        if new.any():
            used.update(index.paths)
            problems.append(folder.problems)
    if not found:
        return None
    return HeldOutTest(concatenate(found, datasets.class_names), problems, stated)
