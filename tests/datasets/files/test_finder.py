from __future__ import annotations

import pytest

from vision.datasets.files.finder import PictureFinder, agreement, name_different_files
from vision.datasets.files.folders import part_of_name, part_of_path


@pytest.fixture
def finder(tmp_path):
    for name in ("train/a.jpg", "valid/a.jpg", "valid/b.jpg", "x/c.jpg", "x/c.png", "y/d e.JPG"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "secret.jpg").touch()
    return PictureFinder(tmp_path / "data")


@pytest.mark.parametrize(
    ("name", "beside", "part", "found"),
    [
        ("a.jpg", "train", None, "train/a.jpg"),
        ("a.jpg", "", "val", "valid/a.jpg"),
        ("a.jpg", "", None, None),
        ("a.jpg", "", "all", None),
        ("b.jpg", "", "train", None),
        ("b.jpg", "", None, "valid/b.jpg"),
        ("/other/computer/valid/a.jpg", "", None, "valid/a.jpg"),
        ("C:\\data\\x\\c.png", "", None, "x/c.png"),
        ("c.jpg", "", None, "x/c.jpg"),
        ("x/c.bmp", "", None, "x/c.jpg"),
        ("D E.jpg", "", "train", "y/d e.JPG"),
        ("../secret.jpg", "", None, None),
        ("../../data/train/a.jpg", "x", None, "train/a.jpg"),
        ("", "", None, None),
        ("..", "train", None, None),
    ],
)
def test_find(finder, name, beside, part, found):
    assert finder.find(name, beside, part) == found


def test_a_name_of_several_pictures_is_explained(finder):
    assert finder.explain_missing("old/A.png") == (
        "2 pictures have the name 'A.png': train/a.jpg, valid/a.jpg; write the folder into the "
        "annotation"
    )
    assert finder.explain_missing("a.png", "test").startswith("there is no picture 'a.png' with")
    assert finder.explain_missing("e.png").startswith("there is no picture 'e.png' with")


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("cam1/2.jpg", "cam2/2.jpg"),
        ("C:\\data\\CAM1\\2.bmp", "2.jpg"),
        ("2.jpg", "cam2/2.jpg"),
        ("pictures/2.jpg", "cam2/2.jpg"),
    ],
)
def test_which_name_fits_a_file_better(better, worse):
    assert agreement("pictures/cam1/2.jpg", better) > agreement("pictures/cam1/2.jpg", worse)


def test_one_file_may_have_a_short_and_a_long_name():
    assert not name_different_files("2.jpg", "/home/me/cam1/2.png")
    assert not name_different_files("C:\\Cam1\\2.jpg", "cam1/2.jpg")
    assert name_different_files("cam2/2.jpg", "cam1/2.jpg")
    assert name_different_files("2.jpg", "cam1/3.jpg")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("instances_train2017", "train"),
        ("Test-labels", "test"),
        ("valid", "val"),
        ("trainval", "train"),
        ("restrained_tests", None),
        ("_annotations.coco", None),
    ],
)
def test_part_of_name(name, part):
    assert part_of_name(name) == part


def test_part_of_path():
    assert part_of_path("images/Train2017/a.jpg") == "train"
    assert part_of_path("valid/images/test.jpg") == "val"
    assert part_of_path("train") is None
    assert part_of_path("trains/a.jpg") is None
