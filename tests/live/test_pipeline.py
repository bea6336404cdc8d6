from __future__ import annotations

import threading

import numpy as np
import pytest

from tests.drawing import COLOURS
from tests.live.live_parts import BOXES, Demo, SquareFinder, running, scene, until
from tests.video.cameras import camera, jpeg, number_of, part, write_video
from vision.live.encoder import Result, StreamPicture
from vision.pictures.writing import encode_picture, write_picture
from vision.structures import Detections


def shown(demo):
    newest = demo.pipeline.results.newest()
    return newest and newest.item


def test_what_is_found_and_a_slider_that_acts_on_a_standing_picture(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        result = until(lambda: shown(demo))
        assert result.detections.boxes.tolist() == [list(BOXES["red"]), list(BOXES["green"])]
        demo.settings.change({"threshold": 0.2})
        until(lambda: len(shown(demo).detections) == 3)
        demo.settings.change({"threshold": 0.7, "clustering": 0.9})
        until(lambda: len(shown(demo).detections) == 1)
        assert demo.finder.calls[-1] == (0.7, 0.9)
        demo.settings.change({"hidden": ["red"]})
        until(lambda: shown(demo).settings.hidden)
        assert len(demo.pipeline.shown(shown(demo))) == 0
        assert len(shown(demo).detections) == 1, "hidden ones are counted all the same"


def test_pictures_are_encoded_only_while_someone_watches(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        until(lambda: shown(demo))
        assert demo.pipeline.drawn.slot.newest() is None
        with demo.pipeline.drawn.watching():
            encoded = until(demo.pipeline.drawn.slot.newest)
        assert encoded.item.jpeg[:2] == b"\xff\xd8"
        assert encoded.item.image.shape == (120, 160, 3)


def test_who_comes_to_watch_gets_no_picture_from_before(picture, tmp_path):
    """The last one of an earlier viewer lay there, however old."""
    demo = Demo(picture, tmp_path)  # not begun: what lies in the slots is put there here
    encoder, frame = demo.pipeline.drawn, demo.player._opened.read()
    old, new = (Result(frame, Detections.none(), demo.settings.now, 0.0) for _ in range(2))
    demo.pipeline.results.put(old)
    encoder.slot.put(StreamPicture(old, frame.image, Detections.none(), b"", 0.0))
    with encoder.watching():
        assert encoder.slot.newest().item.result is old, "a picture that stands is still the newest"
    demo.pipeline.results.put(new)
    with encoder.watching():
        assert encoder.slot.newest() is None


def test_a_wide_picture_is_sent_narrow_with_its_boxes(tmp_path):
    write_picture(tmp_path / "wide.png", np.repeat(np.repeat(scene(), 4, 0), 4, 1))
    with running(tmp_path / "wide.png", tmp_path, SquareFinder(), width=320) as demo:
        with demo.pipeline.drawn.watching(), demo.pipeline.plain.watching():
            drawn = until(demo.pipeline.drawn.slot.newest).item
            plain = until(demo.pipeline.plain.slot.newest).item
        assert demo.pipeline.draw(drawn.result).shape == (480, 640, 3)
    for one in (drawn, plain):
        assert one.image.shape == (240, 320, 3)
        assert one.detections.boxes[0].tolist() == [2 * value for value in BOXES["red"]]
    assert plain.image[60, 40].tolist() == list(COLOURS["red"]), "nothing is drawn at the corner"
    assert drawn.image[60, 40].tolist() != list(COLOURS["red"])


def test_pictures_of_a_folder_one_by_one(tmp_path):
    for number in range(3):
        write_picture(tmp_path / "s" / f"{number}.png", np.full((8, 8, 3), 40 * number, np.uint8))
    (tmp_path / "s" / "1.png").write_bytes(b"damaged")
    with running(tmp_path / "s", tmp_path) as demo:
        until(lambda: shown(demo) and shown(demo).frame.name == "0.png")
        demo.player.step(-1)
        until(lambda: shown(demo).frame.name == "2.png")
        demo.player.step(-1)
        until(lambda: "1.png" in demo.player.state.message)
        assert shown(demo).frame.name == "2.png"
        demo.player.step(-1)
        until(lambda: shown(demo).frame.name == "0.png")


@pytest.mark.parametrize("by", [1.0, True, None, "1"])
def test_a_step_is_a_whole_number_of_pictures(picture, tmp_path, by):
    with running(picture, tmp_path) as demo, pytest.raises(ValueError, match="whole number"):
        demo.player.step(by)


def test_a_video_ends_or_begins_again(tmp_path):
    clip = tmp_path / "clip.avi"
    write_video(clip, count=5, rate=100.0)
    with running(clip, tmp_path, repeat=False) as demo:
        until(lambda: demo.pipeline.over)
        assert demo.player.state.message == "The video has ended."
        assert demo.player.meter.count == 5
    with running(clip, tmp_path) as demo:
        until(lambda: demo.player.meter.count > 12)
        assert not demo.pipeline.over


def test_a_video_that_is_gone_when_it_begins_again_has_failed_and_not_ended(tmp_path):
    clip = tmp_path / "clip.avi"
    write_video(clip, count=5, rate=100.0)
    with running(clip, tmp_path) as demo:
        clip.unlink()
        until(lambda: demo.pipeline.over)
        source = demo.ask("/api/state")[1]["source"]
        assert (source["phase"], str(clip) in source["message"]) == ("failed", True)


def test_a_slow_detector_gets_the_newest_frame_and_no_queue(tmp_path):
    more = [threading.Event() for _ in range(2)]
    steps = [part(jpeg(0)), more[0], *(part(jpeg(number)) for number in range(1, 20)), more[1]]
    let_go, seen = threading.Event(), []

    class SlowFinder(SquareFinder):
        def find(self, image, threshold=None, clustering=None):
            seen.append(number_of(image))
            if len(seen) == 1:
                let_go.wait(20)
            return super().find(image)

    with camera(steps) as server, running(server.address, tmp_path, SlowFinder()) as demo:
        until(lambda: seen == [0])
        more[0].set()
        until(lambda: number_of(demo.player.slot.newest().item.image) == 19)
        let_go.set()
        until(lambda: seen[-1] == 19)
        assert seen == [0, 19], "what came meanwhile was dropped"


def test_a_lost_camera_is_opened_again(tmp_path):
    back = threading.Event()
    scripts = [part(jpeg(1))], [part(jpeg(2)), back]
    with camera(*scripts) as server, running(server.address, tmp_path) as demo:
        until(lambda: shown(demo) and number_of(shown(demo).frame.image) == 2)
        assert demo.player.state.phase == "playing"
        assert len(server.requests) >= 2
        server.scripts.append([])
        back.set()
        until(lambda: demo.player.state.phase == "lost")
        assert "closed the connection" in demo.player.state.message
        assert number_of(shown(demo).frame.image) == 2, "the last picture stays"


def test_a_paused_camera_is_read_on_but_not_shown(tmp_path):
    go = [threading.Event() for _ in range(2)]
    steps = [part(jpeg(1)), go[0], part(jpeg(2)), part(jpeg(3)), go[1], part(jpeg(4))]
    with camera([*steps, threading.Event()]) as server, running(server.address, tmp_path) as demo:
        until(lambda: shown(demo))
        demo.settings.change({"paused": True})
        go[0].set()
        until(lambda: demo.player._last_seen)
        assert number_of(shown(demo).frame.image) == 1
        demo.settings.change({"paused": False})
        go[1].set()
        until(lambda: number_of(shown(demo).frame.image) == 4)


def test_a_detector_that_fails_ends_the_demo_and_is_named(picture, tmp_path):
    class BrokenFinder(SquareFinder):
        def find(self, image, threshold=None, clustering=None):
            raise RuntimeError("no memory left")

    demo = Demo(picture, tmp_path, BrokenFinder())
    demo.pipeline.start()
    until(lambda: demo.pipeline.failure)
    assert "no memory left" in str(demo.pipeline.failure)
    assert demo.pipeline.stop()


def test_several_videos_are_refused(tmp_path):
    for name in ("a.avi", "b.avi"):
        write_video(tmp_path / name, count=1)
    with pytest.raises(ValueError, match="one video or camera"):
        Demo(tmp_path, tmp_path)


def test_a_silent_camera_is_told(tmp_path, monkeypatch):
    from vision.live import player

    monkeypatch.setattr(player, "SILENT_AFTER", 0.0)
    steps = [part(jpeg(1)), threading.Event()]
    with camera(steps) as server, running(server.address, tmp_path) as demo:
        until(lambda: demo.player.silence() > 0)
        assert demo.ask("/api/state")[1]["source"]["phase"] == "stalled"


def test_a_jpeg_is_what_was_drawn(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo, demo.pipeline.drawn.watching():
        encoded = until(demo.pipeline.drawn.slot.newest).item
    assert encoded.jpeg == encode_picture(encoded.image, quality=80)
