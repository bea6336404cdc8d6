"""Collect what is wrong with a dataset: count every case, name its file, sum it up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Callable, Iterator, NamedTuple, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.utils.text import printable


class ProblemKind(NamedTuple):
    """What a kind of problem costs, and what is done about it."""

    loses: str  # "picture", "box" or ""
    remedy: str
    doubtful: bool = False  # nothing is lost, but a person should look

    @property
    def severity(self) -> str:
        """Return "error" where pictures are lost, "warning" where boxes are, or "info"."""
        if self.doubtful:
            return "warning"
        return {"picture": "error", "box": "warning", "": "info"}[self.loses]


KINDS = {
    "picture missing": ProblemKind("picture", "left out"),
    "picture unreadable": ProblemKind("picture", "left out"),
    "annotation missing": ProblemKind("picture", "left out"),
    "annotation broken": ProblemKind("picture", "left out"),
    "picture listed twice": ProblemKind("", "used once"),
    "picture not annotated": ProblemKind("", "not used"),
    "picture not downloaded": ProblemKind("", "not used"),
    "picture stored twice": ProblemKind("", "both used", doubtful=True),
    "test picture is trained on": ProblemKind("", "a score on it means little", doubtful=True),
    "test picture is validated on": ProblemKind("", "a score on it means less", doubtful=True),
    "picture of another format": ProblemKind("", "read as what it is"),
    "picture resized after labelling": ProblemKind("", "boxes rescaled", doubtful=True),
    "picture resized or not": ProblemKind(
        "", "boxes taken as they are; look at --preview, correct the stated size", doubtful=True
    ),
    "stated size wrong": ProblemKind("", "the real size counts", doubtful=True),
    "EXIF turn, boxes marked upright": ProblemKind("", "boxes fit the upright picture"),
    "EXIF turn, boxes marked as stored": ProblemKind("", "boxes fit the picture as stored"),
    "EXIF turn unclear": ProblemKind("", "boxes taken as they are; see --exif", doubtful=True),
    "grey picture": ProblemKind("", "made RGB"),
    "palette picture": ProblemKind("", "made RGB"),
    "alpha picture": ProblemKind("", "made RGB, alpha dropped"),
    "CMYK picture": ProblemKind("", "made RGB"),
    "16-bit picture": ProblemKind("", "made 8-bit"),
    "object without name": ProblemKind("box", "left out"),
    "unknown class": ProblemKind("box", "left out"),
    "class called BACKGROUND": ProblemKind("box", "left out"),
    "area to ignore": ProblemKind("", "left out"),
    "class called void": ProblemKind("", "detectnet will not show it", doubtful=True),
    "class names alike": ProblemKind("", "kept apart", doubtful=True),
    "box without numbers": ProblemKind("box", "left out"),
    "box without size": ProblemKind("box", "left out"),
    "box outside the picture": ProblemKind("box", "left out"),
    "box beyond the edge": ProblemKind("", "clipped"),
    "box reversed": ProblemKind("", "corners swapped"),
    "boxes in another form": ProblemKind("", "read as the format says", doubtful=True),
    "box marked twice": ProblemKind("", "used once"),
    "boxes in pixels, not fractions": ProblemKind("", "taken as pixels", doubtful=True),
    "boxes in fractions, not pixels": ProblemKind("", "taken as fractions", doubtful=True),
}
# Cases of a kind that are kept with file and line. The others are only counted, so that a fault in
# every line of a large file does not fill the memory.
LISTED_PER_KIND = 10_000
SEVERITIES = ("error", "warning", "info")


@dataclass(frozen=True)
class Problem:
    """One problem, or several of one kind at one place."""

    kind: str  # of KINDS
    message: str
    file: str = ""  # relative to the dataset folder
    line: int | None = None
    count: int = 1

    @property
    def severity(self) -> str:
        """Return "error" where pictures are lost, "warning" where boxes are, or "info"."""
        return KINDS[self.kind].severity

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}" if place else self.message


class Problems:
    """Collects the problems of one dataset folder."""

    def __init__(self, source: object = "the dataset"):
        """Start without problems; `source` names the dataset in messages."""
        self.source = str(source)
        self.counts: dict[str, int] = Counter()
        self._listed: list[Problem] = []
        self._listed_counts: dict[str, int] = Counter()

    def __len__(self) -> int:
        return sum(self.counts.values())

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._listed)

    def add(
        self, kind: str, message: str, file: str = "", line: int | None = None, count: int = 1
    ) -> None:
        """Add a problem of one of the KINDS that occurs `count` times at this place."""
        if kind not in KINDS:
            raise ValueError(f"kind of a problem must be one of {', '.join(KINDS)}, got '{kind}'")
        self.counts[kind] += count
        if self._listed_counts[kind] < LISTED_PER_KIND:
            self._listed_counts[kind] += 1
            self._listed.append(Problem(kind, printable(message), printable(file), line, count))

    def add_each(
        self,
        kind: str,
        cases: Sequence[Any] | np.ndarray,
        describe: Callable[[Any], tuple[str, str, int | None]],
    ) -> None:
        """Add every case. `describe` returns message, file and line of those that are still listed.

        From an array, `describe` gets Python's integers.
        """
        if not len(cases):
            return
        room = LISTED_PER_KIND - self._listed_counts[kind]
        listed = cases[:room]
        for case in listed.tolist() if isinstance(listed, np.ndarray) else listed:
            self.add(kind, *describe(case))
        self.counts[kind] += max(len(cases) - room, 0)

    def lost(self, what: str) -> dict[str, int]:
        """Return the number of cases of each kind that costs a "picture" or a "box"."""
        return {kind: count for kind, count in self.counts.items() if KINDS[kind].loses == what}

    def count_lost(self, what: str) -> int:
        """Return how many times a "picture" or a "box" was lost."""
        return sum(self.lost(what).values())

    def summary(self, first: int = 5) -> list[str]:
        """Return a line for each kind, worst first, followed by lines for its `first` cases."""
        lines = []
        for kind in sorted(self.counts, key=lambda kind: SEVERITIES.index(KINDS[kind].severity)):
            lines.append(f"{self.counts[kind]:,} x {kind} ({KINDS[kind].remedy})")
            listed = [problem for problem in self._listed if problem.kind == kind]
            lines += [f"    {problem}" for problem in listed[:first]]
            if len(listed) > first:
                lines.append("    ...")
        return lines


def first_losses(problems: Sequence[Problems], most: int = 3) -> str:
    """Return the first pictures and boxes that were lost, with file and line; "" if none was."""
    lost = [one for each in problems for one in each if KINDS[one.kind].loses]
    by_kind: dict[str, list[Problem]] = {}
    for problem in lost:
        by_kind.setdefault(problem.kind, []).append(problem)
    # One of each kind first, as the first cases of all may be the same fault.
    chosen = [cases[0] for cases in by_kind.values()]
    chosen += [case for cases in by_kind.values() for case in cases[1:]]
    shown = "; ".join(f"{case} ({case.kind})" for case in chosen[:most])
    return f"; the first of {sum(one.count for one in lost):,} losses: {shown}" if shown else ""


def explain_unusable(indices: Sequence[AnnotationIndex], problems: Sequence[Problems]) -> str:
    """Return why data should not be used, "" if it can be: less than half of it is left.

    Args:
        indices: all that is left after the checks.
        problems: what was lost on the way.
    """
    pictures, boxes = sum(map(len, indices)), sum(index.num_boxes for index in indices)
    for what, plural, kept in (("picture", "pictures", pictures), ("box", "boxes", boxes)):
        total = kept + sum(one.count_lost(what) for one in problems)
        if 2 * kept < total:
            return f"{kept:,} of {total:,} {plural} are left, which is less than half"
    return ""
