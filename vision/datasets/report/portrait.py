"""Draw the portrait of a dataset: how many objects a class has, how large they are, and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.utils.figures import (
    BLUE,
    GREY,
    finish_axes,
    new_figure,
    plain_name,
    save_figure,
    write_on_axes,
)

MOST_BARS = 30  # bars, one a class
MOST_POINTS = 5000  # with more boxes than this, their density is drawn
BINS = 60  # cells of the density, along either side
TICKS = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # pixels


def write_portrait(index: AnnotationIndex, path: str | Path, size: int) -> None:
    """Draw an index into a picture file.

    Args:
        index: of the pictures; sizes are needed where boxes are in pixels.
        path: of the file, .png or .jpg; its folder is made if it is missing.
        size: S, the side of the net's input: boxes are measured in its pixels.
    """
    figure = new_figure(13, 10)
    (classes, sides), (sizes, centres) = figure.subplots(2, 2)
    boxes = index.boxes_in_square(size)
    _plot_classes(classes, index.boxes_per_class())
    _plot_sides(sides, boxes, size)
    _plot_sizes(sizes, boxes, size)
    _plot_centres(centres, boxes, size)
    figure.suptitle(
        f"{len(index):,} pictures, {index.num_negatives:,} of them without objects, "
        f"{index.num_boxes:,} objects"
    )
    save_figure(figure, Path(path))


def _plot_classes(axes: Any, counts: Mapping[str, int]) -> None:
    """Draw one bar a class; of many classes, the most frequent ones."""
    frequent = set(sorted(counts, key=counts.__getitem__, reverse=True)[:MOST_BARS])
    shown = [name for name in counts if name in frequent]
    bars = axes.barh(range(len(shown)), [counts[name] for name in shown], color=BLUE)
    axes.bar_label(bars, [f"{counts[name]:,}" for name in shown], padding=3, fontsize=8)
    font = 9 if len(shown) <= 15 else 7
    axes.set_yticks(range(len(shown)), [plain_name(name) for name in shown], fontsize=font)
    axes.set_ylim(max(len(shown), 6) - 0.5, -0.5)
    axes.margins(x=0.15)
    more = f", the {len(shown)} most frequent of {len(counts)}" if len(counts) > len(shown) else ""
    finish_axes(axes)
    axes.grid(visible=False, axis="y")
    axes.set_title(f"Objects of each class{more}")


def _plot_sides(axes: Any, boxes: np.ndarray, size: int) -> None:
    """Draw a histogram of box sizes with a logarithmic scale."""
    sides = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    borders = np.geomspace(min(2, size / 2), size, 32)
    axes.hist(sides.clip(borders[0], borders[-1]), bins=borders, color=BLUE)
    axes.set_xscale("log")
    ticks = [tick for tick in TICKS if tick < 0.7 * size]
    axes.set_xticks([*ticks, size], [*map(str, ticks), str(size)])
    axes.set_xticks([], minor=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set(title="Box sizes", xlabel="root of the area, pixels of the net", ylabel="objects")
    finish_axes(axes)


def _plot_sizes(axes: Any, boxes: np.ndarray, size: int) -> None:
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    axes.set(title="Box shapes", xlabel="width, pixels of the net", ylabel="height")
    if len(boxes):
        axes.set_title(
            f"Box shapes, median {np.median(width):.0f} x {np.median(height):.0f} pixels"
        )
    axes.plot([0, size], [0, size], color=GREY, linewidth=0.8, linestyle=":")
    _cloud(axes, width, height, size)


def _plot_centres(axes: Any, boxes: np.ndarray, size: int) -> None:
    x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T
    axes.set(title="Box centres", xlabel="x, pixels of the net", ylabel="y")
    _cloud(axes, x, y, size)
    axes.invert_yaxis()


def _cloud(axes: Any, x: np.ndarray, y: np.ndarray, size: int) -> None:
    """Draw points in the square of the net's input, or the density of many points."""
    axes.set(xlim=(0, size), ylim=(0, size), aspect="equal")
    if not len(x):
        write_on_axes(axes, "no boxes")
    elif len(x) <= MOST_POINTS:
        axes.scatter(x, y, s=12, color=BLUE, alpha=0.35, linewidths=0)
    else:
        from matplotlib.colors import LogNorm

        limits = [[0, size], [0, size]]
        counts, *edges = np.histogram2d(x, y, bins=BINS, range=limits)
        cells = np.ma.masked_equal(counts.T, 0)
        # The scale must not go from 1 to 1.
        norm = LogNorm(1, max(10, counts.max()))
        mesh = axes.pcolormesh(*edges, cells, norm=norm, cmap="viridis_r")
        axes.figure.colorbar(mesh, ax=axes, label="objects", shrink=0.8)
