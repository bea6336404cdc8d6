"""What all formats have in common: the drawn squares come back, and what is missing is said."""

from __future__ import annotations

import codecs
import re

import pytest

from tests.drawing import CLASS_NAMES
from tests.formats import WRITERS
from vision.datasets.opening import open_datasets, open_split

IN_FILES = [name for name in WRITERS if not name.startswith("shards")]  # of their own
KINDS = {name: name.split()[0] for name in WRITERS}


@pytest.mark.parametrize("name", WRITERS)
def test_drawn_squares_come_back_to_the_pixel(tmp_path, name):
    splits = {"train": 9, "validation" if name == "open_images" else "val": 3}
    drawn = WRITERS[name](tmp_path, splits, negatives=1)
    datasets = open_datasets(tmp_path)
    assert f" ({KINDS[name]}): 9 pictures to train on" in "\n".join(datasets.lines)
    assert not any(datasets.problems)
    found = {
        annotation.image_id.split("/")[-1]: (annotation, index)
        for index in (datasets.train, datasets.validation)
        for annotation in index
    }
    samples = [sample for part in drawn.values() for sample in part]
    assert len(found) == len(samples)
    for sample in samples:
        place = sample.image_id
        if name == "ccpd" and len(sample.boxes):
            place = next(one for one in found if one.startswith(f"{sample.image_id[-4:]}-"))
        annotation, index = found[place]
        boxes = annotation.boxes_in_pixels(*sample.image.shape[1::-1]).tolist()
        names = [index.class_names[label] for label in annotation.labels]
        if name == "ccpd":
            assert boxes == sample.boxes[:1].tolist()
        else:
            expected = list(zip(sample.boxes.tolist(), (CLASS_NAMES[n] for n in sample.labels)))
            marked = list(zip(boxes, names))
            if name == "oidv4":  # its files go by class
                expected, marked = sorted(expected), sorted(marked)
            assert [one for _, one in marked] == [one for _, one in expected]
            for (box, _), (drawn_box, _) in zip(marked, expected):
                assert box == pytest.approx(drawn_box, abs=1e-3)


@pytest.mark.parametrize("name", IN_FILES)
def test_a_picture_that_is_gone_is_reported(tmp_path, name):
    WRITERS[name](tmp_path)
    found = sorted(tmp_path.rglob("*"))
    gone = next(one for one in found if one.name.endswith(("0000.png", "0000.jpg", "-15.jpg")))
    for path in tmp_path.rglob(gone.name):  # OIDv4 has it once for each of its classes
        path.unlink()
    datasets = open_datasets(tmp_path)
    assert len(datasets.train) + len(datasets.validation) == 11
    assert datasets.problems[0].counts == {"picture missing": 1}


def texts_of(root):
    found = (path for path in sorted(root.rglob("*")) if path.is_file())
    return [path for path in found if path.suffix in (".csv", ".json", ".txt", ".xml", ".yaml")]


@pytest.mark.parametrize("name", [one for one in IN_FILES if one != "ccpd"])
def test_a_mark_of_utf_8_changes_nothing(tmp_path, name):
    WRITERS[name](tmp_path)
    boxes = open_datasets(tmp_path).train.boxes.tolist()
    for path in texts_of(tmp_path):
        path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    datasets = open_datasets(tmp_path)
    assert datasets.train.boxes.tolist() == boxes
    assert not any(datasets.problems)


@pytest.mark.parametrize("name", [one for one in IN_FILES if one != "ccpd"])
def test_utf_16_is_read_or_named_with_what_to_do(tmp_path, name):
    WRITERS[name](tmp_path)
    boxes = open_datasets(tmp_path).train.boxes.tolist()
    for path in texts_of(tmp_path):
        path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")
    try:
        found = open_datasets(tmp_path).train.boxes.tolist()
    except ValueError as error:
        assert "is UTF-16 text, which is not read here: save it and its like as UTF-8" in str(error)
    else:
        assert found == boxes


def test_a_file_of_utf_16_that_is_typed_is_named(tmp_path):
    WRITERS["coco"](tmp_path)
    path = tmp_path / "annotations/instances_train2017.json"
    path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")
    (tmp_path / "annotations/instances_val2017.json").unlink()
    with pytest.raises(ValueError, match=r"train2017.json is UTF-16 text, .*; save it as UTF-8"):
        open_datasets(path)


@pytest.mark.parametrize("name", ["voc", "voc beside", "labelme", "kitti", "oidv4"])
def test_an_annotation_that_the_system_does_not_give_is_reported_in_words(tmp_path, name):
    WRITERS[name](tmp_path)
    path = next(one for one in texts_of(tmp_path) if one.stem == "drawn_0000")
    path.unlink()
    path.symlink_to(path.name)
    (problem,) = open_datasets(tmp_path).problems[0]
    assert "it is a link that leads back to itself; remove the link" in str(problem)
    assert "Errno" not in str(problem)


@pytest.mark.parametrize("word", ["__background__", "_Background_", "BACKGROUND", "__ignore__"])
@pytest.mark.parametrize("name", [one for one in IN_FILES if KINDS[one] not in ("ccpd", "yolo")])
def test_background_under_any_name_is_no_class(tmp_path, name, word):
    WRITERS[name](tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".csv", ".json", ".txt", ".xml"):
            path.write_text(re.sub(r"\bred\b", word, path.read_text(encoding="utf-8")))
    datasets = open_datasets(tmp_path, allow_unusable=True)
    assert set(datasets.class_names) == {"BACKGROUND", "green", "blue"}
    kind = "area to ignore" if word == "__ignore__" else "class called BACKGROUND"
    assert set(datasets.problems[0].counts) == {kind}


@pytest.mark.parametrize("name", WRITERS)
def test_classes_and_boxes_can_be_read_without_the_training_part(tmp_path, name):
    WRITERS[name](tmp_path)
    index = open_split(tmp_path, split="val")
    assert len(index) == 4
    assert len(index.class_names) == (2 if name == "ccpd" else 4)
