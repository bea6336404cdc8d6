from __future__ import annotations

import numpy as np
import pytest

from tests.drawing import write_open_images, write_voc
from vision.datasets.formats.voc_writing import annotation_xml, safe_name, write_lists
from vision.datasets.formats.voc_writing import write_voc as write_as_voc
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.opening import open_datasets, open_split
from vision.structures import Annotation


def by_file(index):
    return {annotation.path.rpartition("/")[2]: annotation for annotation in index}


def test_a_folder_comes_back_as_it_was(tmp_path):
    write_voc(tmp_path / "a", {"train": 5, "val": 3, "test": 2}, negatives=1)
    datasets = open_datasets(tmp_path / "a")
    test = open_split(tmp_path / "a", split="test")
    parts = {"train": datasets.train, "val": datasets.validation, "test": test}
    write_as_voc(parts, tmp_path / "b")
    again = open_datasets(tmp_path / "b")
    assert again.class_names == datasets.class_names
    for one, other in zip([again.train, again.validation], [datasets.train, datasets.validation]):
        assert list(one.image_ids) == list(other.image_ids)
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.labels, other.labels)
    assert list(open_split(tmp_path / "b", split="test").image_ids) == list(test.image_ids)


def test_fractions_come_back_within_a_thousandth_of_a_pixel(tmp_path):
    write_open_images(tmp_path / "a", {"train": 6, "validation": 2})
    before = open_datasets(tmp_path / "a")
    write_as_voc({"train": before.train, "val": before.validation}, tmp_path / "b")
    after = open_datasets(tmp_path / "b")
    assert after.class_names == before.class_names
    found = by_file(after.train)
    for file, annotation in by_file(before.train).items():
        difference = found[file].boxes - annotation.boxes_in_pixels(160, 120)
        assert np.abs(difference).max() < 0.002
        assert found[file].labels.tolist() == annotation.labels.tolist()


def test_boxes_at_the_edges_and_fractions_of_pixels_are_written_from_one():
    boxes = np.float32([[0, 0, 100, 50], [0.5, 1.25, 3, 4.125]])
    annotation = Annotation("a", "a.jpg", boxes, np.array([1, 2]), np.array([False, True]))
    text = annotation_xml(annotation, ["BACKGROUND", "salt & <pepper>", "b"], "a&b.jpg", (100, 50))
    assert "<name>salt &amp; &lt;pepper&gt;</name>" in text
    assert "<filename>a&amp;b.jpg</filename>" in text
    corners = [line.strip() for line in text.splitlines() if "min" in line or "max" in line]
    assert corners == [
        "<xmin>1</xmin>", "<ymin>1</ymin>", "<xmax>101</xmax>", "<ymax>51</ymax>",
        "<xmin>1.5</xmin>", "<ymin>2.25</ymin>", "<xmax>4</xmax>", "<ymax>5.125</ymax>",
    ]  # fmt: skip
    assert text.count("<difficult>1</difficult>") == 1


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("IMG 0001", "IMG 0001"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("/etc/passwd", "_etc_passwd"),
        ("C:\\x\\y.jpg", "C__x_y"),
        ("..", "picture"),
        ("", "picture"),
        ("zażółć.v2", "zażółć.v2"),
        ("x" * 300, "x" * 120),
    ],
)
def test_names_lead_nowhere_else(image_id, expected):
    assert safe_name(image_id, set()) == expected


def test_names_that_are_taken_get_a_number():
    taken = set()
    assert [safe_name(name, taken) for name in ("a/b", "a_b", "A_B", "a_b")] == [
        "a_b", "a_b_2", "A_B_3", "a_b_4",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"train": "ab", "val": "c", "test": "d"}, ["ab", "c", "abc", "d"]),
        ({"train": "ab", "val": "c"}, ["ab", "c", "ab", "c"]),
        ({"train": "ab"}, ["ab", "", "ab", ""]),
    ],
)
def test_nobody_measures_on_what_was_trained_on(tmp_path, parts, expected):
    paths = write_lists(tmp_path, parts)
    assert [path.name for path in paths] == ["train.txt", "val.txt", "trainval.txt", "test.txt"]
    assert ["".join(path.read_text().split()) for path in paths] == expected
    with pytest.raises(ValueError, match=r"there is a split already in .*train\.txt"):
        write_lists(tmp_path, parts)


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="must be a new folder"):
        write_as_voc({"train": IndexBuilder().build()}, tmp_path)
