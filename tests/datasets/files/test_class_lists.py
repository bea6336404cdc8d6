"""A list of classes that we write comes back, whatever the names look like."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.drawing import write_voc as draw_voc
from vision.datasets.files.class_lists import class_list_lines, read_class_list
from vision.datasets.formats.shards.reading import ShardFolder
from vision.datasets.formats.shards.writing import write_shards
from vision.datasets.formats.voc import VOCFolder
from vision.datasets.formats.voc_writing import copy_as_voc
from vision.datasets.opening import open_datasets
from vision.live.labelling.pseudo_labels import PseudoLabels
from vision.live.labelling.store import LabelStore
from vision.live.saving import GIGABYTE, Budget
from vision.utils.labels import read_labels

PLAIN = [["apple", "pear"], ["apple"], ["1 euro", "2 euro", "5 euro"], ["2 euro", "1 cent"]]
ODD = [
    ["1 cent", "2 euro"], ["0 cat", "1 dog"], ["0 a", "5 b"], ["1. FC", "2. Liga"], ["a,b"],
    ["a;b"], ["cat: 0", "dog: 1"], ["a:1,2,3:b:c"], ["# label: colour", "apple"],
]  # fmt: skip


@pytest.mark.parametrize("names", [*PLAIN, *ODD])
def test_names_come_back_from_every_reader(tmp_path, names):
    path = tmp_path / "labels.txt"
    path.write_text("".join(f"{line}\n" for line in class_list_lines(["BACKGROUND", *names])))
    assert read_class_list(path) == names
    assert read_class_list(path, lambda: names) == names
    assert read_labels(path) == ["BACKGROUND", *names]
    assert path.read_text().startswith("BACKGROUND\n") == (names in ODD)


@pytest.mark.parametrize("names", ODD)
def test_names_come_back_from_every_folder_that_we_write(tmp_path, names):
    """Also where no object has the names, which would tell that they are whole."""
    draw_voc(tmp_path / "drawn", {"train": 2, "val": 1}, negatives=1)
    drawn = open_datasets(tmp_path / "drawn").train
    negatives = drawn.select([row for row, one in enumerate(drawn) if not len(one.labels)])
    parts = {"train": replace(negatives, class_names=["BACKGROUND", *names])}
    copy_as_voc(parts, tmp_path / "voc")
    write_shards(parts, tmp_path / "shards", 1 << 20)
    assert VOCFolder(tmp_path / "voc").class_names() == names
    assert ShardFolder(tmp_path / "shards").class_names() == names


@pytest.mark.parametrize("names", ODD)
def test_names_of_a_label_folder_come_back_before_any_is_used(tmp_path, names):
    budget = Budget(GIGABYTE)
    LabelStore(tmp_path, (), budget).set_class_names(names)
    assert LabelStore(tmp_path, (), budget).class_names == names
    assert VOCFolder(tmp_path).class_names() == names


@pytest.mark.parametrize("names", ODD)
def test_names_of_a_detector_come_back(tmp_path, names):
    import numpy as np

    from vision.structures import Detections

    labels = PseudoLabels(tmp_path, ["BACKGROUND", *names])
    labels.add_frame("frame", np.zeros((48, 64, 3), np.uint8), Detections.none())
    labels.close()
    assert VOCFolder(tmp_path).class_names() == names
