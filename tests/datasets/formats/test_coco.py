from __future__ import annotations

import json

import pytest

from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from tests.formats import coco_json, write_coco
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.coco import COCOFolder
from vision.datasets.opening import open_datasets


def write(root, name, images=("a.png",), annotations=(), categories=None):
    """Write a COCO file and its pictures of 160 x 120 pixels."""
    for image in images:
        write_picture(root / image, draw_samples(1)[0].image)
    categories = [{"id": 1, "name": "cat"}] if categories is None else categories
    data = {
        "images": [
            {"id": n, "file_name": image, "width": 160, "height": 120}
            for n, image in enumerate(images)
        ],
        "annotations": list(annotations),
        "categories": categories,
    }
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")


def read(root, part="all"):
    problems = Problems()
    folder = COCOFolder(root)
    index = folder.read(part, problems)
    return folder, index, problems


def test_roboflows_folders_and_its_first_category(tmp_path):
    for split, count in {"train": 3, "valid": 2, "test": 1}.items():
        samples = draw_samples(count, seed=count)
        for sample in samples:
            write_picture(tmp_path / split / f"{sample.image_id}.png", sample.image)
        data = coco_json(samples)
        for category in data["categories"]:
            category["supercategory"] = "shapes"
        project = {"id": 0, "name": "shapes", "supercategory": "none"}
        data["categories"].insert(0, project)
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(data))
    datasets = open_datasets(tmp_path)
    assert datasets.class_names == CLASS_NAMES
    assert (len(datasets.train), len(datasets.validation)) == (3, 2)
    assert COCOFolder(tmp_path).parts == {
        "train": "train/_annotations.coco.json",
        "val": "valid/_annotations.coco.json",
        "test": "test/_annotations.coco.json",
    }


@pytest.mark.parametrize("ids", [(7, 7), ("7", 7), (7.0, "7"), ("dog-a", "dog-a"), (-1, -1)])
def test_category_ids_of_any_kind(tmp_path, ids):
    mark = {"image_id": 0, "category_id": ids[1], "bbox": [10, 20, 30, 40]}
    write(tmp_path, "a.json", annotations=[mark], categories=[{"id": ids[0], "name": "dog"}])
    _, index, _ = read(tmp_path)
    assert index.class_names == ["BACKGROUND", "dog"]
    assert index.boxes.tolist() == [[10, 20, 40, 60]]


def test_a_category_that_is_not_listed_is_named_by_its_id(tmp_path):
    write(tmp_path, "a.json", annotations=[{"image_id": 0, "category_id": 9, "bbox": [1, 2, 3, 4]}])
    folder, index, _ = read(tmp_path)
    assert index.class_names == ["BACKGROUND", "category 9"]
    assert folder.class_names() == ["cat", "category 9"]


