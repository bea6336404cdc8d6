"""Curves of a run and portraits of a dataset, as picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Sequence

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.training.model_folder.results import Row, curve
from vision.utils.files import atomic_write

BLUE, ORANGE, GREY = "#1f6fb4", "#e2711d", "#8a8f98"
MOST_CLASSES = 30  # with a bar of their own
MOST_CURVES = 10  # of single classes
MOST_POINTS = 5000  # to draw one by one
BINS = 60  # along either side, for more


def plot_results(rows: Sequence[Row], path: Path) -> None:
    """Draw losses, average precision and learning rates by epoch, from the rows of results.csv."""
    figure = _figure(15, 4.6)
    losses, precision, rates = figure.subplots(1, 3)
    _plot_losses(losses, rows)
    _plot_precision(precision, rows)
    _curve(rates, rows, "learning rate", BLUE)
    rates.set_title("Learning rate")
    epochs = [int(row["epoch"]) for row in rows]
    for axes in (losses, precision, rates):
        _finish(axes)
        axes.set(xlabel="epoch", xlim=(min(epochs, default=0) - 0.5, max(epochs, default=0) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    for axes in (losses, rates):
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
    _save(figure, path)


def plot_labels(index: AnnotationIndex, path: Path, image_size: int) -> None:
    """Draw how many objects each class has, how large they are and where.

    Args:
        index: of the training pictures.
        image_size: S, the side of the net's input: sizes are in its pixels.
    """
    figure = _figure(15, 5)
    classes, sizes, centres = figure.subplots(1, 3)
    _plot_classes(classes, index.boxes_per_class())
    boxes = index.boxes_in_square(image_size)
    _plot_sizes(sizes, boxes, image_size)
    _plot_centres(centres, boxes, image_size)
    figure.suptitle(
        f"{len(index)} pictures, {index.num_boxes} objects, "
        f"{index.num_negatives} pictures without objects"
    )
    _save(figure, path)


def _plot_losses(axes: Any, rows: Sequence[Row]) -> None:
    for split, colour in (("training", BLUE), ("validation", ORANGE)):
        _curve(axes, rows, f"{split} loss", colour, label=split)
        for kind, style in (("classification", "--"), ("regression", ":")):
            column = f"{split} {kind} loss"
            _curve(axes, rows, column, colour, style=style, width=1, label=f"{split}, {kind}")
    axes.set_title("Loss")


def _plot_precision(axes: Any, rows: Sequence[Row]) -> None:
    classes = _columns(rows, "AP ")
    for column in classes if len(classes) <= MOST_CURVES else ():
        _curve(axes, rows, column, width=1, label=_plain(column[len("AP ") :]))
    _curve(axes, rows, "mAP", "black", width=2.2, label="mean")
    axes.set(title="Average precision on the validation pictures", ylim=(0, 1.03))
    epochs, values = curve(rows, "mAP")
    if not values:
        _say(axes, "not measured")
        return
    best = int(np.argmax(values))
    axes.plot(epochs[best], values[best], "*", color="black", markersize=13)
    axes.set_title(f"Average precision, best mean {values[best]:.3f} in epoch {epochs[best]}")


def _curve(
    axes: Any,
    rows: Sequence[Row],
    column: str,
    colour: str | None = None,
    style: str = "-",
    **look: Any,
) -> None:
    """Draw a column; a dot an epoch while there are few, for a single one has no line."""
    epochs, values = curve(rows, column)
    if values:
        marker = "o" if len(values) <= 20 else ""
        axes.plot(
            *(epochs, values),
            color=colour,
            linestyle=style,
            marker=marker,
            markersize=3,
            linewidth=look.get("width", 1.6),
            label=look.get("label"),
        )


def _plot_classes(axes: Any, counts: Mapping[str, int]) -> None:
    """Draw a bar a class, the most frequent ones where there are many."""
    shown = sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_CLASSES]
    shown = [name for name in counts if name in set(shown)]
    bars = axes.barh(range(len(shown)), [counts[name] for name in shown], color=BLUE)
    axes.bar_label(bars, padding=3, fontsize=8)
    size = 9 if len(shown) <= 15 else 7
    axes.set_yticks(range(len(shown)), [_plain(name) for name in shown], fontsize=size)
    axes.set_ylim(max(len(shown), 6) - 0.5, -0.5)
    axes.margins(x=0.15)
    more = f", the {len(shown)} most frequent of {len(counts)}" if len(counts) > len(shown) else ""
    _finish(axes)
    axes.grid(visible=False, axis="y")
    axes.set_title(f"Objects of each class{more}")


def _plot_sizes(axes: Any, boxes: np.ndarray, image_size: int) -> None:
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    axes.set(title="Box sizes", xlabel="width, pixels of the net", ylabel="height")
    if len(boxes):
        axes.set_title(f"Box sizes, median {np.median(width):.0f} x {np.median(height):.0f} pixels")
    axes.plot([0, image_size], [0, image_size], color=GREY, linewidth=0.8, linestyle=":")
    _cloud(axes, width, height, image_size)


def _plot_centres(axes: Any, boxes: np.ndarray, image_size: int) -> None:
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    axes.set(title="Box centres", xlabel="x, pixels of the net", ylabel="y")
    _cloud(axes, x, y, image_size)
    axes.invert_yaxis()


def _cloud(axes: Any, x: np.ndarray, y: np.ndarray, image_size: int) -> None:
    """Draw points in the square of the net's input; their density where there are many."""
    axes.set(xlim=(0, image_size), ylim=(0, image_size), aspect="equal")
    if not len(x):
        _say(axes, "no boxes")
    elif len(x) <= MOST_POINTS:
        axes.scatter(x, y, s=12, color=BLUE, alpha=0.35, linewidths=0)
    else:
        from matplotlib.colors import LogNorm

        limits = [[0, image_size], [0, image_size]]
        counts, *edges = np.histogram2d(x, y, bins=BINS, range=limits)
        cells = np.ma.masked_equal(counts.T, 0)
        # A scale from 1 to 1 has no middle.
        norm = LogNorm(1, max(10, counts.max()))
        mesh = axes.pcolormesh(*edges, cells, norm=norm, cmap="viridis_r")
        axes.figure.colorbar(mesh, ax=axes, label="objects", shrink=0.8)


def _columns(rows: Sequence[Row], prefix: str) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name.startswith(prefix)]


def _plain(name: str) -> str:
    """Return a class name, shortened, in which dollars do not mean a formula."""
    short = name if len(name) <= 24 else name[:22] + "…"
    return short.replace("$", r"\$")


def _figure(width: float, height: float) -> Any:
    """Return an empty figure of that many inches, without the state that pyplot keeps."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def _finish(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)


def _say(axes: Any, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def _save(figure: Any, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
