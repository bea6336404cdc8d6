"""What is wrong with a dataset: every case counted and named with its file, said in one summary."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Callable, Iterator, NamedTuple, Sequence


class Kind(NamedTuple):
    """What a kind of problem costs and what is done about it."""

    loses: str  # "picture", "box" or nothing
    remedy: str
    doubtful: bool = False  # nothing is lost, but a person should look

    @property
    def severity(self) -> str:
        """Return "error" where pictures are lost, "warning" where boxes are, or "info"."""
        if self.doubtful:
            return "warning"
        return {"picture": "error", "box": "warning", "": "info"}[self.loses]


KINDS = {
    "picture missing": Kind("picture", "left out"),
    "picture unreadable": Kind("picture", "left out"),
    "annotation missing": Kind("picture", "left out"),
    "annotation broken": Kind("picture", "left out"),
    "picture listed twice": Kind("", "used once"),
    "picture not annotated": Kind("", "not used"),
    "picture not downloaded": Kind("", "not used"),
    "picture stored twice": Kind("", "both used", doubtful=True),
    "picture of another format": Kind("", "read as what it is"),
    "picture resized after labelling": Kind("", "boxes rescaled", doubtful=True),
    "stated size wrong": Kind("", "the real size counts", doubtful=True),
    "EXIF turn applied": Kind("", "boxes turned to the picture as stored"),
    "EXIF turn ignored": Kind("", "boxes fit the picture as stored"),
    "EXIF turn unclear": Kind("", "boxes taken as they are; see --exif", doubtful=True),
    "grey picture": Kind("", "made RGB"),
    "palette picture": Kind("", "made RGB"),
    "alpha picture": Kind("", "made RGB, alpha dropped"),
    "CMYK picture": Kind("", "made RGB"),
    "16-bit picture": Kind("", "made 8-bit"),
    "object without name": Kind("box", "left out"),
    "unknown class": Kind("box", "left out"),
    "class called BACKGROUND": Kind("box", "left out"),
    "class called void": Kind("", "detectnet will not show it", doubtful=True),
    "class names alike": Kind("", "kept apart", doubtful=True),
    "box without numbers": Kind("box", "left out"),
    "box without size": Kind("box", "left out"),
    "box outside the picture": Kind("box", "left out"),
    "box beyond the edge": Kind("", "clipped"),
    "box reversed": Kind("", "corners swapped"),
    "box marked twice": Kind("", "used once"),
    "boxes in pixels, not fractions": Kind("", "taken as pixels", doubtful=True),
    "boxes in fractions, not pixels": Kind("", "taken as fractions", doubtful=True),
}
LISTED_PER_KIND = (
    10_000  # with file and line; the others are counted, so that no fault fills the memory
)


@dataclass(frozen=True)
class Problem:
    """One fault, or several of one kind at one place."""

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


def one_line(text: str, longest: int = 300) -> str:
    """Return text from a file in a form that fits into a message, whatever it holds."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: longest + 1])
    return printable if len(printable) <= longest else printable[:longest] + "..."


class Problems:
    """Collects the problems of one dataset folder."""

    def __init__(self, source: object = "the dataset"):
        """`source` names the dataset in the summary."""
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
        """Note a fault of one of the KINDS, met `count` times at this place."""
        if kind not in KINDS:
            raise ValueError(f"kind of a problem must be one of {', '.join(KINDS)}, got '{kind}'")
        self.counts[kind] += count
        if self._listed_counts[kind] < LISTED_PER_KIND:
            self._listed_counts[kind] += 1
            self._listed.append(Problem(kind, one_line(message), one_line(file), line, count))

    def add_each(
        self,
        kind: str,
        cases: Sequence,
        describe: Callable[..., tuple[str, str, int | None]],
    ) -> None:
        """Note every case; `describe` gives message, file and line of those still listed."""
        if not len(cases):
            return
        room = LISTED_PER_KIND - self._listed_counts[kind]
        for case in cases[:room]:
            self.add(kind, *describe(case))
        self.counts[kind] += max(len(cases) - room, 0)

    def lost(self, what: str) -> dict[str, int]:
        """Return the number of cases of every kind that cost a "picture" or a "box"."""
        return {kind: count for kind, count in self.counts.items() if KINDS[kind].loses == what}

    def count_lost(self, what: str) -> int:
        """Return how many times a "picture" or a "box" was lost."""
        return sum(self.lost(what).values())

    def summary(self, first: int = 5) -> list[str]:
        """Return a line for every kind with its count, and one for each of its first cases."""
        lines = []
        for kind, count in self.counts.items():
            lines.append(f"{count:,} x {kind} ({KINDS[kind].remedy})")
            listed = [problem for problem in self._listed if problem.kind == kind]
            lines += [f"    {problem}" for problem in listed[:first]]
            if len(listed) > first:
                lines.append("    ...")
        return lines
