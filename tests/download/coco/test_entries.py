"""Entries of a COCO file that are not what they must be: said with list, number and field."""

from __future__ import annotations

import io
import json
import random
import zipfile

import pytest

from tests.download.coco.test_dataset import APPLE, box, image, instances
from tests.download.pictures import draw_jpeg
from vision.download.coco import json_stream
from vision.download.coco.index import open_coco_index, read_instances
from vision.download.coco.sources import ArchiveSource
from vision.download.transfer.retry import DamagedError, DownloadError


def read(content):
    text = content if isinstance(content, str) else json.dumps(content)
    return read_instances(io.BytesIO(text.encode()))


LONG = "x" * 300
BAD = {
    "images": {
        "id": [None, "7", 1.5, -1, 1 << 63, [7]],
        "width": [None, "64", -64, 1e9],
        "height": [None, {}, 1 << 40],
        "file_name": [None, 7, "../a.jpg", "a.exe", f"{LONG}.jpg", f"{LONG[:200]}/{LONG[:99]}"],
        "coco_url": [None, 7, "", "file:///a.jpg", "http://a b", "http://é/a", f"http://{LONG}"],
    },
    "annotations": {
        "id": [None, "1"],
        "image_id": [None, "7", 7.5],
        "category_id": [None, "53", -1, 1 << 40, 1.5],
        "bbox": [None, [], [1, 2, 3], [1, 2, 3, None], [1, 2, 3, "4"], "1234", {}, [True] * 4],
        "area": [None, "1", float("nan"), float("inf"), 1e300],
        "iscrowd": [None, 2, "0", -1],
    },
}
CASES = [
    (key, field, bad)
    for key, fields in BAD.items()
    for field, values in fields.items()
    for bad in values
]


@pytest.mark.parametrize(("key", "field", "bad"), CASES)
def test_a_wrong_value_is_named(key, field, bad):
    content = instances([image(7), image(8)], [box(1, 7, APPLE), box(2, 8, APPLE)])
    content[key][1][field] = bad
    with pytest.raises(ValueError, match=rf"^{key}, entry 2: {field} must be .*") as error:
        read(content)
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("key", BAD)
@pytest.mark.parametrize("entry", [None, 7, "x", [], True])
def test_an_entry_that_is_no_object(key, entry):
    content = instances([image(7)], [box(1, 7, APPLE)])
    content[key].append(entry)
    with pytest.raises(ValueError, match=f"{key}, entry 2: must be an object, got "):
        read(content)


@pytest.mark.parametrize("field", ["id", "file_name", "coco_url"])
def test_a_missing_value(field):
    picture = image(7)
    picture.pop(field)
    with pytest.raises(ValueError, match=f"images, entry 1: {field} must be .* null"):
        read(instances([picture], []))


@pytest.mark.parametrize("content", ["", "null", "7", "[]", "[" * 5000, '{"images": ' + "[" * 5000])
def test_what_is_no_coco_file(content):
    with pytest.raises(ValueError, match=r".+"):
        read(content)


@pytest.mark.parametrize("images", ["null", "7", "{}", '"x"'])
def test_a_list_that_is_none(images):
    with pytest.raises(ValueError, match=r"images, entry 1: .*must be"):
        read(f'{{"images": {images}}}')


def test_deep_lists_and_endless_members_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="lists within lists"):
        read('{"images": [' + '{"a":' * 100_000)
    monkeypatch.setattr(json_stream, "LONGEST_MEMBER", 1000)
    monkeypatch.setattr(json_stream, "JSON_CHUNK", 100)
    with pytest.raises(ValueError, match="endless"):
        read('{"images": ["' + "x" * 5000)


@pytest.mark.parametrize(
    "url",
    [
        "http://images.cocodataset.org/val2017/7.jpg",
        "https://images.cocodataset.org/val2017/7.jpg",
        "https://s3.amazonaws.com/images.cocodataset.org/val2017/7.jpg",
    ],
)
def test_cocos_own_addresses_are_those_of_the_server_asked(url):
    arrays = read(instances([{**image(7), "coco_url": url}], []))
    assert arrays["image_addresses"].tolist() == ["val2017/7.jpg"]


def test_another_address_stays_whole():
    arrays = read(instances([{**image(7), "coco_url": "https://elsewhere/7.jpg"}], []))
    assert arrays["image_addresses"].tolist() == ["https://elsewhere/7.jpg"]


def test_an_archive_names_file_member_entry_and_what_to_do(tmp_path):
    path = tmp_path / "annotations_trainval2017.zip"
    with zipfile.ZipFile(path, "w") as archive:
        content = json.dumps(instances([None], []))
        archive.writestr("annotations/instances_val2017.json", content)
    message = f"{path}, annotations/instances_val2017.json: images, entry 1: .*; remove it and run"
    with pytest.raises(ValueError, match=message):
        open_coco_index(path, "val")


def damaged_archives():
    """Yield archives with one byte or one field changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("val2017/a.jpg", draw_jpeg(1))
    whole = file.getvalue()
    at = whole.rindex(b"PK\x01\x02")
    yield whole[: at + 8] + b"\x01\x00" + whole[at + 10 :]  # encrypted
    yield whole[: at + 10] + b"\x63\x00" + whole[at + 12 :]  # packed in an unknown way
    yield whole[: at + 24] + b"\xff\xff\xff\x7f" + whole[at + 28 :]  # 2 GB, it says
    yield whole[: at + 24] + b"\xff\xff\x00\x00" + whole[at + 28 :]  # more than there is
    rng = random.Random(0)
    for _ in range(300):
        place = rng.randrange(len(whole))
        yield whole[:place] + bytes([rng.randrange(256)]) + whole[place + 1 :]


def test_a_damaged_archive_is_one_line(tmp_path):
    path = tmp_path / "val2017.zip"
    for content in damaged_archives():
        path.write_bytes(content)
        try:
            source = ArchiveSource({"val2017": path})
            source.size("val2017/a.jpg")
            source.read("val2017/a.jpg")
        except (DownloadError, DamagedError, ValueError) as error:
            assert str(path) in str(error)
