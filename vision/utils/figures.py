"""The look of all figures, drawn by matplotlib without a screen and without pyplot's state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vision.utils.files import atomic_write
from vision.utils.lettering import plain_letters

BLUE, ORANGE, GREY = "#1f6fb4", "#e2711d", "#8a8f98"
LONGEST_WORDS = 24  # letters of a class name


def new_figure(width: float, height: float) -> Any:
    """Return an empty figure of this size in inches, of 100 pixels each."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=100, layout="constrained")


def finish_axes(axes: Any) -> None:
    """Take away two of the four edges, draw a light grid, and a legend where curves have names."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(frameon=False, fontsize=8)


def write_on_axes(axes: Any, text: str) -> None:
    """Write into the middle of axes that have nothing to show."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=GREY)


def plain_name(name: str) -> str:
    """Return a class name, shortened, that matplotlib can write and sees no formula in."""
    name = plain_letters(name)
    short = name if len(name) <= LONGEST_WORDS else name[: LONGEST_WORDS - 2] + "…"
    return short.replace("$", r"\$")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format that the suffix of the path says."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
