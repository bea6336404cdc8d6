"""Boxes of chosen classes and their lines."""

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.download.pictures import annotation_file, image_id, line, read_rows
from vision.download.open_images import boxes as boxes_module
from vision.download.open_images import line_scanner
from vision.download.open_images.box_index import open_index
from vision.download.open_images.boxes import (
    DTYPES,
    read_box_lines,
    read_coordinates,
    read_image_ids,
    select_boxes,
    write_boxes,
)

APPLE, BANANA, COCONUT = "/m/014j1m", "/m/09qck", "/m/0djtd"
LABELS = [APPLE, BANANA, COCONUT]
LINES = [
    line(10, APPLE, (0.1, 0.2, 0.3, 0.4)),
    line(10, BANANA, flags="00010"),
    line(11, COCONUT),
    line(12, BANANA, (0.0, 0.25, 0.5, 1.0), flags="10000"),
    line(12, APPLE, flags="00100"),
]


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(annotation_file(LINES))
    return open_index(path, LABELS)


def test_selects_classes_in_the_order_asked(index):
    boxes = select_boxes(index, [1, 0])
    assert boxes.classes.tolist() == [1, 0, 0, 1]
    assert boxes.pictures.tolist() == [0, 0, 2, 2]
    assert boxes.has("IsDepiction").tolist() == [False, True, False, False]
    assert boxes.has("IsGroupOf").tolist() == [False, False, False, True]
    assert list(read_box_lines(index.path, boxes)) == [LINES[n].encode() for n in (0, 1, 3, 4)]


def test_selects_without_a_flag(index):
    assert select_boxes(index, [0, 1], ["IsDepiction"]).classes.tolist() == [0, 1, 0]
    assert len(select_boxes(index, [0, 1], ["IsDepiction", "IsGroupOf", "IsOccluded"])) == 1


def test_selects_nothing(index):
    boxes = select_boxes(index, [])
    assert len(boxes) == 0
    assert read_coordinates(index, boxes).shape == (0, 4)
    assert read_image_ids(index, boxes) == {}


def test_a_picture_whose_lines_are_apart_has_one_number(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(annotation_file([line(n, APPLE) for n in (5, 6, 5, 5, 7, 6)]))
    boxes = select_boxes(open_index(path, LABELS), [0])
    assert boxes.pictures.tolist() == [0, 1, 0, 0, 3, 1]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 5),
            # Of every length around those at which words and pieces end.
            st.sampled_from(["/m/0", *("/m/" + "x" * n for n in (4, 5, 6, 12, 13, 14, 29, 40))]),
            st.lists(st.sampled_from(["0", "1", "-1"]), min_size=5, max_size=5),
        ),
        max_size=30,
    ),
    chosen=st.permutations(range(7)),
    block=st.integers(1, 500),
)
def test_selects_what_a_reading_row_by_row_does(tmp_path_factory, rows, chosen, block):
    labels = ["/m/" + "x" * n for n in (5, 12, 4, 13, 29, 6, 14)]
    names, path = [labels[place] for place in chosen[:4]], tmp_path_factory.mktemp("rows") / "a.csv"
    lines = [line(number, label, flags=flags) for number, label, flags in rows]
    path.write_bytes(annotation_file(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_scanner, "BLOCK_BYTES", block)
        index = open_index(path, labels)
    boxes = select_boxes(index, chosen[:4], ["IsDepiction"])
    with path.open(newline="") as file:
        expected = [
            row
            for row in csv.DictReader(file)
            if row["LabelName"] in names and row["IsDepiction"] != "1"
        ]
    assert [text.decode().split(",") for text in read_box_lines(path, boxes)] == [
        list(row.values()) for row in expected
    ]
    assert [names[place] for place in boxes.classes] == [row["LabelName"] for row in expected]
    ids = read_image_ids(index, boxes)
    assert [ids[number] for number in boxes.pictures.tolist()] == [r["ImageID"] for r in expected]
    assert len(set(ids.values())) == len(ids)
    for flag in ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction"):
        assert boxes.has(flag).tolist() == [row[flag] == "1" for row in expected]


def test_steps_may_be_cut_anywhere(index, monkeypatch):
    whole = select_boxes(index, [0, 1, 2])
    for step in (1, 2, 3, 4):
        monkeypatch.setattr(boxes_module, "STEP", step)
        cut = select_boxes(index, [0, 1, 2])
        assert all((getattr(cut, n) == getattr(whole, n)).all() for n in DTYPES)


def test_coordinates_are_xyxy(index):
    corners = read_coordinates(index, select_boxes(index, [0, 1]))
    np.testing.assert_allclose(corners[[0, 2]], [[0.1, 0.2, 0.3, 0.4], [0.0, 0.25, 0.5, 1.0]])


def test_image_ids_by_number(index):
    ids = read_image_ids(index, select_boxes(index, [0, 1]))
    assert ids == {0: image_id(10), 2: image_id(12)}


def test_writes_the_lines_with_the_class_name(index, tmp_path):
    path = tmp_path / "out" / "sub.csv"
    write_boxes(path, index, select_boxes(index, [1]), ["Banana"])
    rows = read_rows(path)
    assert [(row["ImageID"], row["ClassName"]) for row in rows] == [
        (image_id(10), "Banana"),
        (image_id(12), "Banana"),
    ]
    assert path.read_text().splitlines()[2] == f"{LINES[3]},Banana"
