from __future__ import annotations

import numpy as np
import pytest

from tests.drawing import voc_xml, write_open_images, write_picture
from tests.drawing import write_voc as draw_voc
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.voc import VOCFolder
from vision.datasets.formats.voc_writing import (
    VOCPicture,
    add_to_lists,
    annotation_xml,
    copy_as_voc,
    require_no_lists,
    safe_name,
    write_annotation,
    write_lists,
    write_voc,
)
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.opening import open_datasets, open_split


def by_file(index):
    return {annotation.path.rpartition("/")[2]: annotation for annotation in index}


def test_a_folder_comes_back_as_it_was(tmp_path):
    draw_voc(tmp_path / "a", {"train": 5, "val": 3, "test": 2}, negatives=1)
    datasets = open_datasets(tmp_path / "a")
    test = open_split(tmp_path / "a", split="test")
    parts = {"train": datasets.train, "val": datasets.validation, "test": test}
    copy_as_voc(parts, tmp_path / "b")
    again = open_datasets(tmp_path / "b")
    assert again.class_names == datasets.class_names
    for one, other in zip([again.train, again.validation], [datasets.train, datasets.validation]):
        assert list(one.image_ids) == list(other.image_ids)
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.labels, other.labels)
    assert list(open_split(tmp_path / "b", split="test").image_ids) == list(test.image_ids)
    assert again.lines[0].startswith(f"{tmp_path / 'b'} (voc): 5 pictures to train on (ImageSets")


def test_fractions_come_back_within_a_thousandth_of_a_pixel(tmp_path):
    write_open_images(tmp_path / "a", {"train": 6, "validation": 2})
    before = open_datasets(tmp_path / "a")
    copy_as_voc({"train": before.train, "val": before.validation}, tmp_path / "b")
    after = open_datasets(tmp_path / "b")
    assert after.class_names == before.class_names
    found = by_file(after.train)
    for file, annotation in by_file(before.train).items():
        difference = found[file].boxes - annotation.boxes_in_pixels(160, 120)
        assert np.abs(difference).max() < 0.002
        assert found[file].labels.tolist() == annotation.labels.tolist()


def picture(folder, name, boxes=((10, 10, 100, 80),), names=("cat & <dog>",), **flags):
    """Draw a black picture of 120 x 90 pixels and say what is on it."""
    write_picture(folder / name, np.zeros((90, 120, 3), np.uint8))
    boxes = np.array(boxes, dtype=float).reshape(-1, 4)
    return VOCPicture(folder / name, (120, 90), boxes, names, **flags)


def corners_in(text):
    return [line.strip() for line in text.splitlines() if "min" in line or "max" in line]


def test_boxes_at_the_edges_and_fractions_of_pixels_are_written_from_one(tmp_path):
    boxes = [(0, 0, 120, 90), (0.5, 1.25, 3, 4.125), (-7, -7, 300, 300)]
    flags = {"difficult": np.array([False, True, False]), "truncated": [True, True, False]}
    one = picture(tmp_path, "a&b.png", boxes, ["salt & <pepper>", "b", "c"], **flags)
    text = annotation_xml(one)
    assert "<name>salt &amp; &lt;pepper&gt;</name>" in text
    assert "<filename>a&amp;b.png</filename>" in text
    assert corners_in(text) == [
        "<xmin>1</xmin>", "<ymin>1</ymin>", "<xmax>121</xmax>", "<ymax>91</ymax>",
        "<xmin>1.5</xmin>", "<ymin>2.25</ymin>", "<xmax>4</xmax>", "<ymax>5.125</ymax>",
        "<xmin>1</xmin>", "<ymin>1</ymin>", "<xmax>121</xmax>", "<ymax>91</ymax>",
    ]  # fmt: skip
    found = {
        flag: text.count(f"<{flag}>1</{flag}>") for flag in ("difficult", "truncated", "occluded")
    }
    assert found == {"difficult": 1, "truncated": 2, "occluded": 0}


def test_plain_arrays_become_a_folder_that_is_read_back_to_the_pixel(tmp_path):
    source = tmp_path / "source"
    splits = {
        "train": [picture(source, "a.png"), picture(source, "b.png", (), ())],
        "val": [picture(source, "c.PNG", [(0, 0, 120, 90), (5.5, 6, 7, 8.25)], ["cat", "dog"])],
        "test": [picture(source, "d.png", image_id="../d")],
    }
    for _ in range(2):  # a second time changes nothing
        write_voc(tmp_path / "voc", splits, ["BACKGROUND", "cat & <dog>", "cat", "dog"])
    folder, problems = VOCFolder(tmp_path / "voc"), Problems()
    assert folder.class_names() == ["cat & <dog>", "cat", "dog"]
    assert not folder.notes
    assert {part: list(folder.read(part, problems).image_ids) for part in folder.parts} == {
        "train": ["a", "b"],
        "val": ["c"],
        "test": ["_d"],
    }
    assert folder.read("train", problems)[0].boxes.tolist() == [[10, 10, 100, 80]]
    validation = folder.read("val", problems)
    assert validation[0].boxes.tolist() == [[0, 0, 120, 90], [5.5, 6, 7, 8.25]]
    assert validation.sizes.tolist() == [[120, 90]]
    assert not problems


