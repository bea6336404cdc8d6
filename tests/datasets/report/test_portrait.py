from __future__ import annotations

import warnings

import matplotlib.image
import numpy as np
import pytest

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import StringTable
from vision.datasets.report import portrait
from vision.datasets.report.portrait import write_portrait


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


def portrait_of(monkeypatch, of, size):
    """Return the figure of an index, instead of writing it."""
    drawn = []
    monkeypatch.setattr(portrait, "save_figure", lambda figure, path: drawn.append(figure))
    write_portrait(of, "nowhere.png", size)
    return drawn[0]


def test_labels_are_counted_and_measured(monkeypatch):
    two = index(
        [((100, 100), False, [[0, 0, 10, 20], [0, 0, 30, 40]], [1, 1]), ((9, 9), False, [], [])]
    )
    figure = portrait_of(monkeypatch, two, 100)
    classes, sides, sizes, centres = figure.axes
    assert figure.texts[0].get_text() == "2 pictures, 1 of them without objects, 2 objects"
    assert [bar.get_width() for bar in classes.patches] == [2, 0]
    assert [text.get_text() for text in classes.get_yticklabels()] == ["cat", "dog"]
    assert sum(bar.get_height() for bar in sides.patches) == 2
    assert sizes.get_title() == "Box shapes, median 20 x 30 pixels"
    assert sizes.collections[0].get_offsets().tolist() == [[10, 20], [30, 40]]
    assert centres.collections[0].get_offsets().tolist() == [[5, 10], [15, 20]]


def test_of_many_classes_the_most_frequent_are_shown_in_order(monkeypatch):
    names = ["BACKGROUND", *(f"class {number}" for number in range(1, 41))]
    labels = [label for label in range(5, 41) for _ in range(label)]
    boxes = [[0, 0, 1, 1]] * len(labels)
    figure = portrait_of(monkeypatch, index([((1, 1), False, boxes, labels)], names), 300)
    classes = figure.axes[0]
    assert classes.get_title() == "Objects of each class, the 30 most frequent of 40"
    assert [bar.get_width() for bar in classes.patches] == list(range(11, 41))


@pytest.mark.parametrize("count", [0, 1, 6000])
def test_any_number_of_boxes_can_be_drawn(tmp_path, count):
    pictures = [((100, 100), False, [[0, 0, 50, 100]] * count, [1] * count)]
    names = ["BACKGROUND", "a $ and a $", "_" + "long" * 20]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_portrait(index(pictures, names), tmp_path / "labels.jpg", 300)
    assert matplotlib.image.imread(tmp_path / "labels.jpg").shape == (1000, 1300, 3)


def test_an_empty_dataset_can_be_drawn(tmp_path):
    write_portrait(index([]), tmp_path / "new" / "labels.jpg", 300)
    assert (tmp_path / "new" / "labels.jpg").is_file()
