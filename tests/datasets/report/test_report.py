from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests.drawing import write_list, write_voc
from tests.formats import WRITERS
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.checks.pictures import PictureChecks
from vision.datasets.opening import open_datasets
from vision.datasets.options import REPORT_FILE
from vision.datasets.report.report import inspect, open_test_part, size_histogram
from vision.datasets.selection import Selection

# The part to validate on, as the reader names it.
KINDS_OF_LISTS = {
    "voc": "ImageSets/Main/val.txt",
    "voc beside": "the folder valid",
    "coco": "annotations/instances_val2017.json",
    "csv": "val_labels.csv",
    "retinanet": "val_annotations.csv",
}
PRIORS = {
    300: np.float32([[0.5, 0.5, 1, 1]]),
    512: np.float32(
        [[x, y, 0.2, 0.25] for x in np.linspace(0, 1, 21) for y in np.linspace(0, 1, 21)]
    ),
}


def open_and_inspect(folder):
    pictures = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(folder, pictures=pictures)
    return datasets, inspect(datasets, pictures, PRIORS, 300)


def test_a_sound_folder_has_a_short_summary(tmp_path):
    write_voc(tmp_path, {"train": 8, "val": 4}, negatives=1)
    datasets, report = open_and_inspect(tmp_path)
    assert (len(datasets.train), len(datasets.validation)) == (8, 4)
    assert (report.worst(), report.unusable()) == ("", "")
    folder, *lines = report.lines()
    assert folder == (
        f"{tmp_path} (voc): 8 pictures to train on (ImageSets/Main/train.txt), "
        "4 to validate on (ImageSets/Main/val.txt)"
    )
    assert [line.split()[0] for line in lines] == [
        "classes:", "training:", "validation:", "sizes:", "no",
    ]  # fmt: skip
    assert lines[0] == "classes: 3 + background (labels.txt)"
    counts = ", ".join(f"{name} {n}" for name, n in datasets.train.boxes_per_class().items())
    total = datasets.train.num_boxes
    assert lines[1] == f"training: {total} boxes ({counts}), 1 pictures without objects"
    assert "or --resolution 512" in lines[3]
    assert lines[4] == "no problem was found"


@pytest.mark.parametrize("name", [one for one in WRITERS if KINDS_OF_LISTS.get(one)])
def test_a_validation_part_of_which_nothing_is_there_is_no_use(tmp_path, name):
    """A training would refuse it, so that the check must not find it usable."""
    WRITERS[name](tmp_path, {"train": 8, "val": 3})
    for path in tmp_path.rglob("*"):
        if path.name.endswith(("0008.png", "0009.png", "0010.png")):
            path.unlink()
    datasets, report = open_and_inspect(tmp_path)
    assert len(datasets.train) == 8
    assert report.unusable() == (
        f"{tmp_path} has nothing to validate on, as all 3 pictures of {KINDS_OF_LISTS[name]} are "
        "missing or cannot be used: correct it, or take it away to have pictures held out by seed"
    )


def test_one_picture_is_no_use(tmp_path):
    write_voc(tmp_path, {"train": 1})
    unusable = open_and_inspect(tmp_path)[1].unusable()
    assert unusable.startswith(f"{tmp_path} has one picture and nothing to validate on: two are")


def test_nothing_to_validate_on_is_no_fault_where_it_was_asked_for(tmp_path):
    write_voc(tmp_path, {"train": 4})
    pictures = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(tmp_path, selection=Selection(val_split=0), pictures=pictures)
    assert inspect(datasets, pictures, PRIORS, 300).unusable() == ""


def test_copies_of_a_picture_are_reported(tmp_path):
    names = [one.image_id for one in write_voc(tmp_path, {"train": 8, "val": 4})["train"]]
    for path in ("JPEGImages/{}.png", "Annotations/{}.xml"):
        shutil.copy(tmp_path / path.format("drawn_0001"), tmp_path / path.format("twin"))
    write_list(tmp_path, "train", [*names, "twin"])
    datasets, report = open_and_inspect(tmp_path)
    assert len(datasets.train) == 9
    assert report.counts == {"picture stored twice": 1}
    assert "twin.png: is the same file as" in "\n".join(report.lines())
    assert report.worst() == "warning"


