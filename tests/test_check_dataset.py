from __future__ import annotations

import json
import logging

import pytest

import check_dataset
from tests.drawing import CLASS_NAMES, write_list, write_open_images, write_voc
from tests.formats import write_yolo
from vision.datasets.opening import open_datasets
from vision.utils.cli import run_main


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the script in an empty folder; return its exit status and what it printed."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def run_script(*words):
        options = [str(word) for word in words]
        args = check_dataset.parse_args([*options, "--cache-dir", str(tmp_path / "cache")])
        status = run_main(check_dataset.main, args)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    yield run_script
    logging.captureWarnings(False)


def test_a_sound_folder_is_reported_and_ends_in_0(tmp_path, run):
    write_voc(tmp_path / "data", {"train": 8, "val": 4, "test": 2})
    status, printed = run(tmp_path / "data", "--strict")
    assert status == 0
    lines = printed.splitlines()
    assert [line.partition(":")[0] for line in lines[:6]] == [
        f"{tmp_path / 'data'} (voc)", "classes", "training", "validation", "test", "sizes",
    ]  # fmt: skip
    assert lines[4].startswith("test: 2 pictures, ")
    assert lines[6:] == [
        "no problem was found",
        "",
        "wrote data_check/dataset_report.json",
        *(f"wrote data_check/{part}.png" for part in ("train", "val", "test")),
    ]
    folder = tmp_path / "here" / "data_check"
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset_report.json",
        *(f"{part}.png" for part in ("test", "train", "val")),
    ]
    assert json.loads((folder / "dataset_report.json").read_text())["classes"] == CLASS_NAMES


def test_severity_decides_the_exit_status(tmp_path, run):
    names = [one.image_id for one in write_voc(tmp_path / "data", {"train": 8, "val": 4})["train"]]
    write_list(tmp_path / "data", "train", [*names, "missing"])
    status, printed = run(tmp_path / "data")
    assert status == 0
    assert "1 x annotation missing (left out)" in printed
    assert run(tmp_path / "data", "--strict")[0] == 1
    write_list(tmp_path / "data", "train", [*names, *(f"missing_{n}" for n in range(40))])
    status, printed = run(tmp_path / "data")
    assert status == 1
    assert "not usable: 12 of 52 pictures are left, which is less than half" in printed


def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, run):
    assert run(tmp_path / "none") == (
        1,
        f"error: there is no dataset folder {tmp_path / 'none'}; check the path\n",
    )
    with pytest.raises(SystemExit) as caught:
        run()
    assert caught.value.code == 2


def test_what_cannot_be_written_is_refused_before_anything_is(tmp_path, run):
    write_open_images(tmp_path / "data")
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc" / "notes.txt").touch()
    refused = ([f"--write-{kind}", tmp_path / "voc"] for kind in ("voc", "shards"))
    for words in (*refused, ["--write-splits"]):
        assert run(tmp_path / "data", *words)[0] == 1
    assert not list((tmp_path / "here").iterdir())


def test_previews_are_written_where_asked(tmp_path, run):
    write_open_images(tmp_path / "data", {"train": 3, "validation": 2})
    sheets = tmp_path / "sheets"
    status, printed = run("--data", tmp_path / "data", "--preview", sheets, "--output", sheets)
    assert status == 0
    assert {"train_1.jpg", "val_1.jpg", "dataset_report.json"} <= {
        path.name for path in sheets.iterdir()
    }
    assert str(sheets / "train_1.jpg") in printed
    assert not list((tmp_path / "here").iterdir())


def test_any_format_becomes_a_voc_folder(tmp_path, run):
    write_open_images(tmp_path / "data")
    status, printed = run(tmp_path / "data", "--write-voc", tmp_path / "voc")
    assert status == 0
    assert "with train, val, test" in printed
    again = open_datasets(tmp_path / "voc")
    assert (len(again.train), len(again.validation)) == (8, 4)
    status, printed = run(tmp_path / "data", "--write-voc", tmp_path / "voc")
    assert status == 1
    assert "must be a new folder" in printed


def test_any_format_becomes_shards(tmp_path, run):
    write_open_images(tmp_path / "data")
    words = ["--write-shards", tmp_path / "new" / "shards", "--shard-size", 1]
    status, printed = run(tmp_path / "data", *words)
    assert status == 0
    assert f"wrote 3 shards to {tmp_path / 'new' / 'shards'}, with train, val, test" in printed
    again = open_datasets(tmp_path / "new" / "shards")
    assert (len(again.train), len(again.validation)) == (8, 4)
    status, printed = run(tmp_path / "data", *words)
    assert (status, "must be a new folder" in printed) == (1, True)


def test_a_split_is_written_down(tmp_path, run):
    write_voc(tmp_path / "data", {})
    assert run(tmp_path / "data", "--write-splits", "--seed", 3)[0] == 0
    lists = tmp_path / "data" / "ImageSets" / "Main"
    assert len((lists / "train.txt").read_text().split()) == 6
    again = open_datasets(tmp_path / "data")
    assert list(again.validation.image_ids) == (lists / "val.txt").read_text().split()
    status, printed = run(tmp_path / "data", "--write-splits")
    assert (status, "there is a split already" in printed) == (1, True)
    write_open_images(tmp_path / "other")
    status, printed = run(tmp_path / "other", "--write-splits")
    assert (status, "needs one dataset folder in VOC format" in printed) == (1, True)


def test_the_second_start_opens_no_picture(tmp_path, run, monkeypatch):
    write_voc(tmp_path / "data")
    first = run(tmp_path / "data")
    monkeypatch.setattr("vision.datasets.checks.picture_scan.look_at", None)
    assert run(tmp_path / "data") == first


@pytest.mark.parametrize("option", ["--preview", "--write-voc", "--write-shards"])
def test_pictures_are_not_written_into_the_dataset_that_is_checked(option, tmp_path, run):
    """Many formats read every picture below their folder."""
    write_voc(tmp_path / "data", {})
    status, printed = run(tmp_path / "data", option, tmp_path / "data" / "below" / "new")
    assert status == 1
    assert f"lies in the dataset {tmp_path / 'data'}" in printed and "outside" in printed
    assert not (tmp_path / "data" / "below").exists()


def test_a_second_check_within_the_dataset_does_not_read_what_the_first_has_written(
    tmp_path, run, monkeypatch
):
    write_yolo(tmp_path / "data", {"train": 8, "val": 4})
    (tmp_path / "data" / "data.yaml").write_text("names: [red, green, blue]\n")
    monkeypatch.chdir(tmp_path / "data")
    assert run(".")[1] == run(".")[1]
    assert (tmp_path / "data" / "data_check" / "train.png").is_file()
