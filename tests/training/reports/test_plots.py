from __future__ import annotations

import warnings

import cv2
import pytest

from vision.training.model_folder.results import curve
from vision.training.reports import plots
from vision.training.reports.plots import plot_results

ROWS = [
    {"epoch": 0, "training loss": 4.0, "learning rate": 0.01},
    {"epoch": "1", "training loss": "3.0", "validation loss": "3.5", "mAP": "0.4", "AP a": ""},
    {"epoch": 2, "training loss": float("nan"), "validation loss": 3.0, "mAP": 0.6, "AP a": None},
    {"epoch": 3, "training loss": float("inf"), "mAP": 0.5, "AP $a": 0.5},
]


def figure_of(monkeypatch, draw, *arguments):
    """Return the figure that a function draws, instead of writing it."""
    drawn = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: drawn.append(figure))
    draw(*arguments)
    return drawn[0]


def test_a_curve_leaves_out_what_is_none():
    assert curve(ROWS, "training loss") == ([0, 1], [4.0, 3.0])
    assert curve(ROWS, "mAP") == ([1, 2, 3], [0.4, 0.6, 0.5])
    assert curve(ROWS, "AP a") == ([], [])
    assert curve([], "mAP") == ([], [])


def test_the_curves_are_the_columns(monkeypatch):
    losses, precision, rates = figure_of(monkeypatch, plot_results, ROWS, None).axes
    curves = {line.get_label(): line.get_xydata().tolist() for line in losses.lines}
    assert curves == {"training": [[0, 4], [1, 3]], "validation": [[1, 3.5], [2, 3]]}
    assert precision.get_title() == "Average precision, best mean 0.600 in epoch 2"
    assert [line.get_xydata().tolist() for line in rates.lines] == [[[0, 0.01]]]


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS[1:2], ROWS, ROWS * 30])
def test_any_number_of_epochs_can_be_drawn(tmp_path, rows):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_results(rows, tmp_path / "results.png")
    height, width = cv2.imread(str(tmp_path / "results.png")).shape[:2]
    assert (width, height) in [(1500, 460), (1500, 459)]  # matplotlib before 3.8 rounds down
    assert [path.name for path in tmp_path.iterdir()] == ["results.png"]


def test_without_precision_the_panel_says_so(monkeypatch):
    precision = figure_of(monkeypatch, plot_results, ROWS[:1], None).axes[1]
    assert [text.get_text() for text in precision.texts] == ["not measured"]


def test_many_classes_leave_the_mean_alone(monkeypatch):
    row = {"epoch": 0, "mAP": 0.5, **{f"AP {number}": 0.5 for number in range(11)}}
    precision = figure_of(monkeypatch, plot_results, [row], None).axes[1]
    assert len(precision.lines) == 2, "the curve and the star"
