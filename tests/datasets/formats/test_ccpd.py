from __future__ import annotations

from tests.drawing import draw_samples, write_picture
from tests.formats import ccpd_name, write_ccpd
from vision.datasets.checks.problems import Problems
from vision.datasets.formats.ccpd import CCPDFolder
from vision.datasets.opening import open_datasets, open_split


def test_the_folders_of_2020(tmp_path):
    for number, (split, count) in enumerate({"train": 4, "val": 2, "test": 1}.items()):
        for place, sample in enumerate(draw_samples(count, first=10 * number)):
            name = ccpd_name(place, sample).split("/")[1]
            write_picture(tmp_path / "ccpd_green" / split / name, sample.image)
    for root in (tmp_path, tmp_path / "ccpd_green"):
        datasets = open_datasets(root)
        assert (len(datasets.train), len(datasets.validation)) == (4, 2)
        assert datasets.class_names == ["BACKGROUND", "plate"]
        assert len(open_split(root)) == 1


def test_pictures_without_plates_are_negatives(tmp_path):
    write_ccpd(tmp_path, negatives=1)
    assert open_datasets(tmp_path).train.num_negatives == 1


def test_a_name_that_holds_no_box_is_reported(tmp_path):
    write_ccpd(tmp_path)
    write_picture(tmp_path / "ccpd_base" / "holiday.jpg", draw_samples(1)[0].image)
    lists = tmp_path / "splits" / "train.txt"
    lists.write_text(lists.read_text() + "ccpd_base/holiday.jpg\nccpd_base/gone-1.jpg\n")
    problems = Problems()
    assert len(CCPDFolder(tmp_path).read("train", problems)) == 8
    assert problems.counts == {"annotation missing": 1, "picture missing": 1}


def test_real_plates(real_datasets):
    index = open_split(real_datasets / "ccpd", split="all")
    assert (len(index), index.num_boxes) == (16, 16)
    assert (index.sizes == [720, 1160]).all()
    by_name = {annotation.image_id[:8]: annotation.boxes.tolist() for annotation in index}
    assert by_name["00622964"] == [[226, 433, 358, 500]]
    assert by_name["03-92_88"] == [[249, 560, 561, 670]]