@pytest.mark.parametrize("possible", [True, False])
def test_pictures_are_linked_where_the_disk_can(tmp_path, monkeypatch, possible):
    def refuse(*paths):
        raise OSError("another disk")

    if not possible:
        monkeypatch.setattr("os.link", refuse)
    one = picture(tmp_path, "a.png")
    write_voc(tmp_path / "voc", {"train": [one]}, ["cat"], link=True)
    copy = tmp_path / "voc" / "JPEGImages" / "a.png"
    assert copy.samefile(one.path) == possible
    assert copy.read_bytes() == one.path.read_bytes()
    assert [path.name for path in copy.parent.iterdir()] == ["a.png"]


def test_a_picture_that_cannot_be_copied_leaves_no_lists(tmp_path):
    gone = VOCPicture(tmp_path / "gone.png", (9, 9), np.zeros((0, 4)), [])
    with pytest.raises(FileNotFoundError):
        write_voc(tmp_path / "voc", {"train": [gone]}, ["cat"])
    assert [path.name for path in (tmp_path / "voc").rglob("*")] == ["JPEGImages"]


def test_a_picture_and_its_labels_must_fit(tmp_path):
    with pytest.raises(ValueError, match=r"boxes must be \(2, 4\) like 2 names, got \(1, 4\) for"):
        picture(tmp_path, "a.png", names=["cat", "dog"])
    with pytest.raises(ValueError, match="occluded must be 1 flags like 1 names, got 2 for"):
        picture(tmp_path, "a.png", occluded=[True, True])


def test_single_pictures_are_added_one_by_one(tmp_path):
    for part, name in [("val", "c"), ("train", "a"), ("test", "d"), ("train", "b"), ("val", "b")]:
        one = picture(tmp_path / "JPEGImages", f"{name}.png", [(1, 2, 3, 4)], ["cat"])
        write_annotation(tmp_path / "Annotations" / f"{name}.xml", one)
        add_to_lists(tmp_path, part, name)
    folder = VOCFolder(tmp_path)
    found = {part: folder.read(part, Problems()) for part in folder.parts}
    assert {part: list(index.image_ids) for part, index in found.items()} == {
        "train": ["a"],
        "val": ["c", "b"],
        "test": ["d"],
    }
    assert found["test"][0].boxes.tolist() == [[1, 2, 3, 4]]
    assert (tmp_path / "ImageSets/Main/trainval.txt").read_text() == "a\nc\nb\n"


def test_a_folder_with_trainval_alone_keeps_its_pictures(tmp_path):
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "trainval.txt").write_text("a\nb\n")
    add_to_lists(tmp_path, "val", "c")
    lists = {path.stem: path.read_text().split() for path in tmp_path.rglob("*.txt")}
    assert lists == {"train": ["a", "b"], "val": ["c"], "trainval": ["a", "b", "c"]}


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
        (
            {"train": "ab", "val": "c", "test": "d"},
            {"train": "ab", "val": "c", "test": "d", "trainval": "abc"},
        ),
        ({"train": "ab", "val": "c"}, {"train": "ab", "val": "c", "trainval": "abc"}),
        ({"train": "ab", "test": ""}, {"train": "ab", "test": "", "trainval": "ab"}),
        ({"val": "c", "test": "d"}, {"val": "c", "test": "d"}),
    ],
)
def test_lists_are_those_of_vocs_development_kit_and_are_read_back(tmp_path, parts, expected):
    require_no_lists(tmp_path)
    paths = write_lists(tmp_path, parts)
    assert {path.stem: "".join(path.read_text().split()) for path in paths} == expected
    assert set(VOCFolder(tmp_path).parts) == {part for part, names in parts.items() if names}
    with pytest.raises(ValueError, match=rf"there is a split already in .*{paths[0].name}"):
        require_no_lists(tmp_path)


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="must be a new folder"):
        copy_as_voc({"train": IndexBuilder().build()}, tmp_path)


def test_names_stay_where_no_other_picture_has_the_same(tmp_path):
    for number, place in enumerate(("train/a", "train/b", "valid/a", "valid/c")):
        image = np.full((20, 30, 3), 40 * number, dtype=np.uint8)
        write_picture(tmp_path / "data" / f"{place}.png", image)
        text = voc_xml([[2, 3, 20, 15]], ["cat"], (30, 20))
        (tmp_path / "data" / f"{place}.xml").write_text(text, encoding="utf-8")
    datasets = open_datasets(tmp_path / "data")
    copy_as_voc({"train": datasets.train, "val": datasets.validation}, tmp_path / "copy")
    names = sorted(path.stem for path in (tmp_path / "copy" / "JPEGImages").iterdir())
    assert names == ["b", "c", "train_a", "valid_a"]
    assert len(open_datasets(tmp_path / "copy").validation) == 2
