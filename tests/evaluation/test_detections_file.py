from __future__ import annotations

import json

import numpy as np
import pytest

from tests.evaluation.hand_made import HERE, NAMES, THERE, found, truth
from tests.evaluation.stored import stored_collection
from vision.evaluation.collection import EvaluatedPicture, collect
from vision.evaluation.detections_file import read_detections, write_detections

GOOD = {"image_id": "a", "category_id": 1, "bbox": [0, 0, 10, 10], "score": 0.5}


def facts(path, image_id="an id"):
    return EvaluatedPicture(image_id, path, 100, 80)


def write(tmp_path, content):
    path = tmp_path / "detections.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def test_what_is_written_is_read_again(tmp_path):
    pictures = [
        (facts("/data/one picture.jpg"), truth(), found((HERE, 1, 0.9), (THERE, 3, 0.125))),
        (facts("/data/größe.png"), truth(), found()),
        (facts("/data/three.png"), truth(), found(([1.5, -2, 30.25, 4], 2, 1.0))),
    ]
    collection = collect(pictures, NAMES)
    path = tmp_path / "new" / "found.json"
    write_detections(path, collection)
    stored = read_detections(path)
    assert stored.class_names == NAMES
    assert stored.unknown(collection.pictures) == []
    for again, (_, _, before) in zip(stored.divide(collection.pictures), pictures):
        for one, other in zip(again, before):
            np.testing.assert_allclose(one, other, atol=0.005)
    content = json.loads(path.read_text("utf-8"))
    assert [one["file_name"] for one in content["images"]] == [
        "one picture.jpg",
        "größe.png",
        "three.png",
    ]
    assert content["images"][0]["width"] == 100
    assert content["annotations"][0] == {
        "image_id": 1,
        "category_id": 1,
        "bbox": [0, 0, 10, 10],
        "score": pytest.approx(0.9),
    }


def test_nothing_found_is_a_file_too(tmp_path):
    collection = collect([(facts("/data/a.jpg"), truth((HERE, 1)), found())], NAMES)
    write_detections(tmp_path / "none.json", collection)
    (again,) = read_detections(tmp_path / "none.json").divide(collection.pictures)
    assert len(again) == 0


def test_pictures_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    pictures = [
        (facts("/data/a/7.jpg"), truth(), found((HERE, 1, 0.9))),
        (facts("/data/b/7.jpg"), truth(), found((HERE, 2, 0.9))),
    ]
    collection = collect(pictures, NAMES)
    write_detections(tmp_path / "found.json", collection)
    stored = read_detections(tmp_path / "found.json")
    assert stored.seen == {"a/7.jpg", "b/7.jpg"}
    assert [one.labels.tolist() for one in stored.divide(collection.pictures)] == [[1], [2]]
    bare = read_detections(write(tmp_path, [{**GOOD, "image_id": "7.jpg"}]), NAMES)
    with pytest.raises(ValueError, match=r"2 pictures of the dataset have this name"):
        bare.divide(collection.pictures)


@pytest.mark.parametrize(
    ("name", "path", "image_id"),
    [
        ("orange 7.jpg", "/data/orange 7.jpg", "orange 7"),
        ("orange 7", "/data/orange 7.jpg", "orange 7"),
        ("test/7", "/data/x.jpg", "test/7"),
        (7, "/data/7.png", "7"),
        (139, "/coco/000000000139.jpg", "000000000139"),
        ("val2017/000000000139.jpg", "/coco/val2017/000000000139.jpg", "139"),
    ],
)
def test_a_bare_list_names_its_pictures(name, path, image_id, tmp_path):
    stored = read_detections(write(tmp_path, [{**GOOD, "image_id": name}]), NAMES)
    other, this = stored.divide([facts("/data/other.jpg", "other"), facts(path, image_id)])
    assert (len(other), len(this)) == (0, 1)
    assert this.boxes.tolist() == [[0, 0, 10, 10]]


