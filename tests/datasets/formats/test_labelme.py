from __future__ import annotations

import json

import pytest

from tests.drawing import draw_samples, write_picture
from tests.formats import write_labelme
from vision.datasets.checked_folder import CheckedFolder
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.labelme import LabelMeFolder


def read(root, data):
    write_picture(root / "a.png", draw_samples(1)[0].image)
    text = data if isinstance(data, str) else json.dumps(data)
    (root / "a.json").write_text(text)
    problems = Problems()
    return LabelMeFolder(root).read("all", problems), problems


@pytest.mark.parametrize(
    ("kind", "points", "box"),
    [
        ("rectangle", [[30, 40], [10, 20]], [10, 20, 30, 40]),
        ("polygon", [[5, 9], [7, 1], [6, 6]], [5, 1, 7, 9]),
        ("circle", [[50, 60], [53, 64]], [45, 55, 55, 65]),
    ],
)
def test_shapes(tmp_path, kind, points, box):
    shape = {"label": "cat", "points": points, "shape_type": kind}
    index, problems = read(tmp_path, {"shapes": [shape], "imageWidth": 160, "imageHeight": 120})
    assert index.boxes.tolist() == [box]
    assert index.sizes.tolist() == [[160, 120]]
    assert not problems


def test_a_file_that_keeps_the_suffix_of_the_picture(tmp_path):
    shape = {"label": "cat", "points": [[30, 40], [10, 20]], "shape_type": "rectangle"}
    assert len(read(tmp_path, {"shapes": [shape]})[0]) == 1
    (tmp_path / "a.json").rename(tmp_path / "A.png.json")
    problems = Problems()
    index = LabelMeFolder(tmp_path).read("all", problems)
    assert list(index.image_ids) == ["A"]
    assert not problems


@pytest.mark.parametrize(
    "shape", [None, {}, {"label": "cat"}, {"label": "cat", "points": [[1], 2]}, {"points": "x"}]
)
def test_a_broken_shape_keeps_its_number(tmp_path, shape):
    sound = {"label": "cat", "points": [[1, 2], [3, 4]]}
    index, _ = read(tmp_path, {"shapes": [shape, sound]})
    assert index.boxes[1].tolist() == [1, 2, 3, 4]
    assert index.origins.tolist() == [1, 2]
    assert (index.boxes[0] != index.boxes[0]).all()


def test_points_beside_boxes_mark_no_area_and_cost_nothing(tmp_path):
    box = {"label": "person", "points": [[10, 20], [30, 40]], "shape_type": "rectangle"}
    knee = {"label": "knee", "points": [[20, 30]], "shape_type": "point"}
    ears = {"label": "ears", "points": [[20, 30], [21, 30]], "shape_type": "points"}
    read(tmp_path, {"shapes": [knee, box, ears, knee]})
    datasets = CheckedFolder(tmp_path)
    datasets.read("all")
    assert datasets.class_names() == ["person"]
    assert datasets.parts["all"].boxes.tolist() == [[10, 20, 30, 40]]
    assert datasets.parts["all"].origins.tolist() == [2]
    assert not datasets.problems
    assert datasets.reader.notes == ["every json file: 3 points mark no area and are not read"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"shapes": 1}', '{"shapes": [], "x": 1e}'])
def test_what_is_no_annotation_is_a_problem(tmp_path, text):
    index, problems = read(tmp_path, text)
    assert len(index) == 0
    assert problems.counts == {"annotation broken": 1}


def test_parts_and_pictures_without_annotation(tmp_path):
    write_labelme(tmp_path)
    write_picture(tmp_path / "train" / "new.png", draw_samples(1)[0].image)
    folder, problems = LabelMeFolder(tmp_path), Problems()
    assert folder.parts == {"train": "the folder train", "val": "the folder val"}
    assert len(folder.read("train", problems)) == 8
    assert [problem.file for problem in problems] == ["train/new.png"]


@pytest.mark.parametrize("splits", [{"": 4}, {"val": 4}, {"train": 4, "val": 2}])
@pytest.mark.parametrize("place", ["", "val"])
def test_a_json_file_of_another_kind_is_no_annotation(tmp_path, splits, place):
    write_labelme(tmp_path, splits)
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "settings.json").write_text('{"labels": ["red"]}')
    folder, problems = LabelMeFolder(tmp_path), Problems()
    assert sum(len(folder.read(part, problems)) for part in folder.parts) == sum(splits.values())
    assert not problems
