from __future__ import annotations

import warnings

import cv2
import matplotlib.image
import numpy as np
import pytest

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import StringTable
from vision.training.model_folder.results import curve
from vision.training.reports import plots
from vision.training.reports.plots import (
    plot_labels,
    plot_results,
)

ROWS = [
    {"epoch": 0, "training loss": 4.0, "learning rate": 0.01},
    {"epoch": "1", "training loss": "3.0", "validation loss": "3.5", "mAP": "0.4", "AP a": ""},
    {"epoch": 2, "training loss": float("nan"), "validation loss": 3.0, "mAP": 0.6, "AP a": None},
    {"epoch": 3, "training loss": float("inf"), "mAP": 0.5, "AP $a": 0.5},
]


def index(pictures, class_names=("BACKGROUND", "cat", "dog")):
    """Make an index of (size, relative, boxes, labels) a picture."""
    sizes, relative, boxes, labels = zip(*pictures) if pictures else ((), (), (), ())
    counts = [len(one) for one in boxes]
    boxes = np.array([box for one in boxes for box in one], np.float32).reshape(-1, 4)
    names = [str(number) for number in range(len(sizes))]
    return AnnotationIndex(
        class_names=list(class_names),
        image_ids=StringTable.from_strings(names),
        paths=StringTable.from_strings(names),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        relative=np.array(relative, bool),
        offsets=np.cumsum([0, *counts]).astype(np.int64),
        boxes=boxes,
        labels=np.array([label for one in labels for label in one], np.int16),
        difficult=np.zeros(len(boxes), bool),
        origins=np.zeros(len(boxes), np.int32),
    )


def figure_of(monkeypatch, draw, *arguments):
    """Return the figure that a function draws, instead of writing it."""
    drawn = []
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.append(figure))
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


def test_labels_are_counted_and_measured(monkeypatch):
    two = index(
        [((100, 100), False, [[0, 0, 10, 20], [0, 0, 30, 40]], [1, 1]), ((9, 9), False, [], [])]
    )
    figure = figure_of(monkeypatch, plot_labels, two, None, 100)
    classes, sizes, centres = figure.axes
    assert figure.texts[0].get_text() == "2 pictures, 2 objects, 1 pictures without objects"
    assert [bar.get_width() for bar in classes.patches] == [2, 0]
    assert [text.get_text() for text in classes.get_yticklabels()] == ["cat", "dog"]
    assert sizes.get_title() == "Box sizes, median 20 x 30 pixels"
    assert sizes.collections[0].get_offsets().tolist() == [[10, 20], [30, 40]]
    assert centres.collections[0].get_offsets().tolist() == [[5, 10], [15, 20]]


def test_of_many_classes_the_most_frequent_are_shown_in_order(monkeypatch):
    names = ["BACKGROUND", *(f"class {number}" for number in range(1, 41))]
    labels = [label for label in range(5, 41) for _ in range(label)]
    boxes = [[0, 0, 1, 1]] * len(labels)
    figure = figure_of(
        monkeypatch, plot_labels, index([((1, 1), False, boxes, labels)], names), None, 300
    )
    classes = figure.axes[0]
    assert classes.get_title() == "Objects of each class, the 30 most frequent of 40"
    assert [bar.get_width() for bar in classes.patches] == list(range(11, 41))


@pytest.mark.parametrize("count", [0, 1, 6000])
def test_any_number_of_boxes_can_be_drawn(tmp_path, count):
    pictures = [((100, 100), False, [[0, 0, 50, 100]] * count, [1] * count)]
    names = ["BACKGROUND", "a $ and a $", "_" + "long" * 20]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_labels(index(pictures, names), tmp_path / "labels.jpg", 300)
    assert matplotlib.image.imread(tmp_path / "labels.jpg").shape == (500, 1500, 3)


def test_an_empty_dataset_can_be_drawn(tmp_path):
    plot_labels(index([]), tmp_path / "labels.jpg", 300)
    assert (tmp_path / "labels.jpg").is_file()
