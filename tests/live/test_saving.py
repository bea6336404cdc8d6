from __future__ import annotations

import shutil
import time
from datetime import datetime

import numpy as np
import pytest

from tests.live.live_parts import Demo, SquareFinder, running, scene, until
from tests.pictures.test_drawing import of_colour
from vision.live import saving
from vision.live.saving import Budget, Keeper, LimitReachedError
from vision.pictures.reading import read_picture
from vision.pictures.writing import write_picture
from vision.video.opencv_capture import open_file


def test_a_snapshot_has_the_full_size_and_the_boxes(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        until(demo.pipeline.results.newest)
        demo.keeper._now = lambda: datetime(2024, 5, 6, 12, 0, 7)
        status, answer = demo.ask("/api/snapshot", {})
        again = demo.ask("/api/snapshot", {})[1]
        assert (status, answer["name"]) == (200, "snapshot-20240506-120007.jpg")
        assert again["name"] == "snapshot-20240506-120007-2.jpg"
        assert again["saved"] == [answer["name"], again["name"]]
        drawn = read_picture(demo.keeper.folder / answer["name"])
        assert drawn.shape == scene().shape
        assert np.abs(drawn.astype(int) - scene()).max() > 50
        content = demo.ask(f"/saved/{answer['name']}")[1]
        assert content == (demo.keeper.folder / answer["name"]).read_bytes()


def test_a_recording_is_a_video_of_what_was_shown(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        state = demo.ask("/api/record", {"on": True})[1]
        name = state["recording"]
        assert name.endswith(".mp4")
        assert demo.ask("/api/record", {"on": True})[1]["recording"] == name, "it goes on"
        until(demo.pipeline.drawn.slot.newest)
        demo.settings.change({"threshold": 0.2})
        until(lambda: len(demo.pipeline.drawn.slot.newest().item.result.detections) == 3)
        until(lambda: demo.keeper._thread.is_alive())
        state = demo.ask("/api/record", {"on": False})[1]
        assert (state["recording"], state["saved"]) == ("", [name])
        video = open_file(str(demo.keeper.folder / name))
        assert video.read().image.shape == scene().shape
        assert demo.ask("/api/record", {"on": False})[0] == 200, "twice does no harm"


def test_a_recording_of_a_picture_that_stood_before_begins_now(tmp_path):
    """What had stood until the recording began was at its beginning, for up to five seconds."""
    for number in range(2):
        write_picture(tmp_path / "s" / f"{number}.png", np.full((48, 64, 3), 90 * number, np.uint8))
    with running(tmp_path / "s", tmp_path) as demo:
        first = until(demo.pipeline.results.newest).item.frame
        object.__setattr__(first, "captured", first.captured - 3600)
        demo.ask("/api/record", {"on": True})
        begun = time.monotonic()
        until(demo.pipeline.drawn.slot.newest)
        demo.player.step(1)
        until(lambda: demo.pipeline.drawn.slot.newest().item.result.frame.name == "1.png")
        time.sleep(0.3)  # the recorder looks at least every 0.2 seconds
        demo.ask("/api/record", {"on": False})
        longest = time.monotonic() - begun
        video = open_file(str(demo.keeper.folder / demo.keeper.names[0]))
        assert video.frames <= longest * saving.RECORDING_RATE + 2


def test_nothing_is_saved_beyond_the_limit(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder(), limit=1000) as demo:
        until(demo.pipeline.results.newest)
        status, answer = demo.ask("/api/snapshot", {})
        assert (status, answer["error"][:26]) == (400, "this run has saved 0.00 GB")
        assert not demo.keeper.folder.exists()


def test_a_recording_ends_at_the_limit_and_stays(tmp_path, monkeypatch):
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    for number in range(2):
        write_picture(tmp_path / "source" / f"{number}.png", noise)
    with running(tmp_path / "source", tmp_path, SquareFinder(), limit=50_000) as demo:
        monkeypatch.setattr(saving, "RECORDING_RATE", 500.0)
        demo.ask("/api/record", {"on": True})

        def ended():
            demo.player.step(1)
            return demo.keeper.message

        until(ended, "the limit")
        until(lambda: not demo.keeper.recording)
        assert demo.keeper.message.startswith("The recording was ended: this run has saved")
        assert len(demo.keeper.names) == 1
        assert (demo.keeper.folder / demo.keeper.names[0]).is_file()


def test_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(saving, "LEFT_FREE", 1 << 60)
    with pytest.raises(LimitReachedError, match="make room"):
        Budget(100).take(1, tmp_path / "not" / "there" / "yet")


def test_what_was_not_written_does_not_count(picture, tmp_path):
    """Ten saves that failed counted as ten pictures, until nothing more might be saved."""
    labels = tmp_path / "labels"
    labels.mkdir()
    (tmp_path / "kept").write_text("a file where the folder should be")
    (labels / "JPEGImages").write_text("likewise")
    with running(picture, tmp_path, SquareFinder(), labels=labels) as demo:
        until(demo.pipeline.results.newest)
        assert demo.ask("/api/snapshot", {})[0] == 500
        key = demo.ask("/api/labels/freeze", {})[1]["key"]
        body = {"key": key, "objects": [], "part": "train"}
        assert demo.ask("/api/labels/save", body)[0] == 500
        assert demo.budget.written == 0
        (labels / "JPEGImages").unlink()
        (labels / "ImageSets").write_text("here the lists should be")
        assert demo.ask("/api/labels/save", body)[0] == 500
        assert demo.budget.written == 0
        (labels / "ImageSets").unlink()
        assert demo.ask("/api/labels/save", body)[0] == 200
        assert demo.budget.written > 0


def test_the_disk_that_is_written_to_must_have_room(picture, tmp_path, monkeypatch):
    """While labelling, that of the label folder alone was looked at."""
    labels, real = tmp_path / "labels", shutil.disk_usage

    def usage(path):
        return real(path)._replace(free=0 if path == tmp_path / "kept" else 1 << 40)

    monkeypatch.setattr(saving.shutil, "disk_usage", usage)
    (tmp_path / "kept").mkdir()
    with running(picture, tmp_path, SquareFinder(), labels=labels) as demo:
        until(demo.pipeline.results.newest)
        for path, body in (("/api/snapshot", {}), ("/api/record", {"on": True})):
            status, answer = demo.ask(path, body)
            assert (status, "kept is full; make room" in answer["error"]) == (400, True)
        key = demo.ask("/api/labels/freeze", {})[1]["key"]
        body = {"key": key, "objects": [], "part": "train"}
        assert demo.ask("/api/labels/save", body)[0] == 200
        assert demo.ask("/api/state")[1]["bytes"]["written"] > 0, "one limit for both"


def test_files_of_earlier_runs_are_not_replaced(picture, tmp_path):
    demo = Demo(picture, tmp_path, SquareFinder())
    (tmp_path / "snapshot-20240506-120007.jpg").write_bytes(b"old")
    keeper = Keeper(demo.pipeline, tmp_path, Budget(10**6), lambda: datetime(2024, 5, 6, 12, 0, 7))
    frame = demo.player._opened.read()
    result = type("R", (), {})()
    result.frame, result.detections = frame, demo.finder.find(frame.image)
    assert keeper.snapshot(result) == "snapshot-20240506-120007-2.jpg"
    assert (tmp_path / "snapshot-20240506-120007.jpg").read_bytes() == b"old"
    rows, _ = of_colour(demo.pipeline.draw(result), 1)
    assert len(rows)
