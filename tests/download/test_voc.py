"""The VOC folder."""

import os
from xml.etree import ElementTree

import numpy as np

from tests.download.pictures import draw_jpeg
from vision.download.voc import LabelledPicture, picture_xml, voc_folder, write_voc


def picture(root, name, boxes=((0.25, 0.5, 0.75, 1.0),), names=("Dog & cat",)):
    path = root / name
    path.write_bytes(draw_jpeg(1, 64, 48))
    flags = np.zeros(len(boxes), bool)
    return LabelledPicture(path, np.array(boxes).reshape(-1, 4), list(names), ~flags, flags)


def corners(xml):
    root = ElementTree.fromstring(xml)
    return [[int(node.text) for node in box] for box in root.iter("bndbox")]


def test_first_and_last_pixel_counted_from_one(tmp_path):
    xml = picture_xml(picture(tmp_path, "a.jpg"))
    # 64 x 48 pixels: columns 16..47 and rows 24..47 from 0.
    assert corners(xml) == [[17, 25, 48, 48]]
    root = ElementTree.fromstring(xml)
    assert root.findtext("object/name") == "Dog & cat"
    assert root.findtext("object/truncated") == "1"
    assert root.findtext("object/occluded") == "0"
    assert [node.text for node in root.find("size")] == ["64", "48", "3"]


def test_boxes_stay_in_the_picture_and_have_a_pixel(tmp_path):
    boxes = [(0, 0, 1, 1), (0.5, 0.5, 0.5, 0.5), (1, 1, 1, 1), (0, 0, 0.001, 0.001)]
    found = corners(picture_xml(picture(tmp_path, "a.jpg", boxes, "wxyz")))
    assert found == [[1, 1, 64, 48], [33, 25, 33, 25], [64, 48, 64, 48], [1, 1, 1, 1]]


def test_a_picture_without_boxes(tmp_path):
    assert corners(picture_xml(picture(tmp_path, "a.jpg", (), ()))) == []


def test_the_folder(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    splits = {
        "train": [picture(source, "a.jpg"), picture(source, "b.jpg")],
        "validation": [picture(source, "c.jpg")],
        "test": [],
    }
    folder = voc_folder(source)
    assert folder == tmp_path / "source-voc"
    for _ in range(2):
        write_voc(folder, splits, ["Dog & cat"])
    lists = {path.name: path.read_text().split() for path in (folder / "ImageSets/Main").iterdir()}
    assert lists == {
        "train.txt": ["a", "b"],
        "val.txt": ["c"],
        "test.txt": [],
        "trainval.txt": ["a", "b", "c"],
    }
    assert (folder / "labels.txt").read_text() == "Dog & cat\n"
    assert sorted(path.name for path in (folder / "Annotations").iterdir()) == [
        "a.xml",
        "b.xml",
        "c.xml",
    ]
    assert (folder / "JPEGImages/a.jpg").samefile(source / "a.jpg")


def test_pictures_are_copied_where_links_are_not_possible(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("another disk")

    monkeypatch.setattr(os, "link", refuse)
    one = picture(tmp_path, "a.jpg")
    write_voc(tmp_path / "voc", {"train": [one]}, ["Dog & cat"])
    assert (tmp_path / "voc/JPEGImages/a.jpg").read_bytes() == one.path.read_bytes()
