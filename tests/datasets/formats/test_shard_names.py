"""Samples of shards of other tools: which files belong together, whatever dots their names have."""

from __future__ import annotations

import tarfile

import cv2
import pytest

from tests.drawing import draw_samples
from tests.formats import add_member, shard_json
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.shards.reading import ShardFolder
from vision.datasets.formats.shards.tar_files import is_shard

(SAMPLE,) = draw_samples(1)
PICTURE = cv2.imencode(".png", SAMPLE.image[..., ::-1])[1].tobytes()
BOXES = shard_json(SAMPLE)
OTHER = b'{"segments": 3}'


def read(root, files):
    """Pack {name: bytes}, read it; return {id: boxes} and the problems as (kind, file)."""
    with tarfile.open(root / "train-0.tar", "w") as tar:
        for name, data in files.items():
            add_member(tar, name, data)
    assert is_shard(root / "train-0.tar")
    problems = Problems()
    index = ShardFolder(root).read("train", problems)
    assert all(len(row.boxes) == len(SAMPLE.boxes) for row in index)
    return list(index.image_ids), {(one.kind, one.file) for one in problems}


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({"a.png": PICTURE, "a.json": BOXES}, ["a"]),
        (
            {
                "a_jpg.rf.1b.png": PICTURE,
                "a_jpg.rf.1b.json": BOXES,
                "a_jpg.rf.2c.png": PICTURE,
                "a_jpg.rf.2c.json": BOXES,
                "b.v1.PNG": PICTURE,
                "b.v1.json": BOXES,
            },
            ["a_jpg.rf.1b", "a_jpg.rf.2c", "b.v1"],
        ),
        ({"a.image.png": PICTURE, "a.json": BOXES}, ["a.image"]),
        ({"a.png": PICTURE, "a.boxes.json": BOXES}, ["a"]),
        ({"a.image.png": PICTURE, "a.json": BOXES, "a.meta.json": OTHER}, ["a.image"]),
        ({"v1.2/a.png": PICTURE, "v1.2/a.json": BOXES}, ["v1.2/a"]),
        ({"a.png": PICTURE, "a.json": BOXES, "a.seg.png": PICTURE, "a.seg.json": OTHER}, ["a"]),
        ({"a.png": PICTURE, "a.json": BOXES, "a.seg.png": PICTURE}, ["a"]),
        (
            {"a.png": PICTURE, "a.json": BOXES, "a.rf.1.png": PICTURE, "a.rf.1.json": BOXES},
            ["a", "a.rf.1"],
        ),
        ({"a.png": PICTURE, "a.json": BOXES, "b.json": OTHER, "._b.json": BOXES}, ["a"]),
    ],
)
def test_which_files_are_a_sample(tmp_path, files, ids):
    assert read(tmp_path, files) == (ids, set())


@pytest.mark.parametrize(
    ("files", "problems"),
    [
        ({"b.rf.1.png": PICTURE}, [("annotation missing", "b.rf.1.png")]),
        (
            {"b.left.png": PICTURE, "b.right.png": PICTURE, "b.json": BOXES},
            [
                ("annotation missing", "b.left.png"),
                ("annotation missing", "b.right.png"),
                ("picture missing", "b.json"),
            ],
        ),
        ({"b.heic": b"", "b.json": BOXES}, [("picture missing", "b.json")]),
        ({"b.rf.1.png": PICTURE, "b.rf.1.json": b"{"}, [("annotation broken", "b.rf.1.json")]),
    ],
)
def test_what_has_no_partner_is_reported(tmp_path, files, problems):
    """Such pictures were left out without a word."""
    found = read(tmp_path, {"a.png": PICTURE, "a.json": BOXES, **files})
    assert found == (["a"], {(kind, f"train-0.tar/{name}") for kind, name in problems})
