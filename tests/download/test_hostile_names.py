"""Names from data that lead elsewhere, at every door: nothing outside --data is touched."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

import coco_downloader
import open_images_downloader
from tests.download.coco.test_dataset import APPLE, box, image
from tests.download.pictures import annotation_file, draw_jpeg, image_id, line
from tests.download.servers import Answer, FaultyServer
from vision.utils.cli import run_main

JPEG = draw_jpeg(1)
# `{}` is the folder that holds --data and what must not be touched.
NAMES = [
    "../victim",
    "../../victim",
    "../../../victim",
    "a/../../../victim",
    "../fruit/../victim",
    "{}/victim",
    "//{}/victim",
    "..\\victim",
    "..\\..\\victim",
    "C:\\victim",
    "C:victim",
    "\\\\server\\share\\victim",
    "victim\0",
    "\0",
    "a\nvictim",
    "x" * 300,
    "/" * 9,
    "./victim",
    "a//victim",
]


@pytest.fixture
def work(tmp_path):
    """A folder with files of somebody around the place of --data."""
    work = tmp_path / "a" / "b"
    work.mkdir(parents=True)
    for folder in (work, work.parent, tmp_path):
        (folder / "victim.jpg").write_text("notes")
        (folder / "victim").write_text("notes")
    return work


def outside(work):
    """Return all files that are not in a folder of the command, with what is in them."""
    own = {work / name for name in ("fruit", "fruit-voc", "cache")}
    return {
        path: path.read_bytes()
        for path in sorted(work.parents[1].rglob("*"))
        if path.is_file() and not own & set(path.parents)
    }


def serve(files, pictures):
    """Return a server of some files; every other path is a picture, or with False a 404."""

    def source(request):
        if request.path in files:
            return Answer(200, {}, files[request.path])
        return Answer(200, {}, JPEG) if pictures else Answer(404, {}, b"")

    return FaultyServer(source)


def options(work, *more):
    return ["--data", str(work / "fruit"), "--cache-dir", str(work / "cache"), "--retry=1", *more]


def run(script, argv):
    return run_main(script.main, script.parse_args(argv))


def open_images(work, server, *more):
    addresses = ["--annotations-url", server.url, "--endpoint-url", server.url]
    argv = options(work, "--class-names=Apple", *addresses, *more)
    return run(open_images_downloader, argv)


def open_images_files(ids):
    lines = [line(1, "/m/014j1m").replace(image_id(1), text) for text in ids]
    content = annotation_file(lines)
    empty = annotation_file([])
    return {
        f"/2018_04/{split}/{split}-annotations-bbox.csv": content if split == "train" else empty
        for split in ("train", "validation", "test")
    }


def coco(work, server, *more):
    return run(coco_downloader, options(work, "--class-names=apple", "--url", server.url, *more))


def zipped(members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def coco_files(**changes):
    """Return COCO's archive of annotations with one picture, some fields of it changed."""
    picture = {**image(7), **changes}
    content = {"images": [picture], "annotations": [box(1, 7, APPLE)], "categories": []}
    members = {
        f"annotations/instances_{split}2017.json": json.dumps(content) for split in ("train", "val")
    }
    return {"/annotations/annotations_trainval2017.zip": zipped(members)}


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_an_image_id_of_open_images(work, name, pictures, capsys):
    before = outside(work)
    with serve(open_images_files([name.format(work.parents[1])]), pictures) as server:
        status = open_images(work, server, "--format=voc")
    assert outside(work) == before
    error = capsys.readouterr().err
    assert status == 1
    assert error.count("\n") == 1
    assert "train-annotations-bbox" in error
    assert all(request.path.endswith(".csv") for request in server.requests)


