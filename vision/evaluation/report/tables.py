"""The figures of an evaluation as text: for the screen, for results.json and for results.csv."""

from __future__ import annotations

import csv
import io
import textwrap
from dataclasses import asdict, dataclass, field
from typing import Any, Mapping, Sequence

import numpy as np

from vision.evaluation.measure import ClassMeasure, Evaluation

SCREEN_WIDTH = 80  # letters in a line of the screen
LONGEST_CELL = 28  # letters
SUMMARY = ("mAP", "AP50:95", "AP50", "AP75", "P", "R", "F1", "score", "boxes")


@dataclass(frozen=True, eq=False)
class Entry:
    """One detector as it is used, in a report of one or several."""

    name: str
    evaluation: Evaluation
    verdict: Sequence[str] = ()  # sentences
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the figures depend on
    notes: Sequence[str] = ()  # what a reader should know besides
    ranked: Evaluation | None = None  # of all detections, where `evaluation` has those shown only

    @property
    def ranking(self) -> Evaluation:
        """Return the evaluation that average precision is taken from."""
        return self.ranked or self.evaluation


def summary(entry: Entry) -> dict[str, float | None]:
    """Return the figures of SUMMARY; None for what there is nothing to compute from."""
    ranking, shown = entry.ranking, entry.evaluation
    counts, coco = shown.counts, ranking.coco.metrics
    figures = [ranking.precision.mean, coco.ap, coco.ap50, coco.ap75]
    figures += [counts.precision, counts.recall, counts.f1, shown.threshold]
    boxes = counts.true_positives + counts.false_positives
    return dict(zip(SUMMARY, [*figures, boxes]))


def figure(value: float | None, digits: int = 3) -> str:
    """Return a figure as text, "n/a" where there is none."""
    if value is None:
        return "n/a"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}f}"


def result_lines(entries: Sequence[Entry]) -> list[str]:
    """Return all that is printed: of one entry its classes, of several one table for all."""
    lines: list[str] = []
    if len(entries) == 1:
        lines += [*class_lines(entries[0]), *metric_lines(entries[0]), ""]
    else:
        lines += [*comparison_lines(entries), ""]
    for entry in entries:
        name = f"{entry.name}: " if len(entries) > 1 else ""
        lines += textwrap.wrap(name + " ".join(entry.verdict), SCREEN_WIDTH)
        for note in entry.notes:
            lines += textwrap.wrap(f"Note: {note}", SCREEN_WIDTH)
    return lines


def class_lines(entry: Entry) -> list[str]:
    """Return the table of the classes; its first columns are upstream's closing block."""
    title = "Average Precision Per-class:"
    lines = [_line(title, ("objects", "P", "R", "F1", "AP50:95"))]
    for one, ranked in zip(entry.evaluation.classes, entry.ranking.classes):
        name = f"    {shortened(one.name)}: {figure(ranked.average_precision, 4)}"
        if one.objects:
            counts = one.counts
            figures = counts.precision, counts.recall, counts.f1, ranked.coco_ap
            lines.append(_line(name, (f"{one.objects:,}", *map(figure, figures))))
        else:
            lines.append(f"{name} (no objects in this split)")
    whole, counts = summary(entry), entry.evaluation.counts
    objects = counts.true_positives + counts.false_negatives
    figures = counts.precision, counts.recall, counts.f1, whole["AP50:95"]
    lines.append(_line("    all classes", (f"{objects:,}", *map(figure, figures))))
    return [*lines, "", f"Average Precision Across All Classes:{figure(whole['mAP'], 4)}"]


def _line(name: str, cells: Sequence[str]) -> str:
    right = "".join(f"{cell:>8}" for cell in cells)
    return name.ljust(SCREEN_WIDTH - len(right)) + right


def metric_lines(entry: Entry) -> list[str]:
    """Return the threshold, COCO's figures and the costs of the errors."""
    coco = entry.ranking.coco.metrics
    by_overlap = {"AP50:95": coco.ap, "AP50": coco.ap50, "AP75": coco.ap75, "AR": coco.ar100}
    by_size = {"small": coco.ap_small, "medium": coco.ap_medium, "large": coco.ap_large}
    costs = ", ".join(
        f"{name} {100 * one.cost:.1f}" for name, one in entry.ranking.errors.costs.items()
    )
    return [
        f"Precision, recall and F1 at a score threshold of {figure(entry.evaluation.threshold)}",
        f"COCO: {_listed(by_overlap)}",
        f"COCO AP of {_listed(by_size)} objects",
        *textwrap.wrap(f"Points of mAP lost by: {costs}", SCREEN_WIDTH, subsequent_indent="    "),
    ]


