"""From a list of pictures to a folder, a report and an exit status."""

import pytest

from tests.download.pictures import draw_jpeg
from tests.download.transfer.test_pictures import JPEG, QUICK, Shelf, wanted
from vision.download import gather
from vision.download.gather import check_room, conclude, gather_pictures
from vision.download.transfer.pictures import DownloadReport
from vision.download.transfer.retry import DownloadError, MissingError, TransientError


def run(root, answers, count=3):
    opened = []

    def open_sources(number):
        opened.append(number)
        return [Shelf(answers)] * number

    report = gather_pictures(wanted(root, count), open_sources, root, QUICK, workers=2)
    return report, opened


def test_complete(tmp_path):
    report, opened = run(tmp_path / "new", {})
    assert len(report.whole) == report.wanted == 3
    assert opened == [2]
    assert conclude(report) == 0
    assert not (tmp_path / "new" / "missing.txt").exists()


def test_what_is_there_is_not_asked_for(tmp_path):
    (tmp_path / "1.jpg").write_bytes(draw_jpeg(1))
    report, _ = run(tmp_path, {"train/1.jpg": MissingError("404")})
    assert conclude(report) == 0
    report, opened = run(tmp_path, {})
    assert opened == []
    assert len(report.whole) == 3
    assert (tmp_path / "1.jpg").read_bytes() == draw_jpeg(1)


def test_missing_pictures_are_listed_and_do_not_make_it_incomplete(tmp_path, caplog):
    report, _ = run(tmp_path, {"train/1.jpg": MissingError("404"), "train/2.jpg": JPEG[:-99]})
    listed = (tmp_path / "missing.txt").read_text().splitlines()
    assert [text.split("\t")[0] for text in listed] == ["train/1.jpg", "train/2.jpg"]
    assert "Missing: 2 of 3 images" in caplog.text
    assert conclude(report) == 0
    run(tmp_path, {})
    assert not (tmp_path / "missing.txt").exists()


def test_failed_pictures_make_it_incomplete(tmp_path):
    report, _ = run(tmp_path, {"train/1.jpg": TransientError("no answer")}, count=2)
    with pytest.raises(DownloadError, match=r"1 of 2 images did not come .*no answer.*tries them"):
        conclude(report)
    assert "train/1.jpg\tno answer" in (tmp_path / "missing.txt").read_text()


def test_no_picture_at_all_is_a_failure(tmp_path):
    report, _ = run(tmp_path, {f"train/{n}.jpg": MissingError("404") for n in range(3)})
    with pytest.raises(DownloadError, match="none of 3 images is at its place"):
        conclude(report)
    assert conclude(run(tmp_path, {}, count=0)[0]) == 0


def test_interrupted(caplog):
    report = DownloadReport(wanted=9, whole={"a", "b"}, stopped=KeyboardInterrupt())
    assert conclude(report) == 130
    assert "Interrupted: 2 of 9 images are here, all whole" in caplog.text


def test_stopped_by_an_error():
    with pytest.raises(OSError, match="disk full"):
        conclude(DownloadReport(wanted=9, stopped=OSError("disk full")))


def test_room_is_measured_before_the_download(tmp_path, monkeypatch):
    usage = gather.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(gather.shutil, "disk_usage", lambda path: usage._replace(free=10**6))
    check_room(tmp_path, 9, 100_000)
    with pytest.raises(DownloadError, match=r"10 images of 100 kB each \(measured\) need 1 MB"):
        check_room(tmp_path, 10, 100_000)
    with pytest.raises(DownloadError, match="make room or set --max-images"):
        run(tmp_path, {f"train/{n}.jpg": JPEG * 200 for n in range(3)})
    assert list(tmp_path.iterdir()) == []