@pytest.mark.parametrize(("part", "boxes", "difficult"), [("train", 1, [0]), ("val", 2, [0, 1])])
def test_crowds_are_not_trained_on_and_difficult_elsewhere(tmp_path, part, boxes, difficult):
    mark = {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
    write(tmp_path, f"instances_{part}.json", annotations=[mark, {**mark, "iscrowd": 1}])
    _, index, _ = read(tmp_path, part)
    assert index.num_boxes == boxes
    assert index.difficult.tolist() == difficult


def test_polygons_count_where_there_is_no_box(tmp_path):
    mark = {"image_id": 0, "category_id": 1, "segmentation": [[5, 9, 7, 1, 6, 6], [8, 8, 8, 8]]}
    broken = {"image_id": 0, "category_id": 1, "bbox": [1, "x", 3, 4]}
    write(tmp_path, "a.json", annotations=[mark, broken, {"image_id": 3}])
    _, index, problems = read(tmp_path)
    assert index.boxes[0].tolist() == [5, 1, 8, 9]
    assert index.boxes[1].tolist() != index.boxes[1].tolist()  # nan, which the checks report
    assert problems.counts == {"annotation broken": 1}


def test_what_does_not_fit_together_is_reported(tmp_path):
    mark = {"image_id": 5, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write(tmp_path, "a.json", images=("a.png", "b.png"), annotations=[mark, mark])
    (tmp_path / "b.png").unlink()
    write_picture(tmp_path / "c.png", draw_samples(1)[0].image)
    _, index, problems = read(tmp_path)
    assert list(index.image_ids) == ["a"]
    assert problems.counts == {"picture missing": 2, "picture not annotated": 1}
    assert any("2 annotations of picture 5" in str(problem) for problem in problems)


def test_an_id_of_two_pictures_is_refused(tmp_path):
    mark = {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}
    write(tmp_path, "a.json", images=("a.png", "b.png"), annotations=[mark])
    path = tmp_path / "a.json"
    path.write_text(path.read_text().replace('"id": 1, "file', '"id": "0", "file'))
    message = (
        r"a\.json: every picture must have an id of its own, id 0 is .* 'a\.png' and of 'b\.png'"
    )
    with pytest.raises(ValueError, match=message + ".*number them .*anew, or give .* two datasets"):
        read(tmp_path)


def test_an_id_of_two_categories_is_refused(tmp_path):
    write(tmp_path, "a.json", categories=[{"id": 1, "name": name} for name in ("cat", "dog")])
    with pytest.raises(ValueError, match=r"every category must .* id 1 is that of 'cat' and of"):
        read(tmp_path)


def test_the_same_picture_or_category_listed_twice_is_harmless(tmp_path):
    mark = {"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4]}
    category = {"id": 1, "name": "cat"}
    write(tmp_path, "a.json", annotations=[mark], categories=[category, category])
    data = json.loads((tmp_path / "a.json").read_text())
    data["images"] *= 2
    (tmp_path / "a.json").write_text(json.dumps(data))
    _, index, problems = read(tmp_path)
    assert (index.class_names, index.num_boxes) == (["BACKGROUND", "cat"], 1)
    assert problems.counts == {"picture listed twice": 1}


def test_files_of_other_tasks_are_left_alone(tmp_path):
    write_coco(tmp_path)
    for name in ("captions_train2017.json", "person_keypoints_val2017.json"):
        (tmp_path / "annotations" / name).write_text('{"images": [], "annotations": []}')
    assert sorted(COCOFolder(tmp_path).parts) == ["train", "val"]


def test_a_file_without_a_part_serves_for_training_beside_others(tmp_path):
    write(tmp_path, "all.json")
    write(tmp_path, "test.json", images=("b.png",))
    assert COCOFolder(tmp_path).parts == {"train": "all.json", "test": "test.json"}
    write(tmp_path, "train.json")
    folder = COCOFolder(tmp_path)
    assert folder.parts == {"train": "train.json", "test": "test.json"}
    assert "all.json is not used" in folder.notes[0]


def test_paths_of_another_computer_lead_to_the_pictures_here(tmp_path):
    write(tmp_path / "x", "a.json", images=("pictures/train/a.png",))
    path = tmp_path / "x" / "a.json"
    for name in ("C:\\\\data\\\\train\\\\a.png", "/home/me/a.png", "../../a.png", "a.jpg"):
        path.write_text(path.read_text().replace("pictures/train/a.png", name))
        assert list(read(tmp_path / "x")[1].image_ids) == ["pictures/train/a"]
        path.write_text(path.read_text().replace(name, "pictures/train/a.png"))


@pytest.mark.parametrize("names", [("cam1/2.png", "cam2/2.png"), ("cam2/2.png", "cam1/2.png")])
def test_boxes_of_a_picture_that_is_gone_do_not_land_on_another_of_its_name(tmp_path, names):
    marks = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [10 * n, 5, 20, 20]} for n in (0, 1)
    ]
    write(tmp_path, "a.json", images=names, annotations=marks)
    (tmp_path / "cam2" / "2.png").unlink()
    (tmp_path / "images").mkdir()
    (tmp_path / "cam1").rename(tmp_path / "images" / "cam1")
    _, index, problems = read(tmp_path)
    assert index.boxes[:, 0].tolist() == [10 * names.index("cam1/2.png")]
    assert problems.counts == {"picture missing": 1}
    said = "there is no picture 'cam2/2.png': 'images/cam1/2.png' is that of 'cam1/2.png'"
    assert said in problems.summary()[1]


def test_files_of_two_computers_mark_one_picture(tmp_path):
    for name, folder in (("a.json", "/home/me"), ("b.json", "C:/pictures")):
        mark = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [10, 5, 20, 20]}
        write(tmp_path, name, annotations=[mark])
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("a.png", f"{folder}/a.png"))
    _, index, problems = read(tmp_path)
    assert (len(index), index.num_boxes) == (1, 2)
    assert problems.counts == {"picture listed twice": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [', r"a\.json:1: not JSON"),
        ('{"images": [{"id": 1, "file', r"a\.json:1: not JSON"),
        ('{"images": [], "categories": []}', r"a\.json must have a list of annotations"),
        ('{"images": [], "annotations": []}', r"a\.json must have a list of categories"),
        (b'{"images": [{"a": "\xff"}], "annotations": []}', r"a\.json:1: must be UTF-8"),
        ('{"images": [{"a": ' + "[" * 200_000, r"a\.json: cannot be read as JSON"),
    ],
)
def test_what_is_no_coco_file_is_named(tmp_path, text, message):
    (tmp_path / "a.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert COCOFolder.detect(tmp_path)
    with pytest.raises(ValueError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        '{"images": 12}',
        '{"images": [{"id": 1, "file_name": "a.png"}], "note": 1}',
        '{"images": {"a": "b"}, "annotations": []}',
        '{"images": ["a.png"], "categories": ["fruit"]}',
        '{"shapes": 3}',
        '{"annotations": [], "categories": []}',
        '[{"image": "a.png"}]',
        '{"caption": "x", "images": [{"id": 1}], "annotations": [{"caption": "two"}]}',
    ],
)
def test_a_stray_json_makes_no_dataset_of_a_folder(tmp_path, text):
    write_picture(tmp_path / "a.png", draw_samples(1)[0].image)
    (tmp_path / "stray.json").write_text(text)
    with pytest.raises(ValueError, match="1 pictures, but no boxes"):
        open_datasets(tmp_path)


def test_other_json_is_not_coco(tmp_path):
    (tmp_path / "a.json").write_text('[{"image": "a.jpg", "annotations": []}]')
    (tmp_path / "b.json").write_text('{"shapes": [], "imagePath": "b.jpg"}')
    assert not COCOFolder.detect(tmp_path)
