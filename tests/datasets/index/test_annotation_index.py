from __future__ import annotations

import numpy as np
import pytest

from vision.datasets.index.annotation_index import concatenate
from vision.datasets.index.builder import BoxTable, IndexBuilder

BOX = (10, 20, 30, 40)


def make_index(names_by_picture, prefix="p"):
    builder = IndexBuilder()
    for number, names in enumerate(names_by_picture):
        boxes = [(number, 0, number + 10, 10)] * len(names)
        builder.add(f"{prefix}{number}", f"/data/{prefix}{number}.jpg", boxes, names)
    return builder.build()


def test_the_pictures_come_back_as_they_were_added():
    builder = IndexBuilder()
    builder.add("a b", "/data/a b.jpg", [BOX, (1, 2, 3, 4.5)], ["cat", "dog"], [False, True])
    builder.add("empty", "/data/empty.png", [], [], size=(640, 480))
    index = builder.build()
    assert len(index) == 2
    first, second = index
    assert (first.image_id, first.path) == ("a b", "/data/a b.jpg")
    assert first.boxes.tolist() == [[10, 20, 30, 40], [1, 2, 3, 4.5]]
    assert first.boxes.dtype == np.float32
    assert first.labels.tolist() == [1, 2]
    assert first.labels.dtype == np.int64
    assert first.difficult.tolist() == [False, True]
    assert not first.relative
    assert second.boxes.shape == (0, 4)
    assert index.sizes.tolist() == [[0, 0], [640, 480]]
    assert index.origins.tolist() == [1, 2]
    assert index.class_names == ["BACKGROUND", "cat", "dog"]


def test_negative_rows_count_from_the_end_and_others_are_refused():
    index = make_index([["a"], ["b", "b"]])
    assert index[-1].image_id == "p1"
    assert len(index[-1].boxes) == 2
    with pytest.raises(IndexError):
        index[2]


def test_a_sample_does_not_give_its_index_away():
    index = make_index([["a"]])
    index[0].boxes[:] = -1
    assert index[0].boxes.min() == 0


def test_statistics():
    index = make_index([["a", "b"], [], ["b"]])
    assert (len(index), index.num_boxes, index.num_negatives) == (3, 3, 1)
    assert index.boxes_per_class() == {"a": 1, "b": 2}
    assert [index.row_of(box) for box in range(3)] == [0, 0, 2]


def test_boxes_in_the_square_are_stretched_with_their_pictures():
    """Two sizes are stated; of a picture without objects, and of fractions, none is asked for."""
    builder = IndexBuilder()
    builder.add("a", "a.jpg", [(64, 48, 320, 480)], ["cat"], size=(640, 480))
    builder.add("b", "b.jpg", [], [])
    builder.add("c", "c.jpg", [(10, 10, 20, 20), (-9, 0, 90, 10)], ["cat", "dog"], size=(40, 20))
    boxes = builder.build().boxes_in_square(100)
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, [[10, 10, 50, 100], [25, 50, 50, 100], [0, 0, 100, 50]])
    builder = IndexBuilder(relative=True)
    builder.add("a", "a.jpg", [(0.1, 0.2, 0.5, 1)], ["cat"])
    np.testing.assert_allclose(
        builder.build().boxes_in_square(300), [[30, 60, 150, 300]], rtol=1e-6
    )
    assert builder.build().boxes_in_square(1).tolist() == builder.build().boxes.tolist()
    assert IndexBuilder().build().boxes_in_square(300).shape == (0, 4)


def test_without_the_size_of_a_picture_there_is_no_square():
    with pytest.raises(ValueError, match=r"that of /data/p0\.jpg is not"):
        make_index([["a"]]).boxes_in_square(300)


def test_an_empty_index():
    index = IndexBuilder().build()
    assert (len(index), index.num_boxes, index.num_negatives) == (0, 0, 0)
    assert list(index) == []
    assert len(concatenate([index, make_index([["a"]])], ["BACKGROUND", "a"])) == 1


def test_select_by_row_and_by_mask():
    index = make_index([["a"], [], ["b", "a"]])
    by_row = index.select(np.array([2, 0]))
    assert [annotation.image_id for annotation in by_row] == ["p2", "p0"]
    assert by_row[0].labels.tolist() == [2, 1]
    assert by_row.origins.tolist() == [1, 2, 1]
    by_mask = index.select(np.array([False, True, True]))
    assert [annotation.image_id for annotation in by_mask] == ["p1", "p2"]
    assert len(index.select(np.array([], dtype=int))) == 0


def test_keep_boxes_keeps_the_pictures():
    index = make_index([["a", "b"], ["a"], ["b"]])
    kept = index.keep_boxes(np.array([False, True, False, True]))
    assert [annotation.labels.tolist() for annotation in kept] == [[2], [], [2]]
    assert index.keep_boxes(np.ones(4, dtype=bool)) is index


def test_concatenate_numbers_by_class_name():
    one, two = make_index([["cat"], ["dog"]]), make_index([["dog", "cow"], []], prefix="q")
    joined = concatenate([one, two], ["BACKGROUND", "dog", "cat"])
    assert [annotation.labels.tolist() for annotation in joined] == [[2], [1], [1], []]
    assert [annotation.image_id for annotation in joined] == ["p0", "p1", "q0", "q1"]
    assert joined.class_names == ["BACKGROUND", "dog", "cat"]


def test_a_class_called_background_never_becomes_a_label():
    index = make_index([["BACKGROUND", "cat"]]).with_classes(["BACKGROUND", "cat"])
    assert index[0].labels.tolist() == [1]


def test_a_box_table_groups_rows_by_picture():
    table = BoxTable(relative=True)
    boxes = np.arange(16, dtype=np.float32).reshape(4, 4)
    ids = np.array(["b", "a", " b ", "a"], dtype=object)
    names = np.array(["x", "y", "y", "x"], dtype=object)
    table.add(ids, names, boxes, np.arange(2, 6))
    table.add_picture("negative")
    index = table.build(f"/data/{image_id}.jpg" for image_id in table.rows)
    assert [annotation.image_id for annotation in index] == ["b", "a", "negative"]
    assert index[0].path == "/data/b.jpg"
    assert index[0].boxes[:, 0].tolist() == [0, 8]
    assert index[1].labels.tolist() == [2, 1]
    assert index.origins.tolist() == [2, 4, 3, 5]
    assert index[1].relative
    assert len(index[2].boxes) == 0


def test_an_empty_box_table():
    assert len(BoxTable(relative=True).build([])) == 0


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sizes", np.zeros((3, 2)), r"sizes of 2 pictures must be \(2, 2\), got \(3, 2\)"),
        ("labels", np.zeros(7, dtype=np.int16), r"labels of 2 pictures must be \(2,\)"),
        ("offsets", np.array([0, 1, 3]), "2 pictures and 2 boxes do not fit 2 paths and offsets"),
        ("class_names", ["cat"], "class_names must be BACKGROUND and at most"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(field, value, message):
    index = make_index([["a"], ["b"]])
    arrays = {name: getattr(index, name) for name in index.__dataclass_fields__}
    with pytest.raises(ValueError, match=message):
        type(index)(**{**arrays, field: value})