def _listed(figures: Mapping[str, float | None]) -> str:
    return ", ".join(f"{name} {figure(value)}" for name, value in figures.items())


def comparison_lines(entries: Sequence[Entry]) -> list[str]:
    """Return a table with a line for each entry."""
    widths = [8 if name == "AP50:95" else 7 if name == "boxes" else 6 for name in SUMMARY]
    first = SCREEN_WIDTH - sum(widths)
    lines = [" " * first + "".join(f"{name:>{w}}" for name, w in zip(SUMMARY, widths))]
    for entry in entries:
        values = summary(entry).values()
        cells = "".join(f"{figure(value):>{w}}" for value, w in zip(values, widths))
        lines.append(shortened(entry.name, first - 1).ljust(first) + cells)
    objects = int(entries[0].evaluation.collection.object_counts().sum()) if entries else 0
    return [*lines, f"{objects:,} objects"]


def shortened(name: str, longest: int = LONGEST_CELL) -> str:
    """Return a name with its middle left out where it is too long."""
    if len(name) <= longest:
        return name
    half = (longest - 3) // 2
    return f"{name[: longest - 3 - half]}...{name[-half:]}"


def as_values(entry: Entry) -> dict[str, Any]:
    """Return all figures as JSON can hold them; null is what there is nothing to compute from."""
    shown, ranking = entry.evaluation, entry.ranking
    names, counts = shown.collection.class_names, shown.confusion.matrix
    rating = asdict(ranking.precision)
    return {
        "mAP": rating.pop("mean"),
        "name": entry.name,
        **entry.facts,
        "verdict": list(entry.verdict),
        "notes": list(entry.notes),
        "iou_threshold": rating["iou_threshold"],
        "use_2007_metric": rating["use_2007_metric"],
        "threshold": shown.threshold,
        "precision": shown.counts.precision,
        "recall": shown.counts.recall,
        "f1": shown.counts.f1,
        **asdict(shown.counts),
        "coco": asdict(ranking.coco.metrics),
        "errors": {name: asdict(one) for name, one in ranking.errors.costs.items()},
        "by_size": [asdict(group) for group in shown.by_size],
        "by_number": [asdict(group) for group in shown.by_number],
        "confusion": [
            {"there": names[row], "found": names[column], "count": int(counts[row, column])}
            for row, column in np.argwhere(counts).tolist()
        ],
        "classes": [
            {**rated, **_class_values(one, its_ap)}
            for rated, one, its_ap in zip(rating["classes"], shown.classes, ranking.classes)
        ],
    }


def _class_values(one: ClassMeasure, ranked: ClassMeasure) -> dict[str, Any]:
    return {
        "coco_ap": ranked.coco_ap,
        "precision": one.counts.precision,
        "recall": one.counts.recall,
        "f1": one.counts.f1,
        "found": one.counts.true_positives,
        "wrong": one.counts.false_positives,
        "missed": one.counts.false_negatives,
        "own_threshold": ranked.own_threshold,
        "own_f1": ranked.own_counts.f1,
    }


def as_csv(entries: Sequence[Entry]) -> str:
    """Return a line for every class of every entry, and one for all its classes, with a heading."""
    columns = ["detector", "class", "objects", "AP", "AP50:95", "precision", "recall", "F1"]
    columns += ["found", "wrong", "missed", "own threshold", "own F1"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for entry in entries:
        for one, ranked in zip(entry.evaluation.classes, entry.ranking.classes):
            values = _class_values(one, ranked)
            precision = values.pop("coco_ap")
            figures = [ranked.average_precision, precision, *values.values()]
            writer.writerow([entry.name, one.name, one.objects, *map(_cell, figures)])
        whole = summary(entry)
        counts = entry.evaluation.counts
        figures = [whole["mAP"], whole["AP50:95"], counts.precision, counts.recall, counts.f1]
        numbers = [counts.true_positives, counts.false_positives, counts.false_negatives]
        objects = counts.true_positives + counts.false_negatives
        best = [entry.evaluation.threshold, counts.f1]
        row = [*map(_cell, figures), *numbers, *map(_cell, best)]
        writer.writerow([entry.name, "(all)", objects, *row])
    return stream.getvalue()


def _cell(value: float | None) -> str | int:
    if value is None:
        return ""
    return value if isinstance(value, int) else f"{value:.6f}"