@pytest.mark.parametrize("pictures", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_of_coco(work, name, pictures, capsys):
    before = outside(work)
    name = f"{name.format(work.parents[1])}.jpg"
    with serve(coco_files(file_name=name), pictures) as server:
        status = coco(work, server, "--format=voc")
    assert outside(work) == before
    error = capsys.readouterr().err
    assert status == 1
    assert error.count("\n") == 1
    assert "images, entry 1: file_name must be the name of a JPEG" in error
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", [".", "..", "", "...", "%2e%2e%2fvictim", "~", "$HOME", "*"])
def test_odd_names_that_stay_inside(work, name):
    before = outside(work)
    with serve(coco_files(file_name=f"{name}.jpg"), True) as server:
        assert coco(work, server) == 0
    assert (work / "fruit" / "train2017" / f"{name}.jpg").read_bytes() == JPEG
    with serve(open_images_files([name]), True) as server:
        # What the published files never have in an id is refused by their reader.
        assert open_images(work, server) == int(not {*"%$*"}.isdisjoint(name))
    assert outside(work) == before


@pytest.mark.parametrize(
    "name", ["..", ".", "", "a.png", "a.jpg/", None, 7, ["a.jpg"], "\udc80.jpg"]
)
def test_what_is_no_name_of_a_jpeg(work, name, capsys):
    with serve(coco_files(file_name=name), True) as server:
        assert coco(work, server) == 1
    assert "images, entry 1: file_name must be the name of a JPEG" in capsys.readouterr().err


def test_a_name_of_coco_that_gets_past_the_index(work, monkeypatch, capsys):
    monkeypatch.setattr("vision.download.coco.entries.name_fault", lambda name: None)
    before = outside(work)
    with serve(coco_files(file_name="../../victim.jpg"), True) as server:
        assert coco(work, server) == 1
    assert outside(work) == before
    assert "'../../victim.jpg' must be the name of a file inside" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["val2017/../../victim.jpg", "../victim.jpg", "/victim.jpg"])
def test_a_member_of_an_archive(work, key):
    before = outside(work)
    files = coco_files(coco_url=f"http://images.cocodataset.org/{key}")
    for split in ("train", "val"):
        files[f"/zips/{split}2017.zip"] = zipped({key: JPEG, "../../victim.jpg": JPEG})
    with serve(files, True) as server:
        coco(work, server, "--archives")
    assert outside(work) == before
    assert {path.name for path in work.rglob("*.jpg")} <= {"victim.jpg", "000000000007.jpg"}


def test_a_picture_of_another_server_is_missing_from_the_archives(work):
    files = coco_files(coco_url="https://elsewhere/a.jpg")
    for split in ("train", "val"):
        files[f"/zips/{split}2017.zip"] = zipped({})
    with serve(files, True) as server:
        assert coco(work, server, "--archives") == 1
    assert "https://elsewhere/a.jpg\t" in (work / "fruit" / "missing.txt").read_text()


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://h/a", "http://h/a b", "h", 1])
def test_an_address_of_coco(work, address, capsys):
    with serve(coco_files(coco_url=address), True) as server:
        assert coco(work, server) == 1
    assert "images, entry 1: coco_url must be an address" in capsys.readouterr().err
    assert len(server.requests) == 1


@pytest.mark.parametrize("pictures", [True, False])
def test_a_link_at_the_place_of_a_picture(work, pictures, capsys):
    before = outside(work)
    folder = work / "fruit" / "train"
    folder.mkdir(parents=True)
    (folder / f"{image_id(1)}.jpg").symlink_to(work / "victim.jpg")
    with serve(open_images_files([image_id(1)]), pictures) as server:
        assert open_images(work, server) == 1
    assert outside(work) == before
    assert "through a link" in capsys.readouterr().err


def test_a_folder_that_the_user_has_linked_is_used(work):
    (work / "disk").mkdir()
    (work / "fruit").mkdir()
    (work / "fruit" / "train").symlink_to(work / "disk")
    with serve(open_images_files([image_id(1)]), True) as server:
        assert open_images(work, server) == 0
    assert (work / "disk" / f"{image_id(1)}.jpg").read_bytes() == JPEG


def test_what_is_at_the_place_of_a_missing_picture_stays(work):
    mine = work / "fruit" / "train" / f"{image_id(1)}.jpg"
    mine.parent.mkdir(parents=True)
    mine.write_text("notes")
    with serve(open_images_files([image_id(1)]), False) as server:
        assert open_images(work, server) == 1
    assert mine.read_text() == "notes"


def test_only_our_own_missing_txt_is_removed(work):
    missing = work / "fruit" / "missing.txt"
    with serve(open_images_files([image_id(1)]), False) as server:
        assert open_images(work, server) == 1
        assert missing.read_text().startswith(f"train/{image_id(1)}.jpg\t")
    for text, stays in [(missing.read_text(), False), ("milk\neggs\n", True)]:
        missing.write_text(text)
        with serve(open_images_files([image_id(1)]), True) as server:
            assert open_images(work, server) == 0
        assert missing.exists() == stays


def test_a_readme_of_somebody_stays(work):
    readme = work / "fruit" / "README.txt"
    readme.parent.mkdir()
    readme.write_text("my notes")
    for expected in ("my notes", "Pictures and boxes from Open Images v4"):
        with serve(open_images_files([image_id(1)]), True) as server:
            assert open_images(work, server) == 0
        assert readme.read_text().startswith(expected)
        readme.write_text("Pictures and boxes from Open Images v7")
