"""Pictures that were made another size, or square, after their boxes were marked."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.drawing import draw_samples, voc_xml, write_picture
from tests.formats import WRITERS
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.checks.resizing import tell_resized
from vision.datasets.opening import open_datasets
from vision.datasets.selection import Selection

RESIZED, WRONG, UNCLEAR = (
    "picture resized after labelling", "stated size wrong", "picture resized or not",
)  # fmt: skip
STATE_A_SIZE = ["coco", "csv", "cvat", "labelme", "voc beside"]


def read(root):
    checks = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(root, selection=Selection(val_split=0), pictures=checks)
    return datasets.train, datasets.problems[0].counts


@pytest.mark.parametrize("size", [(130, 120), (100, 100), (110, 150)])
@pytest.mark.parametrize("name", STATE_A_SIZE)
def test_all_boxes_follow_pictures_that_were_stretched(tmp_path, name, size):
    """Some of them fit the stretched picture as they are, and go with those that do not."""
    drawn = WRITERS[name](tmp_path, {"train": 20})
    for path in (*tmp_path.rglob("*.png"), *tmp_path.rglob("*.jpg")):
        cv2.imwrite(str(path), cv2.resize(cv2.imread(str(path)), size))
    train, counts = read(tmp_path)
    assert counts == {RESIZED: 20}
    scale = np.tile(np.array(size) / (160, 120), 2)
    found = {one.image_id.split("/")[-1]: one.boxes for one in train}
    for sample in drawn["train"]:
        wanted = sample.boxes * scale
        assert np.abs(found[sample.image_id] - wanted).max() < 0.01


def write_stated(root, sizes, boxes, stored):
    """Write VOC pictures of the size `stored`, each annotated with one box and a stated size."""
    for number, (size, box) in enumerate(zip(sizes, boxes)):
        image = cv2.resize(draw_samples(1, number)[0].image, stored)
        write_picture(root / f"{number}.png", image)
        (root / f"{number}.xml").write_text(voc_xml([box], ["cat"], size, f"{number}.png"))


def test_pictures_of_any_size_that_all_became_square(tmp_path):
    sizes = [(100 + 10 * number, 90) for number in range(8)]
    write_stated(tmp_path, sizes, [[10, 20, 50, 60]] * 8, (300, 300))
    train, counts = read(tmp_path)
    assert counts == {RESIZED: 8}
    assert train.boxes[0].tolist() == pytest.approx([30, 20 / 0.3, 150, 200], abs=0.01)


def test_larger_pictures_none_of_whose_boxes_leaves_the_stated_size(tmp_path):
    """Objects that the edge has cut end where the picture ended when they were marked."""
    boxes = [[10, 20, 160 if number < 2 else 60, 70] for number in range(8)]
    write_stated(tmp_path, [(160, 120)] * 8, boxes, (320, 320))
    train, counts = read(tmp_path)
    assert counts == {RESIZED: 8}
    assert train.boxes[0].tolist() == pytest.approx([20, 160 / 3, 320, 560 / 3], abs=0.01)


def test_where_nothing_tells_boxes_stay_and_a_warning_asks(tmp_path):
    write_stated(tmp_path, [(160, 120)] * 8, [[10, 20, 60, 70]] * 8, (320, 320))
    train, counts = read(tmp_path)
    assert counts == {UNCLEAR: 8}
    assert train.boxes.tolist() == [[10, 20, 60, 70]] * 8


def test_of_pictures_without_a_stated_size_a_warning_asks(tmp_path):
    sizes = [(100 + 10 * number, 90) for number in range(7)] + [(0, 0)]
    write_stated(tmp_path, sizes, [[10, 20, 50, 60]] * 8, (300, 300))
    assert read(tmp_path)[1] == {RESIZED: 7, UNCLEAR: 1}


@pytest.mark.parametrize(
    ("stated", "agreeing", "beyond"),
    [
        ([(100 + one, 90) for one in range(8)], 9, 0),  # most others state the right size
        ([(100 + one, 90) for one in range(8)], 0, 1),  # a box that the stated size cannot hold
        ([(100 + one, 90) for one in range(4)], 0, 0),  # too few to be a habit
    ],
)
def test_a_slip_of_the_pen_stays_one(stated, agreeing, beyond):
    stated = np.array(stated)
    extents = np.full(stated.shape, 60)
    extents[:beyond] = 200
    told = tell_resized(stated, np.full(stated.shape, 300), extents, agreeing)
    assert not told.resized.any()
    assert not told.unclear.any()
