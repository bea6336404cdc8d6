from __future__ import annotations

import json

import pytest

from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from tests.formats import coco_json, write_coco
from vision.datasets.checked_folder import CheckedFolder
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


def test_a_file_without_a_list_of_annotations_is_named(tmp_path):
    write(tmp_path, "train.json", ["a.png", "b.png"])
    write(tmp_path, "val.json", ["c.png"])
    write(tmp_path, "image_info_test.json", ["d.png"])
    for name in ("val.json", "image_info_test.json"):
        data = json.loads((tmp_path / name).read_text())
        del data["annotations"]
        (tmp_path / name).write_text(json.dumps(data))
    folder = COCOFolder(tmp_path)
    assert folder.parts == {"train": "train.json"}
    assert folder.notes == ["val.json is not used, as it has no list of annotations"]


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


@pytest.mark.parametrize(
    ("category", "kind"), [(9, "unknown class"), (None, "object without name"), ({}, "object with")]
)
def test_boxes_of_a_category_that_is_not_listed_are_a_problem(tmp_path, category, kind):
    mark = {"image_id": 0, "category_id": 1, "bbox": [10, 20, 30, 40]}
    other = {**mark, "category_id": category, "bbox": [50, 20, 30, 40]}
    write(tmp_path, "a.json", annotations=[mark, other])
    folder = CheckedFolder(tmp_path)
    folder.read("all")
    assert folder.class_names() == ["cat"]
    folder.number_labels(["BACKGROUND", "cat"])
    assert folder.parts["all"].num_boxes == 1
    ((found, count),) = folder.problems.lost("box").items()
    assert found.startswith(kind)
    assert count == 1


def test_ids_are_the_names_where_no_category_is_listed(tmp_path):
    mark = {"image_id": 0, "category_id": 9, "bbox": [1, 2, 3, 4]}
    write(tmp_path, "a.json", annotations=[mark], categories=[])
    assert read(tmp_path)[0].class_names() == ["category 9"]


@pytest.mark.parametrize(
    ("listed", "used", "advice"),
    [
        ((0, 1), (1, 2), "none has 0, some have 2.*subtract 1 from every category_id"),
        ((0, 1), (2,), "subtract 1"),
        ((1, 2), (0, 1), "none has 2, some have 0.*add 1 to every category_id"),
        ((1,), (0,), "add 1"),
        ((3, 4, 5), (4, 5, 6), "subtract 1"),
    ],
)
def test_categories_that_are_counted_from_another_number_are_refused(
    tmp_path, listed, used, advice
):
    """Every box would get the name of its neighbour."""
    marks = [{"image_id": 0, "category_id": one, "bbox": [1, 2, 3, 4]} for one in used]
    categories = [{"id": one, "name": f"class {one}"} for one in listed]
    write(tmp_path, "a.json", annotations=marks, categories=categories)
    with pytest.raises(ValueError, match=rf"a\.json lists categories .*{advice}"):
        read(tmp_path)


@pytest.mark.parametrize("used", [(1,), (0, 1, 2), (1, 9), (9,)])
def test_other_ids_are_not_taken_for_another_count(tmp_path, used):
    marks = [{"image_id": 0, "category_id": one, "bbox": [1, 2, 3, 4]} for one in used]
    categories = [{"id": one, "name": f"class {one}"} for one in (0, 1)]
    write(tmp_path, "a.json", annotations=marks, categories=categories)
    assert read(tmp_path)[1].num_boxes == len(used)


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


@pytest.mark.parametrize(
    ("stated", "box"),
    [
        ({"attributes": {"occluded": False, "rotation": 90.0}}, [35, 15, 45, 55]),
        ({"attributes": {"rotation": 0.0}}, [20, 30, 60, 40]),
        ({"attributes": {"rotation": None}}, [20, 30, 60, 40]),
        ({"attributes": [90]}, [20, 30, 60, 40]),
        (
            {"attributes": {"rotation": 90.0}, "segmentation": [[20, 30, 60, 30, 60, 40]]},
            [20, 30, 60, 40],
        ),
    ],
)
def test_a_box_that_cvat_has_turned_is_the_one_around_it(tmp_path, stated, box):
    """CVAT writes the bbox as it was before it was turned, and the angle beside it."""
    mark = {"image_id": 0, "category_id": 1, "bbox": [20, 30, 40, 10], **stated}
    write(tmp_path, "a.json", annotations=[mark])
    assert read(tmp_path)[1].boxes[0].tolist() == pytest.approx(box, abs=1e-4)


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


def test_large_ids_that_differ_by_one_are_different(tmp_path):
    """A float holds whole numbers up to 2 ** 53 only, and times in nanoseconds are larger."""
    first = 1_706_659_200_000_000_001
    marks = [
        {"image_id": first + n, "category_id": first - n, "bbox": [n, 2, 3, 4]} for n in range(3)
    ]
    categories = [{"id": first - n, "name": f"class {n}"} for n in range(3)]
    write(tmp_path, "a.json", ("a.png", "b.png", "c.png"), marks, categories)
    data = json.loads((tmp_path / "a.json").read_text())
    for image in data["images"]:
        image["id"] += first
    (tmp_path / "a.json").write_text(json.dumps(data))
    _, index, problems = read(tmp_path)
    assert index.boxes[:, 0].tolist() == [0, 1, 2]
    assert [index.class_names[label] for label in index.labels] == ["class 0", "class 1", "class 2"]
    assert not problems


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