def test_the_report_file_has_every_problem_with_its_file(tmp_path):
    names = [one.image_id for one in write_voc(tmp_path, {"train": 8, "val": 4})["train"]]
    write_list(tmp_path, "train", [*names, "missing"])
    (tmp_path / "JPEGImages" / "drawn_0002.png").write_bytes(b"")
    _, report = open_and_inspect(tmp_path)
    path = tmp_path / "new" / "out" / REPORT_FILE
    report.write(path)
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path.name == "dataset_report.json"
    assert found["worst"] == "error"
    assert found["parts"]["train"]["pictures"] == 7
    (problems,) = found["problems"]
    assert problems["counts"] == {"annotation missing": 1, "picture unreadable": 1}
    assert [(one["file"], one["severity"]) for one in problems["listed"]] == [
        ("Annotations/missing.xml", "error"),
        ("JPEGImages/drawn_0002.png", "error"),
    ]
    said = "\n".join(report.lines())
    assert f"problems of {tmp_path}\n  1 x annotation missing (left out)\n      Anno" in said


def test_the_test_part_is_reported_only_where_it_is_one_by_itself(tmp_path):
    write_voc(tmp_path / "three", {"train": 6, "val": 3, "test": 2})
    write_voc(tmp_path / "two", {"train": 6, "test": 2})
    pictures = PictureChecks(PictureScanner(progress=False))
    for name, expected in (("three", 2), ("two", None)):
        datasets = open_datasets(tmp_path / name, pictures=pictures)
        test = open_test_part(tmp_path / name, "auto", datasets, pictures=pictures)
        assert (test and len(test.pictures)) == expected
    report = inspect(datasets, pictures, PRIORS, 300, None)
    assert list(report.parts) == ["train", "val"]


@pytest.mark.parametrize(
    ("part", "kind"),
    [("train", "test picture is trained on"), ("val", "test picture is validated on")],
)
def test_pictures_to_test_on_that_are_used_otherwise_are_reported(part, kind, tmp_path):
    samples = write_voc(tmp_path, {"train": 6, "val": 3, "test": 2})
    listed, copied = (sample.image_id for sample in samples[part][:2])
    for path in ("JPEGImages/{}.png", "Annotations/{}.xml"):
        shutil.copy(tmp_path / path.format(copied), tmp_path / path.format("twin"))
    write_list(tmp_path, "test", ["drawn_0009", "drawn_0010", listed, "twin"])
    pictures = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(tmp_path, pictures=pictures)
    test = open_test_part(tmp_path, "auto", datasets, pictures=pictures)
    report = inspect(datasets, pictures, PRIORS, 300, test)
    assert report.counts == {kind: 2}
    assert report.worst() == "warning"
    said = "\n".join(report.lines())
    assert f"{listed}.png: is in both parts" in said
    assert f"twin.png: is the same file as {tmp_path}/JPEGImages/{copied}.png" in said


def test_a_test_part_of_nothing_but_trained_pictures_is_reported(tmp_path):
    samples = write_voc(tmp_path, {"train": 6, "val": 3})
    write_list(tmp_path, "test", [sample.image_id for sample in samples["train"]])
    pictures = PictureChecks(PictureScanner(progress=False))
    datasets = open_datasets(tmp_path, pictures=pictures)
    test = open_test_part(tmp_path, "auto", datasets, pictures=pictures)
    report = inspect(datasets, pictures, PRIORS, 300, test)
    assert report.counts == {"test picture is trained on": 6}
    assert list(report.parts) == ["train", "val"]


def test_boxes_of_the_test_part_that_are_not_chosen_are_not_lost(tmp_path):
    samples = write_voc(tmp_path, {"train": 6, "val": 3, "test": 4})["test"]
    selection = Selection(classes=["red"])
    datasets = open_datasets(tmp_path, selection=selection)
    assert datasets.known_classes == ["BACKGROUND", "red", "green", "blue"]
    test = open_test_part(tmp_path, "auto", datasets, selection)
    assert not any(test.problems)
    reds = sum(int((sample.labels == 1).sum()) for sample in samples)
    assert test.pictures.boxes_per_class() == {"red": reds}


def test_the_test_part_of_a_folder_given_twice_is_read_once(tmp_path):
    write_voc(tmp_path, {"train": 6, "val": 3, "test": 2})
    twice = [tmp_path, tmp_path / "JPEGImages"]
    test = open_test_part(twice, "auto", open_datasets(twice))
    assert len(test.pictures) == 2


def test_sizes_are_counted_in_network_pixels(tmp_path):
    write_voc(tmp_path, {"train": 8})
    train = open_datasets(tmp_path).train
    counts = size_histogram(train, 300)
    assert sum(counts.values()) == train.num_boxes
    assert counts["32 to 64"] + counts["64 to 128"] == train.num_boxes
    assert list(size_histogram(train.select([]), 300).values()) == [0] * 7
