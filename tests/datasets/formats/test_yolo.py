from __future__ import annotations

import pytest

from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from tests.formats import write_yolo, yolo_label
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.yolo import YOLOFolder
from vision.datasets.formats.yolo_files import read_label, read_settings
from vision.datasets.opening import open_datasets, open_split


def write_samples(root, count, labels="", pictures="", seed=0, first=0):
    """Write pictures and labels into folders of the root."""
    samples = draw_samples(count, seed, first=first)
    for sample in samples:
        write_picture(root / pictures / f"{sample.image_id}.png", sample.image)
        path = root / labels / f"{sample.image_id}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yolo_label(sample))
    return samples


NAMES = "\n".join(CLASS_NAMES[1:]) + "\n"


def test_roboflows_layout(tmp_path):
    for number, (split, count) in enumerate({"train": 4, "valid": 2, "test": 1}.items()):
        write_samples(tmp_path, count, f"{split}/labels", f"{split}/images", first=10 * number)
    (tmp_path / "data.yaml").write_text(
        "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\n"
        "nc: 3\nnames: ['red', \"green\", blue]\n\nroboflow:\n  license: CC BY 4.0\n"
    )
    datasets = open_datasets(tmp_path)
    assert datasets.class_names == CLASS_NAMES
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    assert len(open_split(tmp_path)) == 1
    assert not any(datasets.problems)


@pytest.mark.parametrize("names", ["classes.txt", "obj.names"])
def test_labels_beside_the_pictures(tmp_path, names):
    write_samples(tmp_path, 5)
    (tmp_path / names).write_text(NAMES)
    index = open_split(tmp_path, split="all")
    assert (len(index), index.class_names) == (5, CLASS_NAMES)


def test_darknets_lists(tmp_path):
    write_samples(tmp_path / "set", 4, "obj_train_data", "obj_train_data")
    write_samples(tmp_path / "set", 2, "obj_valid_data", "obj_valid_data", first=10)
    root = tmp_path / "set"
    (root / "obj.names").write_text(NAMES)
    (root / "obj.data").write_text(
        "classes = 3\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n"
    )
    for split, folder in (("train", "obj_train_data"), ("valid", "obj_valid_data")):
        files = sorted((root / folder).glob("*.png"))
        (root / f"{split}.txt").write_text("".join(f"data/{folder}/{one.name}\n" for one in files))
    datasets = open_datasets(root)
    assert (len(datasets.train), len(datasets.validation)) == (4, 2)
    assert "as obj.data says" in "\n".join(datasets.lines)


def test_one_folder_for_training_and_validation_ends_in_a_held_out_part(tmp_path):
    write_samples(tmp_path, 10, "labels/train2017", "images/train2017")
    (tmp_path / "data.yaml").write_text(
        "path: ../x # root\ntrain: images/train2017  # all\nval: images/train2017\n"
        "names:\n  0: red\n  1: green\n  2: blue\n"
    )
    datasets = open_datasets(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 2)
    assert "so that a score would mean little" in "\n".join(datasets.lines)


def test_without_names_the_numbers_are_the_names(tmp_path):
    (tmp_path / "labels").mkdir(parents=True)
    write_picture(tmp_path / "images" / "a.png", draw_samples(1)[0].image)
    (tmp_path / "labels" / "a.txt").write_text("10 .5 .5 .2 .2\n2 .5 .5 .2 .2\n")
    folder = YOLOFolder(tmp_path)
    assert folder.class_names() == ["class 2", "class 10"]
    assert "numbers in the labels" in folder.classes_from


def test_pictures_without_labels_are_negatives_and_labels_without_pictures_reported(tmp_path):
    write_yolo(tmp_path)
    (tmp_path / "labels" / "train" / "drawn_0000.txt").unlink()
    (tmp_path / "labels" / "train" / "ghost.txt").write_text("0 .5 .5 .1 .1\n")
    folder, problems = YOLOFolder(tmp_path), Problems()
    index = folder.read("train", problems)
    assert (len(index), index.num_negatives) == (8, 1)
    assert "1 pictures of " in folder.notes[0]
    assert [problem.file for problem in problems] == ["labels/train/ghost.txt"]


@pytest.mark.parametrize(
    ("line", "pose", "box"),
    [
        ("0 0.5 0.5 0.2 0.4", False, (0.4, 0.3, 0.6, 0.7)),
        ("0 0.5 0.5 0.2 0.4 0.9", False, (0.4, 0.3, 0.6, 0.7)),
        ("0.0 0.5 0.5 0.2 0.4 .1 .2 2", True, (0.4, 0.3, 0.6, 0.7)),
        ("0 .1 .2 .3 .2 .3 .5", False, (0.1, 0.2, 0.3, 0.5)),
        ("0 .1 .2 .3 .2 .3 .5 .1 .9", False, (0.1, 0.2, 0.3, 0.9)),
    ],
)
def test_lines(tmp_path, line, pose, box):
    path = tmp_path / "a.txt"
    path.write_text(f"\n{line}\r\n")
    (read,) = read_label(path, pose)
    assert read.number == 0
    assert read.box == pytest.approx(box)


@pytest.mark.parametrize("line", ["0", "0 .1 .2 .3", "0 a b c d", "0 .1 .2 .3 .4 .5 .6 .7", "x"])
def test_lines_that_are_no_box_keep_their_place(tmp_path, line):
    path = tmp_path / "a.txt"
    path.write_text(f"{line}\n1 .5 .5 .2 .2\n")
    first, second = read_label(path)
    assert first.box != first.box or first.box[0] != first.box[0]
    assert (first.number, second.number) == (None if line == "x" else 0, 1)


def test_a_class_beyond_the_names_is_reported(tmp_path):
    write_yolo(tmp_path)
    path = tmp_path / "labels" / "train" / "drawn_0000.txt"
    path.write_text(path.read_text() + "7 .5 .5 .2 .2\n")
    (problem,) = open_datasets(tmp_path).problems[0]
    assert str(problem).startswith("labels/train/drawn_0000.txt:")
    assert "'class 7' is not in the class list" in str(problem)


def test_blank_lines_of_a_names_file_keep_the_numbers(tmp_path):
    (tmp_path / "classes.txt").write_text("red\n\nblue\n\n")
    assert read_settings(tmp_path).names == {0: "red", 2: "blue"}


def test_too_many_names_are_refused(tmp_path):
    (tmp_path / "classes.txt").write_text("".join(f"c{n}\n" for n in range(10_001)))
    with pytest.raises(ValueError, match="at most 10000 classes, it has 10,001"):
        read_settings(tmp_path)


def test_other_text_is_not_yolo(tmp_path):
    (tmp_path / "notes.txt").write_text("hello\n")
    (tmp_path / "a.txt").write_text("12 monkeys\n")
    assert not YOLOFolder.detect(tmp_path)