@pytest.mark.parametrize("background", ["background", "__background__", "_background_"])
def test_pictures_that_the_file_does_not_list_were_not_looked_at(tmp_path, background):
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "gone.jpg"}]
    categories = [{"id": 0, "name": background}, {"id": 5, "name": "dog"}]
    rows = [{**GOOD, "image_id": number, "category_id": 5} for number in (1, 2)]
    content = {"images": images, "categories": categories, "annotations": rows}
    stored = read_detections(write(tmp_path, content))
    assert stored.class_names == ["BACKGROUND", "dog"]
    pictures = [facts("/data/a.jpg"), facts("/data/b.jpg", "another id")]
    first, second = stored.divide(pictures)
    assert (first.labels.tolist(), second) == ([1], None)
    assert stored.unknown(pictures) == ["gone.jpg"]


def test_none_of_the_pictures_is_meant(tmp_path):
    stored = read_detections(write(tmp_path, [GOOD]), NAMES)
    with pytest.raises(ValueError, match=r"it speaks of 'a', the dataset of 'b.jpg'"):
        stored.divide([facts("/data/b.jpg", "b")])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "must be a JSON file of detections"),
        ("\x00\x01 PNG", "must be a JSON file of detections"),
        ("[" * 100_000, "must be a JSON file of detections"),
        ("3", "holds no detections; it must be a list"),
        ({"mAP": 0.5}, "holds no detections; it must be a list"),
        ({"annotations": [], "images": {"a": 1}}, "images of .* must be a list of objects"),
        ({"annotations": [], "categories": ["dog"]}, "categories of .* must be a list of objects"),
        ({"annotations": [], "categories": [{"name": "dog"}]}, "must each have an id and a name"),
        ({"annotations": [], "images": [{"id": 1}]}, "must each have an id and a file_name"),
        (
            {"annotations": [], "images": [{"id": n, "file_name": "a.jpg"} for n in (1, 2)]},
            "has 'a.jpg' more than once",
        ),
        ({"annotations": [GOOD], "images": []}, "image_id 'a', which images does not list"),
        ([7], "annotation 1 of .* must be an object, got '7'"),
        (
            [GOOD, {"bbox": []}],
            "annotation 2 .* no image_id and no category_id and no score",
        ),
        ([{k: v for k, v in GOOD.items() if k != "score"}], "a file of objects, not of detections"),
        ([{**GOOD, "score": float("nan")}], "must have a score from 0 to 1, got nan"),
        ([{**GOOD, "score": 87}], "must have a score from 0 to 1, got 87"),
        ([{**GOOD, "score": "0.5"}], "must have a score from 0 to 1, got 0.5"),
        ([{**GOOD, "bbox": [1, 2, 3]}], r"four numbers as its bbox, got \[1, 2, 3\]"),
        ([{**GOOD, "bbox": [1, 2, 3, float("inf")]}], "four numbers as its bbox"),
        ([{**GOOD, "bbox": [1, 2, 3, 10**400]}], "four numbers as its bbox"),
        ([{**GOOD, "category_id": 9}], "category_id 9, known are 1, 2, 3"),
        ([{**GOOD, "image_id": None}], "name its picture and category by numbers or texts"),
    ],
)
def test_a_file_that_is_none_has_its_sentence(content, sentence, tmp_path):
    with pytest.raises(ValueError, match=sentence) as failure:
        read_detections(write(tmp_path, content), NAMES)
    assert "detections.json" in str(failure.value)
    assert len(str(failure.value)) < 400


def test_a_list_without_categories_needs_labels(tmp_path):
    with pytest.raises(ValueError, match="give a labels"):
        read_detections(write(tmp_path, [GOOD]))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        read_detections(tmp_path / "none.json")


def test_the_stored_detections_of_another_tool(real_datasets):
    """They count categories from 0, in an order of their own."""
    stored = read_detections(real_datasets / "formats/dets/coco_format/coco_dets.json")
    collection = stored_collection(real_datasets)
    assert sum(len(one) for one in stored.by_picture.values()) == 452
    # Two of the hundred pictures are not listed in the file of detections.
    divided = stored.divide(collection.pictures)
    assert sum(one is None for one in divided) == 2
    labels = [stored.class_names[label] for one in divided if one for label in one.labels]
    expected = [collection.class_names[label] for label in collection.found.labels]
    assert sorted(labels) == sorted(expected)
