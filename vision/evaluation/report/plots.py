"""The plots of a report, drawn without a display."""

from __future__ import annotations

from typing import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from vision.evaluation.measure import ClassMeasure, Evaluation
from vision.evaluation.metrics.curves import RECALLS, THRESHOLDS, Curves
from vision.utils.figures import (
    BLUE,
    GREEN,
    ORANGE,
    PALETTE,
    RED,
    figure_png,
    new_figure,
    plain_name,
)

WIDTH, HEIGHT, DPI = 5.2, 3.8, 150  # inches, and pixels of an inch
MOST_CLASS_CURVES = 10  # of single classes; the weakest where there are more
MOST_CLASS_BARS = 25
MOST_LABELS = 30  # of classes in the matrix
LONGEST_LABEL = 22  # letters
NO_CLASS = "(background)"  # what a row and a column of the matrix is called beside the classes
PAPER, INK, FAINT = "#ffffff", "#1c2430", "#d9dee5"

Draw = Callable[[Evaluation, Axes], None]


def plot(draw: Draw, evaluation: Evaluation) -> bytes:
    """Return a plot as a PNG file; `draw` is one of PLOTS."""
    figure, axes = _empty()
    draw(evaluation, axes)
    _add_legend(axes)
    return figure_png(figure)


def plot_comparisons(evaluations: Mapping[str, Evaluation]) -> dict[str, bytes]:
    """Return plots with a curve over all classes for each detector, as PNG files by name."""
    pictures = {}
    for name, draw in COMPARISONS.items():
        figure, axes = _empty()
        for number, (detector, evaluation) in enumerate(evaluations.items()):
            draw(evaluation, axes, PALETTE[number % len(PALETTE)], _plain(detector))
        _add_legend(axes)
        pictures[name] = figure_png(figure)
    return pictures


def compare_precision(evaluation: Evaluation, axes: Axes, colour: str, name: str) -> None:
    """Draw the best precision at each recall of one detector."""
    curve = evaluation.curves.overall.precision_by_recall
    axes.plot(RECALLS, curve, color=colour, linewidth=1.8, label=name)
    _unit_square(axes, "Recall", "Precision", "Precision by recall, all classes")


def compare_f1(evaluation: Evaluation, axes: Axes, colour: str, name: str) -> None:
    """Draw F1 by score threshold of one detector."""
    axes.plot(THRESHOLDS, evaluation.curves.overall.f1, color=colour, linewidth=1.8, label=name)
    axes.plot(evaluation.threshold, evaluation.counts.f1, "o", color=colour, markersize=5)
    _unit_square(axes, "Score threshold", "F1", "F1 by score threshold, all classes")


COMPARISONS = {"precision_recall": compare_precision, "f1": compare_f1}


def draw_precision_by_recall(evaluation: Evaluation, axes: Axes) -> None:
    """Draw the best precision at each recall, for every class and for all together."""
    for label, colour in _chosen_classes(evaluation):
        curve = evaluation.curves.classes[label].precision_by_recall
        axes.plot(RECALLS, curve, color=colour, linewidth=1.2, label=_name(evaluation, label))
    overall = evaluation.curves.overall.precision_by_recall
    axes.plot(RECALLS, overall, color=INK, linewidth=2.2, label="all classes")
    counts = evaluation.counts
    axes.plot(counts.recall, counts.precision, "o", color=INK, markersize=6)
    _unit_square(axes, "Recall", "Precision", "Precision by recall")


def draw_precision(evaluation: Evaluation, axes: Axes) -> None:
    """Draw precision by score threshold."""
    _draw_by_threshold(evaluation, axes, "Precision", _precision)


def draw_recall(evaluation: Evaluation, axes: Axes) -> None:
    """Draw recall by score threshold."""
    _draw_by_threshold(evaluation, axes, "Recall", _recall)


def draw_f1(evaluation: Evaluation, axes: Axes) -> None:
    """Draw F1 by score threshold."""
    _draw_by_threshold(evaluation, axes, "F1", _f1)


def draw_classes(evaluation: Evaluation, axes: Axes) -> None:
    """Draw the average precision and the F1 of every class as bars."""
    known = [one for one in evaluation.classes if one.objects]
    shown = sorted(known, key=_ap)[:MOST_CLASS_BARS][::-1]
    places = np.arange(len(shown))
    values = [_ap(one) for one in shown]
    bars = axes.barh(places + 0.2, values, 0.38, color=BLUE, label="average precision")
    if len(shown) <= 12:
        axes.bar_label(bars, fmt="%.2f", padding=2, fontsize=7, color=INK)
    axes.barh(places - 0.2, [one.counts.f1 for one in shown], 0.38, color=ORANGE, label="F1")
    axes.set_yticks(places, [_plain(one.name) for one in shown], fontsize=_size(len(shown)))
    axes.set_xlim(0, 1.08)
    axes.set_ylim(-0.6, max(len(shown), 4) - 0.4)
    axes.grid(visible=False, axis="y")
    more = f", the {len(shown)} weakest of {len(known)}" if len(known) > len(shown) else ""
    axes.set_title(f"Classes{more}")


def draw_errors(evaluation: Evaluation, axes: Axes) -> None:
    """Draw what every cause of errors costs."""
    costs = list(evaluation.errors.costs.items())[::-1]
    values = [100 * one.cost for _, one in costs]
    bars = axes.barh([name for name, _ in costs], values, 0.6, color=RED)
    labels = [f"{100 * one.cost:.1f}  ({one.count:,})" for _, one in costs]
    axes.bar_label(bars, labels, padding=3, fontsize=8, color=INK)
    axes.set_xlim(min(0, *values), max(1.0, *values) * 1.3)
    axes.grid(visible=False, axis="y")
    axes.set(title="What each cause of errors costs", xlabel="points of mAP (number of errors)")


