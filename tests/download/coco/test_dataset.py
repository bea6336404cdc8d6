"""COCO's annotations, pictures out of archives, and the files of a dataset."""

import io
import json
import zipfile

import pytest

from tests.download.pictures import draw_jpeg
from vision.download.addresses import COCO_URL
from vision.download.choice.class_names import COCO_CLASSES, read_class_table
from vision.download.coco.dataset import (
    read_coco_split,
    write_coco,
)
from vision.download.coco.index import open_coco_index, read_instances
from vision.download.coco.sources import ArchiveSource
from vision.download.transfer.retry import DamagedError, MissingError

APPLE, BANANA, PERSON = 53, 52, 1


def image(number, width=64, height=48):
    name = f"{number:012d}.jpg"
    return {
        "id": number,
        "file_name": name,
        "width": width,
        "height": height,
        "coco_url": f"{COCO_URL}/val2017/{name}",
    }


def box(number, image_id, category, bbox=(8, 12, 16, 24), crowd=0):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category,
        "bbox": list(bbox),
        "area": 100.5,
        "iscrowd": crowd,
        "segmentation": [[1.0] * 6],
    }


def instances(images, boxes):
    return {"info": {"year": 2017}, "images": images, "annotations": boxes, "categories": []}


def annotation_archive(train, val):
    """Return the bytes of COCO's archive of annotations with these two files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (("train", train), ("val", val)):
            archive.writestr(f"annotations/instances_{name}2017.json", json.dumps(content))
    return file.getvalue()


VAL = instances(
    [image(900), image(7), image(33)],
    [
        box(1, 33, APPLE),
        box(2, 900, BANANA, (0, 0, 64, 48)),
        box(3, 33, PERSON),
        box(4, 33, BANANA),
        box(5, 900, APPLE, crowd=1),
    ],
)


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "cache" / "annotations_trainval2017.zip"
    path.parent.mkdir()
    path.write_bytes(annotation_archive(instances([], []), VAL))
    return path


@pytest.fixture(scope="module")
def table():
    return read_class_table(COCO_CLASSES)


def test_boxes_of_the_classes_asked_for(archive, table, tmp_path):
    split = read_coco_split("val", archive, table, ["banana", "apple"], exclude_crowd=False)
    assert split.boxes.ids.tolist() == [1, 2, 4, 5]
    assert split.boxes.classes.tolist() == [1, 0, 0, 1]
    assert split.boxes.pictures.tolist() == [2, 0, 2, 0]
    assert split.num_images == 2
    pictures = split.pictures(tmp_path)
    assert [picture.key for picture in pictures.values()] == [
        "val2017/000000000900.jpg",
        "val2017/000000000033.jpg",
    ]
    assert pictures[0].path == tmp_path / "val2017" / "000000000900.jpg"


def test_pictures_with_a_crowd_can_be_left_out(archive, table):
    split = read_coco_split("val", archive, table, ["banana", "apple"], exclude_crowd=True)
    assert split.boxes.ids.tolist() == [1, 4]


def test_an_empty_split(archive, table, tmp_path):
    split = read_coco_split("train", archive, table, ["apple"], exclude_crowd=False)
    assert len(split.boxes) == 0
    assert split.pictures(tmp_path) == {}
    write_coco(tmp_path, [split], table, ["apple"])
    assert json.loads((tmp_path / "annotations/instances_train2017.json").read_text()) == {
        "images": [],
        "annotations": [],
        "categories": [{"id": APPLE, "name": "apple"}],
    }


def test_the_index_has_its_own_suffix_and_an_older_one_called_npz_goes(archive):
    old = archive.with_name("instances_val2017.index.npz")
    old.write_bytes(b"of an older version")
    open_coco_index(archive, "val")
    assert not old.exists()
    made = [path for path in archive.parent.iterdir() if path != archive]
    assert [path.name for path in made] == ["instances_val2017.index"]
    assert not any(zipfile.is_zipfile(path) for path in made)


def test_the_index_is_kept(archive, monkeypatch):
    first = open_coco_index(archive, "val")
    monkeypatch.setattr("vision.download.coco.index.read_instances", None)
    again = open_coco_index(archive, "val")
    for one, other in zip(first, again):
        assert all((vars(one)[name] == vars(other)[name]).all() for name in vars(one))


def test_writes_what_is_left(archive, table, tmp_path):
    split = read_coco_split("val", archive, table, ["banana", "apple"], exclude_crowd=False).within(
        [2]
    )
    write_coco(tmp_path, [split], table, ["banana", "apple"])
    content = json.loads((tmp_path / "annotations/instances_val2017.json").read_text())
    assert content["images"] == [
        {"id": 33, "file_name": "000000000033.jpg", "width": 64, "height": 48}
    ]
    assert content["annotations"][0] == {
        "id": 1,
        "image_id": 33,
        "category_id": APPLE,
        "bbox": [8.0, 12.0, 16.0, 24.0],
        "area": 100.5,
        "iscrowd": 0,
    }
    assert [entry["category_id"] for entry in content["annotations"]] == [APPLE, BANANA]


def test_pycocotools_reads_what_is_written(archive, table, tmp_path):
    coco = pytest.importorskip("pycocotools.coco")
    split = read_coco_split("val", archive, table, ["banana", "apple"], exclude_crowd=False)
    write_coco(tmp_path, [split], table, ["banana", "apple"])
    dataset = coco.COCO(str(tmp_path / "annotations/instances_val2017.json"))
    assert sorted(dataset.getImgIds(catIds=[APPLE])) == [33, 900]


def test_bad_files(tmp_path):
    path = tmp_path / "annotations_trainval2017.zip"
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"not a zip file; remove it and run again"):
        open_coco_index(path, "val")
    text = json.dumps(instances([image(1)], [box(1, 2, APPLE)])).encode()
    with pytest.raises(ValueError, match="a box lies in the picture 2, which is not listed"):
        read_instances(io.BytesIO(text))


def test_pictures_out_of_an_archive(tmp_path):
    path, jpeg = tmp_path / "val2017.zip", draw_jpeg(1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("val2017/a.jpg", jpeg)
        archive.writestr("val2017/b.jpg", jpeg)
    source = ArchiveSource({"val2017": path})
    assert source.read("val2017/a.jpg") == jpeg
    assert source.size("val2017/a.jpg") == len(jpeg)
    with pytest.raises(MissingError, match=r"val2017/c\.jpg is not in"):
        source.read("val2017/c.jpg")
    content = path.read_bytes()
    path.write_bytes(content.replace(jpeg, jpeg[:99] + b"?" + jpeg[100:], 1))
    with pytest.raises(DamagedError, match=r"a\.jpg is damaged in"):
        ArchiveSource({"val2017": path}).read("val2017/a.jpg")
    path.write_bytes(content[:100])
    with pytest.raises(ValueError, match="remove it and run again"):
        ArchiveSource({"val2017": path})
