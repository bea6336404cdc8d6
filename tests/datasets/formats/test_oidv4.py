from __future__ import annotations

import pytest

from tests.drawing import draw_samples, write_picture
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.oidv4 import OIDv4Folder


def write(root, name, number, line):
    """Write the label of picture 0 into the folder of a class, with a drawn picture of a number."""
    folder = root / "train" / name
    (folder / "Label").mkdir(parents=True)
    (folder / "Label" / "0.txt").write_text(f"{name} {line}\n")
    if number is not None:
        write_picture(folder / "0.png", draw_samples(3)[number].image)


def read(root):
    folder, problems = OIDv4Folder(root), Problems()
    return folder, folder.read("train", problems), problems


@pytest.mark.parametrize("number", [0, None])
def test_labels_of_one_picture_in_two_folders_are_joined(tmp_path, number):
    write(tmp_path, "cat", 0, "10 10 50 50")
    write(tmp_path, "dog", number, "20 10 60 50")
    _, index, problems = read(tmp_path)
    assert list(index.image_ids) == ["train/cat/0"]
    assert index.boxes[:, 0].tolist() == [10, 20]
    assert not problems


def test_different_pictures_of_one_name_are_kept_apart(tmp_path):
    write(tmp_path, "cat", 0, "10 10 50 50")
    write(tmp_path, "dog", 1, "20 10 60 50")
    folder, index, problems = read(tmp_path)
    assert list(index.image_ids) == ["train/cat/0", "train/dog/0"]
    assert index.boxes[:, 0].tolist() == [10, 20]
    assert folder.place("train", "train/dog/0", 1)[0] == "train/dog/Label/0.txt"
    assert not problems


def test_a_label_that_may_be_of_two_pictures_is_reported(tmp_path):
    write(tmp_path, "cat", 0, "10 10 50 50")
    write(tmp_path, "dog", 1, "20 10 60 50")
    write(tmp_path, "owl", None, "30 10 70 50")
    _, index, problems = read(tmp_path)
    assert index.num_boxes == 2
    assert [(one.kind, one.file) for one in problems] == [
        ("picture missing", "train/owl/Label/0.txt")
    ]
