"""The look of all figures, drawn by matplotlib without a screen and without pyplot's state."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from vision.utils.files import atomic_write
from vision.utils.lettering import plain_letters
from vision.utils.text import cut

# Colours that can be told apart, on white and, turned by the style of a page, on black.
PALETTE = (
    "#3b82c4",
    "#e07b26",
    "#3a9d5d",
    "#d1495b",
    "#8d6cc9",
    "#a1755c",
    "#d070b0",
    "#2f9c95",
    "#b8952b",
    "#7a8799",
)
BLUE, ORANGE, GREEN, RED = PALETTE[:4]
GREY = "#8a8f98"
LONGEST_WORDS = 24  # letters of a class name


def new_figure(width: float, height: float, dpi: int = 100) -> Any:
    """Return an empty figure of this size in inches, of `dpi` pixels each."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


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


def plain_name(name: str, longest: int = LONGEST_WORDS) -> str:
    """Return a name, shortened, that matplotlib can write and sees no formula in."""
    return cut(plain_letters(name), longest).replace("$", r"\$")


def save_figure(figure: Any, path: Path) -> None:
    """Write a figure in the format that the suffix of the path says."""
    _take_from_screen(figure)
    with atomic_write(path) as temporary:
        figure.savefig(temporary)


def figure_png(figure: Any) -> bytes:
    """Return a figure as a PNG file."""
    _take_from_screen(figure)
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def _take_from_screen(figure: Any) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)  # which becomes the canvas of the figure
