"""Many pictures at once, from sources that misbehave."""

import os
import threading
import time
from collections import Counter

import pytest

from tests.download.pictures import draw_jpeg
from vision.download.transfer.pictures import (
    DownloadReport,
    Picture,
    download_pictures,
    mean_size,
    split_by_presence,
)
from vision.download.transfer.retry import DownloadError, MissingError, RetryPolicy, TransientError
from vision.download.transfer.whole_file import part_path

QUICK = RetryPolicy(attempts=3, timeout=1, first_delay=0.001, longest_delay=0.002)
JPEG = draw_jpeg(0)


class Shelf:
    """A source of pictures: `answers` has bytes, an error, or a list of these in order."""

    def __init__(self, answers):
        self.answers = answers
        self.reads = Counter()

    def read(self, key):
        answer = self.answers.get(key, JPEG)
        if isinstance(answer, list):
            answer = answer[min(self.reads[key], len(answer) - 1)]
        self.reads[key] += 1
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def size(self, key):
        return len(self.read(key))


def wanted(root, count):
    return [Picture(f"train/{n}.jpg", root / f"{n}.jpg") for n in range(count)]


def run(root, answers, count=3, workers=2):
    shelf, report = Shelf(answers), DownloadReport(wanted=count)
    download_pictures(wanted(root, count), [shelf] * workers, QUICK, report)
    return shelf, report


def test_pictures_come_whole(tmp_path):
    _, report = run(tmp_path, {}, count=50, workers=7)
    assert len(report.whole) == 50
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {JPEG}


def test_a_fault_is_tried_again(tmp_path):
    fault = TransientError("reset")
    shelf, report = run(tmp_path, {"train/1.jpg": [fault, JPEG[:-99], JPEG]})
    assert shelf.reads == {"train/0.jpg": 1, "train/1.jpg": 3, "train/2.jpg": 1}
    assert len(report.whole) == 3


def test_what_is_missing_is_reported_at_once(tmp_path):
    shelf, report = run(tmp_path, {"train/1.jpg": MissingError("404")})
    assert report.missing == {"train/1.jpg": "404"}
    assert shelf.reads["train/1.jpg"] == 1
    assert report.whole == {"train/0.jpg", "train/2.jpg"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.jpg", "2.jpg"]


def test_the_same_damage_twice_is_the_sources_own(tmp_path):
    shelf, report = run(tmp_path, {"train/1.jpg": JPEG[:-99]})
    assert "damaged at its source: image file is truncated" in report.missing["train/1.jpg"]
    assert shelf.reads["train/1.jpg"] == 2


def test_what_does_not_come_is_reported_as_failed(tmp_path):
    _, report = run(tmp_path, {"train/1.jpg": TransientError("no answer")})
    assert report.failed == {"train/1.jpg": "no answer (tried 3 times)"}
    assert report.stopped is None


def test_a_source_out_of_reach_ends_it(tmp_path):
    answers = {f"train/{n}.jpg": TransientError("no answer") for n in range(1000)}
    _, report = run(tmp_path, answers, count=1000)
    assert isinstance(report.stopped, DownloadError)
    assert "the last 20 pictures failed, so did no answer" in str(report.stopped)
    assert len(report.failed) == 20


def test_a_full_disk_ends_it_and_leaves_no_half(tmp_path):
    part_path(tmp_path / "1.jpg").symlink_to("/dev/full")
    _, report = run(tmp_path, {}, workers=1)
    assert f"{tmp_path}/1.jpg was not written: no space left" in str(report.stopped)
    assert {path.name for path in tmp_path.iterdir()} <= {"0.jpg", "2.jpg"}


class SlowShelf(Shelf):
    """Takes a while for each picture, so that others are still to come when one is there."""

    def read(self, key):
        time.sleep(0.02)
        return super().read(key)


def test_ctrl_c_ends_it_with_whole_pictures(tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    report = DownloadReport()
    download_pictures(wanted(tmp_path, 200), [SlowShelf({})] * 4, QUICK, report, interrupt)
    assert isinstance(report.stopped, KeyboardInterrupt)
    assert len(report.whole) == 1
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {JPEG}
    assert len(list(tmp_path.iterdir())) < 200


def test_ctrl_c_does_not_wait_for_a_source_that_hangs(tmp_path):
    release = threading.Event()

    class Hanging(Shelf):
        def read(self, key):
            if key == "train/1.jpg":
                release.wait(30)
            return JPEG

    def interrupt():
        raise KeyboardInterrupt

    begin = time.monotonic()
    download_pictures(wanted(tmp_path, 3), [Hanging({})] * 2, QUICK, DownloadReport(), interrupt)
    release.set()
    assert time.monotonic() - begin < 20


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_bug_in_a_thread_is_not_lost(tmp_path):
    with pytest.raises(RuntimeError, match="broke down"):
        run(tmp_path, {"train/0.jpg": KeyError("bug"), "train/1.jpg": KeyError("bug")})


def test_halves_are_not_there_but_nothing_is_removed_before_a_whole_one_comes(tmp_path):
    pictures = wanted(tmp_path, 4)
    pictures[0].path.write_bytes(JPEG)
    pictures[1].path.write_bytes(JPEG[:-99])
    pictures[2].path.write_text("notes")
    part_path(pictures[3].path).write_bytes(JPEG[:9])
    here, absent = split_by_presence(pictures)
    assert here == pictures[:1]
    assert absent == pictures[1:]
    assert len(list(tmp_path.iterdir())) == 4
    _, report = run(tmp_path, {"train/2.jpg": MissingError("404")}, count=4)
    assert report.missing == {"train/2.jpg": "404"}
    assert pictures[2].path.read_text() == "notes"
    assert [p.path.read_bytes() == JPEG for p in pictures] == [True, True, False, True]
    assert len(list(tmp_path.iterdir())) == 4


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "0.jpg")
    assert split_by_presence(wanted(tmp_path, 1)) == ([], wanted(tmp_path, 1))


def test_a_place_that_cannot_be_written_is_left_alone(tmp_path):
    part = part_path(tmp_path / "1.jpg")
    part.mkdir()
    (part / "notes").write_text("mine")
    _, report = run(tmp_path, {}, workers=1)
    assert isinstance(report.stopped, IsADirectoryError)
    assert (part / "notes").read_text() == "mine"


def test_mean_size_leaves_missing_pictures_out(tmp_path):
    pictures = wanted(tmp_path, 3)
    answers = {"train/0.jpg": b"1234", "train/1.jpg": MissingError("404"), "train/2.jpg": b"12"}
    assert mean_size(pictures, Shelf(answers), QUICK) == 3.0
    gone = {picture.key: MissingError("404") for picture in pictures}
    assert mean_size(pictures, Shelf(gone), QUICK) is None


def test_mean_size_tells_a_bad_picture_from_a_source_out_of_reach(tmp_path):
    pictures, fault = wanted(tmp_path, 3), TransientError("no answer")
    assert mean_size(pictures, Shelf({"train/0.jpg": fault, "train/2.jpg": b"12"}), QUICK) > 0
    assert mean_size(pictures[:1], Shelf({"train/0.jpg": fault}), QUICK) is None
    shelf = Shelf({picture.key: fault for picture in pictures})
    with pytest.raises(DownloadError, match="no answer"):
        mean_size(pictures, shelf, QUICK)
    assert shelf.reads == {"train/0.jpg": 3, "train/1.jpg": 1}
