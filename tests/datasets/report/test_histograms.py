from __future__ import annotations

import cv2
import pytest

from vision.datasets.index.builder import IndexBuilder
from vision.datasets.report.histograms import write_histograms


@pytest.mark.parametrize("classes", [0, 1, 60])
def test_histograms_are_pictures_whatever_the_dataset(tmp_path, classes):
    builder = IndexBuilder()
    names = [f"class ${number}^" for number in range(classes)]
    boxes = [(1, 1, 2 + n, 3 + n) for n in range(classes)]
    builder.add("one", "one.jpg", boxes, names, size=(200, 100))
    paths = write_histograms(builder.build(), "train", tmp_path / "new", 300)
    assert [path.name for path in paths] == ["train_classes.png", "train_boxes.png"]
    for path in paths:
        assert cv2.imread(str(path)).std() > 5
