"""Pictures of a part that are the same file under two names."""

from __future__ import annotations

import numpy as np

from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex


def report_copies(index: AnnotationIndex, scanner: PictureScanner, problems: Problems) -> None:
    """Report every picture of an index, all of them scanned, whose content one before it has."""
    contents = scanner.contents(index.paths)
    order = np.argsort(contents, kind="stable")
    same = np.append(False, contents[order][1:] == contents[order][:-1])

    def _describe(place: int) -> tuple[str, str, int | None]:
        path, twin = (index.paths[order[one]] for one in (place, place - 1))
        return f"is the same file as {twin}", path, None

    problems.add_each("picture stored twice", np.flatnonzero(same[: len(index)]), _describe)