def draw_groups(evaluation: Evaluation, axes: Axes) -> None:
    """Draw recall by the size of the objects and by their number in the picture."""
    sizes = [group for group in evaluation.by_size if group.objects]
    numbers = [group for group in evaluation.by_number if group.objects]
    groups = [*((BLUE, one) for one in sizes), *((GREEN, one) for one in numbers)]
    gap = 0.8  # between the two kinds
    places = [row + gap * (row >= len(sizes)) for row in range(len(groups))]
    values = [one.recall or 0.0 for _, one in groups]
    bars = axes.bar(places, values, 0.7, color=[colour for colour, _ in groups])
    axes.bar_label(
        bars, [f"{one.objects:,}" for _, one in groups], padding=2, fontsize=7, color=INK
    )
    axes.set_xticks(places, [one.name for _, one in groups], fontsize=8)
    unit = "net" if evaluation.settings.resolution else "picture"
    axes.set_xlabel(f"side in pixels of the {unit}   |   objects in the picture")
    axes.set_ylim(0, 1.1)
    axes.grid(visible=False, axis="x")
    axes.set(title="Recall by size and by number (objects)", ylabel="Recall")


def draw_confusion(evaluation: Evaluation, axes: Axes) -> None:
    """Draw the confusion matrix, shares of each row as shades."""
    labels = matrix_labels(evaluation)
    counts = evaluation.confusion.matrix[np.ix_(labels, labels)]
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    shades = LinearSegmentedColormap.from_list("shades", [PAPER, BLUE])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1, aspect="auto")
    names = [_name(evaluation, label) if label else NO_CLASS for label in labels]
    size = _size(len(labels))
    axes.set_xticks(range(len(labels)), names, rotation=60, ha="right", fontsize=size)
    axes.set_yticks(range(len(labels)), names, fontsize=size)
    for row, column in np.argwhere(counts > 0).tolist() if len(labels) <= 16 else []:
        ink = "#ffffff" if shares[row, column] > 0.6 else INK
        text = f"{counts[row, column]:,}"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)
    axes.grid(visible=False)
    axes.set(title="What is taken for what", xlabel="found", ylabel="there")


PLOTS: dict[str, Draw] = {
    "precision_recall": draw_precision_by_recall,
    "f1": draw_f1,
    "precision": draw_precision,
    "recall": draw_recall,
    "classes": draw_classes,
    "errors": draw_errors,
    "sizes": draw_groups,
    "confusion": draw_confusion,
}


def matrix_labels(evaluation: Evaluation) -> list[int]:
    """Return the labels to show in a matrix: those with most mistakes where there are many."""
    matrix = evaluation.confusion.matrix
    used = [int(label) for label in np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))]
    mistakes = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * np.diag(matrix)
    worst = sorted((label for label in used if label), key=mistakes.__getitem__, reverse=True)
    return [*sorted(worst[:MOST_LABELS]), 0]


def _plain(name: str) -> str:
    return plain_name(name, LONGEST_LABEL)


def _draw_by_threshold(
    evaluation: Evaluation,
    axes: Axes,
    title: str,
    column: Callable[[Curves], np.ndarray],
) -> None:
    for label, colour in _chosen_classes(evaluation):
        curve = column(evaluation.curves.classes[label])
        axes.plot(THRESHOLDS, curve, color=colour, linewidth=1.2, label=_name(evaluation, label))
    overall = column(evaluation.curves.overall)
    axes.plot(THRESHOLDS, overall, color=INK, linewidth=2.2, label="all classes")
    axes.axvline(evaluation.threshold, color=INK, linewidth=0.9, linestyle=":")
    _unit_square(axes, "Score threshold", title, f"{title} by score threshold")


def _precision(curves: Curves) -> np.ndarray:
    return curves.precision


def _recall(curves: Curves) -> np.ndarray:
    return curves.recall


def _f1(curves: Curves) -> np.ndarray:
    return curves.f1


def _ap(one: ClassMeasure) -> float:
    return one.average_precision or 0.0


def _chosen_classes(evaluation: Evaluation) -> list[tuple[int, str]]:
    """Return labels with their colours: of all classes, or of the weakest."""
    known = [one for one in evaluation.classes if one.objects]
    if len(known) > MOST_CLASS_CURVES:
        known = sorted(known, key=_ap)[: MOST_CLASS_CURVES - 2]
    return [(one.label, PALETTE[place % len(PALETTE)]) for place, one in enumerate(known)]


def _name(evaluation: Evaluation, label: int) -> str:
    return _plain(evaluation.collection.name(label))


def _size(count: int) -> float:
    return 8 if count <= 12 else 6 if count <= 22 else 4.5


def _unit_square(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set(xlim=(0, 1.01), ylim=(0, 1.03), xlabel=x, ylabel=y, title=title)


def _empty() -> tuple[Figure, Axes]:
    figure = new_figure(WIDTH, HEIGHT, DPI)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(FAINT)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=8, length=0)
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(INK)
        text.set_fontsize(9)
    axes.title.set_fontsize(10)
    return figure, axes


def _add_legend(axes: Axes) -> None:
    names: Sequence[str] = axes.get_legend_handles_labels()[1]
    if names:
        columns = 2 if len(names) > 6 else 1
        legend = axes.legend(frameon=True, fontsize=7, ncols=columns, labelcolor=INK)
        legend.get_frame().set(facecolor=PAPER, edgecolor="none", alpha=0.8)
