"""The script: what it writes, what it leaves alone, what it refuses."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import draw_fruit
import numpy as np
import pytest

from tests.live.live_parts import until

SCRIPT = Path(draw_fruit.__file__)
LABELS = {
    "Apple": "/m/014j1m",
    "Orange": "/m/0cyhj_",
    "Banana": "/m/09qck",
    "Strawberry": "/m/07fbm7",
    "Grape": "/m/0388q",
    "Pear": "/m/061_f",
    "Pineapple": "/m/0fp6w",
    "Watermelon": "/m/0kpqd",
}
HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,"
    "IsGroupOf,IsDepiction,IsInside,id,ClassName"
)


def draw(folder, *options):
    """Run the script in this process, with small pictures unless the options say otherwise."""
    size = [] if "--size" in options else ["--size", "80"]
    arguments = [str(folder), "--workers", "1", *size, *options]
    draw_fruit.main(draw_fruit.parse_args(arguments))


def contents(folder):
    """Return {path in the folder: bytes} of its files."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def rows_of(folder, split):
    with (folder / f"sub-{split}-annotations-bbox.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Sixty pictures: 42, 9 and 9."""
    folder = tmp_path_factory.mktemp("drawn") / "fruit"
    draw(folder, "--images", "60", "--size", "96x64")
    return folder


def test_splits_hold_pictures_of_the_size_with_open_images_names(dataset):
    for split, count in {"train": 42, "validation": 9, "test": 9}.items():
        paths = list((dataset / split).iterdir())
        assert len(paths) == count
        assert all(len(path.stem) == 16 and int(path.stem, 16) >= 0 for path in paths)
        assert all(cv2.imread(str(path)).shape == (64, 96, 3) for path in paths)


def test_tables_have_the_columns_and_labels_of_open_images(dataset):
    for split in draw_fruit.SHARES:
        text = (dataset / f"sub-{split}-annotations-bbox.csv").read_text()
        assert text.splitlines()[0] == HEADER
        for row in rows_of(dataset, split):
            assert (dataset / split / f"{row['ImageID']}.jpg").is_file()
            assert row["LabelName"] == row["id"] == LABELS[row["ClassName"]]
            assert 0 <= float(row["XMin"]) < float(row["XMax"]) <= 1
            assert 0 <= float(row["YMin"]) < float(row["YMax"]) <= 1
            assert row["Confidence"] == "1"
            assert {row["IsOccluded"], row["IsTruncated"]} <= {"0", "1"}
            assert {row["IsGroupOf"], row["IsDepiction"], row["IsInside"]} == {"0"}


def test_class_descriptions_have_no_header(dataset):
    lines = (dataset / "class-descriptions-boxable.csv").read_text().splitlines()
    assert lines == [f"{label},{name}" for name, label in LABELS.items()]


def test_every_split_has_every_class(dataset):
    for split in draw_fruit.SHARES:
        assert {row["ClassName"] for row in rows_of(dataset, split)} == set(LABELS)


def test_every_split_has_every_class_and_an_empty_picture_by_default():
    args = draw_fruit.parse_args([])
    pictures = draw_fruit.plan(args)
    assert len(pictures) == args.images == 500
    for split in draw_fruit.SHARES:
        numbers = [picture.number for picture in pictures if picture.split == split]
        assert {draw_fruit.first_fruit(number) for number in numbers} == {*LABELS, None}


def test_the_fifteenth_picture_is_there_and_has_no_row(dataset):
    empty = draw_fruit.Picture(dataset, "train", 14, (96, 64), 0)
    assert empty.path.is_file()
    with_fruit = {row["ImageID"] for row in rows_of(dataset, "train")}
    assert empty.image_id not in with_fruit
    assert len(with_fruit) == 42 - 2  # the thirtieth is empty as well


def test_the_same_seed_draws_the_same_bytes_and_another_does_not(tmp_path):
    for name, seed in (("one", "3"), ("two", "3"), ("other", "4")):
        draw(tmp_path / name, "--images", "6", "--seed", seed)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not set(contents(tmp_path / "other")) & set(glob(tmp_path / "one"))


def glob(folder):
    """Return the pictures of a dataset, as they are named in `contents`."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*.jpg")]


def test_several_processes_draw_the_same(tmp_path):
    draw(tmp_path / "one", "--images", "6")
    command = [sys.executable, str(SCRIPT), str(tmp_path / "two"), "--images", "6", "--size", "80"]
    done = subprocess.run([*command, "--workers", "2"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_a_process_that_was_killed_ends_the_run_in_a_sentence(monkeypatch):
    """The others waited for its pictures for ever."""
    monkeypatch.setattr(draw_fruit, "draw", signal.raise_signal)
    with pytest.raises(OSError, match="was killed; is memory short"):
        draw_fruit.draw_all([signal.SIGKILL] * 8, workers=2)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_interrupted_run_says_so_and_no_more(tmp_path, workers):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "--images", "2000", "--workers", workers]
    run = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    until(lambda: any(tmp_path.rglob("*.jpg")))
    os.killpg(run.pid, signal.SIGINT)  # all processes of a terminal get it
    assert run.communicate(timeout=60)[1] == "interrupted\n"
    assert run.returncode == 130


def test_more_pictures_extend_and_fewer_leave_none_behind(tmp_path):
    draw(tmp_path, "--images", "6")
    few = contents(tmp_path)
    (tmp_path / "train" / "mine.jpg").write_bytes(b"a picture of the user")
    (tmp_path / "notes.txt").write_text("a note of the user")
    draw(tmp_path, "--images", "12")
    many = contents(tmp_path)
    pictures = [name for name in few if name.endswith(".jpg")]
    assert len(pictures) == 6
    assert all(many[name] == few[name] for name in pictures)
    draw(tmp_path, "--images", "6")
    again = contents(tmp_path)
    assert again.pop("notes.txt") == b"a note of the user"
    assert again.pop(str(Path("train", "mine.jpg"))) == b"a picture of the user"
    assert again == few


def test_a_run_that_is_broken_off_leaves_no_tables_and_can_be_repeated(tmp_path, monkeypatch):
    draw(tmp_path, "--images", "6")
    whole = contents(tmp_path)

    def full_disk(picture):
        raise OSError("no space left")

    with monkeypatch.context() as patch:
        patch.setattr(draw_fruit, "draw", full_disk)
        with pytest.raises(OSError, match="no space left"):
            draw(tmp_path, "--images", "6")
    assert not list(tmp_path.glob("sub-*.csv"))
    draw(tmp_path, "--images", "6")
    assert contents(tmp_path) == whole


def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    with pytest.raises(FileExistsError, match=r"was not made by draw_fruit\.py"):
        draw(tmp_path, "--images", "6")
    assert contents(tmp_path) == {"thesis.txt": b"three years of work"}
    with pytest.raises(FileExistsError, match=r"thesis\.txt was not made"):
        draw(tmp_path / "thesis.txt", "--images", "6")


def test_an_empty_folder_is_used(tmp_path):
    draw(tmp_path, "--images", "3")
    assert len(glob(tmp_path)) == 3


def test_a_refusal_is_one_line_and_status_1(tmp_path):
    (tmp_path / "thesis.txt").write_text("three years of work")
    done = subprocess.run([sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--images", "2"], "argument --images: must be at least 3, got 2"),
        (["--images", "many"], "must be a whole number, 0 or greater, got 'many'"),
        (["--size", "0"], "must be like 640x480 or 400, 64 to 4096, got '0'"),
        (["--size", "640x"], "got '640x'"),
        (["--size", "640x480x3"], "got '640x480x3'"),
        (["--size", "99999"], "got '99999'"),
        (["--seed", "-1"], "argument --seed"),
        (["--workers", "1.5"], "got '1.5'"),
        (["--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_bad_arguments_end_in_one_line_and_status_2(options, message, capsys):
    with pytest.raises(SystemExit) as ending:
        draw_fruit.parse_args(options)
    assert ending.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "size"), [("400", (400, 400)), ("64x4096", (64, 4096)), ("640x480", (640, 480))]
)
def test_size_is_width_and_height(text, size):
    assert draw_fruit.parse_args(["--size", text]).size == size


def test_help_needs_no_heavy_import():
    code = "import draw_fruit, sys; sys.exit('numpy' in sys.modules or 'cv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=str(SCRIPT.parent)).returncode == 0


def test_the_sheet_has_six_pictures_a_row(tmp_path):
    draw(tmp_path / "fruit", "--images", "7", "--sheet", str(tmp_path / "sheet.jpg"))
    sheet = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert sheet.shape == (2 * 80, 6 * 80, 3)
    assert np.all(sheet[100:, 100:] > 250)  # the five places after the seventh are blank


def test_a_scale_makes_fruit_smaller_and_changes_no_number_of_pictures(tmp_path):
    def widths(folder):
        return [float(row["XMax"]) - float(row["XMin"]) for row in rows_of(folder, "train")]

    for name, scale in (("usual", "1"), ("small", "0.3")):
        draw(tmp_path / name, "--images", "20", "--scale", scale)
    assert max(widths(tmp_path / "small")) < 0.3 * 0.75  # the largest usual fruit is 0.64 long
    assert max(widths(tmp_path / "usual")) > 0.3


def test_a_rare_fruit_is_a_twentieth_of_any_other():
    turns = [draw_fruit.first_fruit(number, "Pear") for number in range(8 * 15 * 20)]
    others = [turns.count(name) for name in LABELS if name not in ("Pear", "Pineapple")]
    assert turns.count("Pear") == pytest.approx(min(others) / 20, abs=2)
    assert turns.count("Pineapple") > 1.8 * max(others)  # it is behind the pear, and has its turns
    assert max(others) - min(others) < 0.1 * max(others)


@pytest.mark.parametrize("bad", [["--scale", "0"], ["--scale", "2"], ["--scale", "x"]])
def test_a_scale_that_cannot_be_drawn_is_refused(bad, capsys):
    with pytest.raises(SystemExit):
        draw_fruit.parse_args(bad)
    assert "must be a number from 0.1 to 1" in capsys.readouterr().err


def test_a_rare_fruit_must_be_one(capsys):
    with pytest.raises(SystemExit):
        draw_fruit.parse_args(["--rare", "Plum"])
    assert "must be one of Apple, Orange" in capsys.readouterr().err
