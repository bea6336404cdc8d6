"""Curves of a run, as picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Sequence

import numpy as np

from vision.training.model_folder.results import Row, curve
from vision.utils.figures import (
    BLUE,
    ORANGE,
    finish_axes,
    new_figure,
    plain_name,
    save_figure,
    write_on_axes,
)

MOST_CURVES = 10  # of single classes


def plot_results(rows: Sequence[Row], path: Path) -> None:
    """Draw losses, average precision and learning rates by epoch, from the rows of results.csv."""
    figure = new_figure(15, 4.6)
    losses, precision, rates = figure.subplots(1, 3)
    _plot_losses(losses, rows)
    _plot_precision(precision, rows)
    _curve(rates, rows, "learning rate", BLUE)
    rates.set_title("Learning rate")
    epochs = [int(row["epoch"]) for row in rows]
    for axes in (losses, precision, rates):
        finish_axes(axes)
        axes.set(xlabel="epoch", xlim=(min(epochs, default=0) - 0.5, max(epochs, default=0) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    for axes in (losses, rates):
        axes.set_ylim(0, 1.04 * axes.get_ylim()[1])
    save_figure(figure, path)


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
        _curve(axes, rows, column, width=1, label=plain_name(column[len("AP ") :]))
    _curve(axes, rows, "mAP", "black", width=2.2, label="mean")
    axes.set(title="Average precision on the validation pictures", ylim=(0, 1.03))
    epochs, values = curve(rows, "mAP")
    if not values:
        write_on_axes(axes, "not measured")
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
            epochs,
            values,
            color=colour,
            linestyle=style,
            marker=marker,
            markersize=3,
            linewidth=look.get("width", 1.6),
            label=look.get("label"),
        )


def _columns(rows: Sequence[Row], prefix: str) -> list[str]:
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name.startswith(prefix)]
