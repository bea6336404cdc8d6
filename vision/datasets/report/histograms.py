"""The distribution of classes, box sizes and box places in a dataset, as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CLASSES = 40  # with a bar of their own; the rarest others are left out, and that is said
_MOST_POINTS = 5000
_COLOUR = "#2a6f97"


def write_histograms(
    index: AnnotationIndex, name: str, folder: str | Path, resolution: int = 300
) -> list[Path]:
    """Write name_classes.png, name_boxes.png into the folder, made where missing; return them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    classes = min(len(index.class_names) - 1, _MOST_CLASSES)
    plots = {
        "classes": (_plot_classes, (7, 1.5 + 0.3 * classes), 1),
        "boxes": (_plot_boxes, (14, 4.2), 3),
    }
    paths = []
    for kind, (plot, size, columns) in plots.items():
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        plot(index, figure.subplots(1, columns), resolution)
        figure.suptitle(f"{name}: {len(index):,} pictures, {index.num_boxes:,} boxes")
        paths.append(folder / f"{name}_{kind}.png")
        figure.savefig(paths[-1], dpi=100)
    return paths


def _plot_classes(index: AnnotationIndex, axes: Axes, resolution: int) -> None:
    counts = sorted(index.boxes_per_class().items(), key=lambda pair: -pair[1])
    shown = counts[:_MOST_CLASSES][::-1]
    bars = axes.barh([_plain(name) for name, _ in shown], [count for _, count in shown])
    for bar in bars:
        bar.set_color(_COLOUR)
    axes.bar_label(bars, [f"{count:,}" for _, count in shown], padding=3)
    axes.margins(x=0.15)
    left_out = len(counts) - len(shown)
    axes.set_xlabel("boxes" + (f" ({left_out:,} rarer classes are not shown)" if left_out else ""))


def _plot_boxes(index: AnnotationIndex, axes: np.ndarray, resolution: int) -> None:
    boxes = index.boxes_in_square(resolution)
    sizes = boxes[:, 2:] - boxes[:, :2]
    sides = np.sqrt(np.prod(sizes, axis=1))
    borders = np.geomspace(2, resolution, 32)
    axes[0].hist(sides.clip(borders[0], borders[-1]), bins=borders, color=_COLOUR)
    axes[0].yaxis.get_major_locator().set_params(integer=True)
    axes[0].set_xscale("log")
    ticks = [side for side in (2, 4, 8, 16, 32, 64, 128, 256, 512) if side < 0.7 * resolution]
    axes[0].set_xticks([*ticks, resolution], [*map(str, ticks), str(resolution)])
    axes[0].set_xticks([], minor=True)
    axes[0].set(xlabel=f"root of the area, px at {resolution}x{resolution}", ylabel="boxes")

    rng = np.random.default_rng(0)
    few = rng.permutation(len(sizes))[:_MOST_POINTS]
    alpha = min(max(200 / max(len(few), 1), 0.2), 1)
    axes[1].scatter(sizes[few, 0], sizes[few, 1], s=8, alpha=alpha, color=_COLOUR, linewidths=0)
    axes[1].set(xlim=(0, resolution), ylim=(0, resolution), aspect="equal")
    axes[1].set(xlabel="width, px", ylabel="height, px", title="sizes")

    centers = (boxes[:, :2] + boxes[:, 2:]) / (2 * resolution)
    counts, _, _ = np.histogram2d(centers[:, 1], centers[:, 0], bins=24, range=((0, 1), (0, 1)))
    axes[2].imshow(counts, extent=(0, 1, 1, 0), cmap="Blues", aspect="equal")
    axes[2].set(title="centres of the boxes in their pictures", xlabel="x", ylabel="y")


def _plain(name: str) -> str:
    """Return a name in which matplotlib sees no formula."""
    return name.replace("$", r"\$")
