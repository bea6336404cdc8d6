"""Phone pictures: training, evaluation and drawing see them upright, and their boxes with them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.datasets.picture_bytes import find_red, red_corner, turned_jpeg
from tests.drawing import voc_xml
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.formats.shards.writing import write_shards
from vision.datasets.formats.voc_writing import copy_as_voc
from vision.datasets.opening import open_datasets, open_split
from vision.datasets.report import contact_sheets
from vision.loading.dataset import DetectionDataset
from vision.pictures.reading import read_picture
from vision.transforms import EvalTransform, TrainTransform

STORED = red_corner(96, 64)


def write_phone_pictures(root, marked_on, orientation=6):
    """Write six pictures with an EXIF orientation; boxes were marked "upright" or "stored"."""
    (root / "Annotations").mkdir(parents=True)
    (root / "JPEGImages").mkdir()
    for number in range(6):
        path = root / "JPEGImages" / f"{number}.jpg"
        path.write_bytes(turned_jpeg(np.roll(STORED, 2 * number, axis=0), orientation))
        image = read_picture(path, upright=marked_on == "upright")
        text = voc_xml([find_red(image)], ["patch"], image.shape[1::-1], path.name)
        (root / "Annotations" / f"{number}.xml").write_text(text, encoding="utf-8")


def checks(exif):
    return PictureChecks(PictureScanner(progress=False), exif)


def require_boxes_on_patches(samples):
    for sample in samples:
        for box in sample.boxes:
            assert box == pytest.approx(find_red(sample.image), abs=4)


@pytest.mark.parametrize("marked_on", ["upright", "stored"])
@pytest.mark.parametrize("exif", ["auto", "ignore"])
def test_all_see_the_same_picture_and_boxes(tmp_path, monkeypatch, marked_on, exif):
    write_phone_pictures(tmp_path, marked_on)
    size = (64, 96) if exif == "auto" else (96, 64)
    datasets = open_datasets(tmp_path, pictures=checks(exif))
    whole = open_split(tmp_path, split="all", pictures=checks(exif))
    assert len(whole) == 6
    assert {tuple(one) for one in whole.sizes.tolist()} == {size}

    as_read = [DetectionDataset(whole)[row] for row in range(6)]
    assert {sample.image.shape[1::-1] for sample in as_read} == {size}
    require_boxes_on_patches(as_read)
    still = TrainTransform(96, geometry=(), colours=())
    trained = DetectionDataset(datasets.train, still)
    require_boxes_on_patches(trained[row] for row in range(len(trained)))
    measured = DetectionDataset(whole, EvalTransform(96))
    require_boxes_on_patches(measured[row] for row in range(6))

    drawn = []

    def keep(image, boxes, labels, class_names):
        drawn.append((image, boxes))
        return draw_tile(image, boxes, labels, class_names)

    draw_tile = contact_sheets.draw_tile
    monkeypatch.setattr(contact_sheets, "draw_tile", keep)
    contact_sheets.write_sheets(whole, "all", tmp_path / "sheets")
    assert {image.shape[1::-1] for image, _ in drawn} == {size}
    for image, boxes in drawn:
        assert boxes[0] == pytest.approx(find_red(image), abs=4)


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_the_voc_copy_of_pictures_as_stored_has_its_boxes_where_others_look(tmp_path, orientation):
    """Nothing in a VOC folder tells how boxes of a half turn are meant: upright is the rule."""
    write_phone_pictures(tmp_path / "a", "stored", orientation)
    stored = open_split(tmp_path / "a", split="all", pictures=checks("ignore"))
    require_boxes_on_patches(DetectionDataset(stored)[row] for row in range(6))
    copy_as_voc({"train": stored}, tmp_path / "b")
    copied = open_split(tmp_path / "b", split="all", pictures=checks("auto"))
    assert len(copied) == 6
    require_boxes_on_patches(DetectionDataset(copied)[row] for row in range(6))


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("written", ["apply", "stored", "ignore"])
@pytest.mark.parametrize("read", ["auto", "apply", "stored", "ignore"])
def test_shards_say_in_which_view_their_boxes_are(tmp_path, orientation, written, read):
    """Of a half turn nothing else tells, and the boxes of the other view stayed where they were."""
    write_phone_pictures(tmp_path / "a", "upright" if written == "apply" else "stored", orientation)
    whole = open_split(tmp_path / "a", split="all", pictures=checks(written))
    require_boxes_on_patches(DetectionDataset(whole)[row] for row in range(6))
    write_shards({"train": whole}, tmp_path / "b", 1_000_000)
    again = open_datasets(tmp_path / "b", pictures=checks(read))
    assert again.train.upright == (read != "ignore")
    assert not any(one.counts["EXIF turn unclear"] for one in again.problems)
    for index in (again.train, again.validation):
        require_boxes_on_patches(DetectionDataset(index)[row] for row in range(len(index)))
