"""What there is to say about a dataset: ten lines for the screen, everything for a file."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from vision.datasets.checks.problems import KINDS, LISTED_PER_KIND, Problems
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.report.prior_coverage import PriorFit
from vision.utils.files import atomic_write

REPORT_FILE = "dataset_report.json"
_SIDES = (0, 8, 16, 32, 64, 128, 256, np.inf)  # borders of the size histogram, network pixels
_NAMED = 8  # classes that a line of the summary counts one by one


@dataclass(frozen=True, eq=False)
class Report:
    """The parts of a dataset after all checks, and what was found on the way."""

    parts: Mapping[str, AnnotationIndex]  # "train", "validation" and so on
    understood: Sequence[str]  # sentences about folders, splits and classes
    problems: Sequence[Problems]  # of every folder, and of all together
    sources: Sequence[str] = ()  # the folders
    resolution: int = 300
    fit: PriorFit | None = None  # of the training part

    @property
    def class_names(self) -> list[str]:
        """Return the class names, BACKGROUND first."""
        return next(iter(self.parts.values())).class_names

    @property
    def counts(self) -> Counter:
        """Return how often each kind of problem was met, in all folders."""
        return sum((Counter(one.counts) for one in self.problems), Counter())

    def worst(self) -> str:
        """Return "error", "warning", "info", or "" where there is no problem at all."""
        found = {KINDS[kind].severity for kind in self.counts}
        return next((one for one in ("error", "warning", "info") if one in found), "")

    def unusable(self) -> str:
        """Return the sentence why the dataset should not be trained on, or ""."""
        boxes = sum(index.num_boxes for index in self.parts.values())
        pictures = sum(map(len, self.parts.values()))
        for what, plural, kept in (("picture", "pictures", pictures), ("box", "boxes", boxes)):
            lost = sum(one.count_lost(what) for one in self.problems)
            if kept < lost:
                return f"{kept:,} of {kept + lost:,} {plural} are left, which is less than half"
        return ""

    def summary(self) -> list[str]:
        """Return about ten lines: a word on the left, what there is to it on the right."""
        boxes = sum(index.num_boxes for index in self.parts.values())
        negatives = sum(index.num_negatives for index in self.parts.values())
        rows = [
            ("data", ", ".join(self.sources)),
            ("parts", "   ".join(f"{name} {len(part):,}" for name, part in self.parts.items())),
            ("classes", self._classes()),
            ("pictures", self._losses("picture")),
            ("boxes", f"{boxes:,}{self._losses('box', '   ')}   pictures without {negatives:,}"),
            ("repaired", self._counted(lambda kind: not kind.loses and not kind.doubtful)),
            ("look at", self._counted(lambda kind: kind.doubtful)),
            ("balance", self._balance()),
            ("size", str(self.fit or "")),
        ]
        return [f"{word:<10}{text}" for word, text in rows if text]

    def details(self, first: int = 3) -> list[str]:
        """Return every kind of problem with its first cases, file and line, indented."""
        lines = []
        for problems in self.problems:
            lines += [f"{problems.source}:"] * bool(problems)
            lines += [f"  {line}" for line in problems.summary(first)]
        return lines

    def as_dict(self) -> dict:
        """Return everything, ready for JSON."""
        return {
            "understood": list(self.understood),
            "classes": self.class_names,
            "parts": {name: self._describe(index) for name, index in self.parts.items()},
            "resolution": self.resolution,
            "priors": asdict(self.fit) if self.fit else None,
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

    def write(self, folder: str | Path) -> Path:
        """Write dataset_report.json into the folder and return its path."""
        path = Path(folder) / REPORT_FILE
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        with atomic_write(path) as temporary:
            # File names that are not UTF-8 are kept as they can be shown.
            temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
        return path

    def _classes(self) -> str:
        names = self.class_names[1:]
        listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
        return f"{len(names)} + background: {listed}"

    def _losses(self, what: str, before: str = "") -> str:
        lost = {kind: count for kind, count in self.counts.items() if KINDS[kind].loses == what}
        if not lost:
            return "" if before else f"{sum(map(len, self.parts.values())):,} usable, none lost"
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in lost.items())
        return f"{before}{sum(lost.values()):,} left out ({kinds})"

    def _counted(self, chosen) -> str:
        return ", ".join(
            f"{count:,} x {kind} ({KINDS[kind].remedy})"
            for kind, count in self.counts.items()
            if chosen(KINDS[kind])
        )

    def _balance(self) -> str:
        """Return the counts of the training part, the most frequent classes first."""
        counts = Counter(next(iter(self.parts.values())).boxes_per_class()).most_common()
        words = [f"{name} {count:,}" for name, count in counts]
        if len(words) > _NAMED:
            words = [*words[: _NAMED - 2], "...", *words[-2:]]
        return ", ".join(words)

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
    counts, _ = np.histogram(sides, bins=np.array(_SIDES, dtype=float))
    names = [f"{low:g} to {high:g}" for low, high in zip(_SIDES[:-2], _SIDES[1:-1])]
    return dict(zip([*names, f"{_SIDES[-2]:g} and more"], counts.tolist()))
