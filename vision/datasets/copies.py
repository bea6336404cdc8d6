"""Pictures that are the same file under two names, within a part and across parts."""

from __future__ import annotations

import logging

import numpy as np

from vision.datasets.index import AnnotationIndex
from vision.datasets.picture_scan import PictureScanner
from vision.datasets.problems import Problems

logger = logging.getLogger(__name__)


def report_copies(index: AnnotationIndex, scanner: PictureScanner, problems: Problems) -> None:
    """Report every picture of an index whose content is that of one before it."""
    contents = scanner.contents(index.paths)
    order = np.argsort(contents, kind="stable")
    same = np.append(False, contents[order][1:] == contents[order][:-1])

    def _describe(place: int) -> tuple[str, str, int | None]:
        return (
            f"is the same file as {index.paths[order[place - 1]]}",
            index.paths[order[place]],
            None,
        )

    problems.add_each("picture stored twice", np.flatnonzero(same), _describe)


def without_copies(
    train: AnnotationIndex,
    validation: AnnotationIndex,
    scanner: PictureScanner,
    problems: Problems,
) -> AnnotationIndex:
    """Return the training part without the pictures that are validated on under another name.

    Raises:
        ValueError: there would be no object left to train on.
    """
    contents, others = scanner.contents(train.paths), scanner.contents(validation.paths)
    shared = np.isin(contents, others)
    if not shared.any():
        return train
    first_of = {int(content): row for row, content in reversed(list(enumerate(others)))}

    def _describe(row: int) -> tuple[str, str, int | None]:
        twin = validation.paths[first_of[int(contents[row])]]
        return f"is the same file as {twin}, which is validated on", train.paths[row], None

    problems.add_each("picture in training and validation", np.flatnonzero(shared), _describe)
    left = train.select(~shared)
    if train.num_boxes and not left.num_boxes:
        raise ValueError(
            f"all {int(shared.sum()):,} pictures to train on are validated on too, under other "
            "names; take the copies out of one of the parts, or state no split"
        )
    return left
