from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.video.cameras import number_of, write_video
from vision.pictures.reading import PictureError
from vision.pictures.writing import write_picture
from vision.video import opencv_capture
from vision.video.frames import SourceError
from vision.video.grammar import parse_sources
from vision.video.opencv_capture import csi_pipeline, open_camera, open_csi, open_file, to_rgb
from vision.video.opening import PictureFrames, open_source
from vision.video.writing import VideoWriter


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_every_frame_of_a_file_with_its_time(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_video(path, count=20, rate=10.0)
    video = open_source(parse_sources([str(path)])[0])
    assert (video.live, video.rate, video.frames) == (False, 10.0, 20)
    frames = list(iter(video.read, None))
    video.close()
    assert [frame.number for frame in frames] == list(range(20))
    assert [number_of(frame.image) for frame in frames] == list(range(20))
    assert [frame.seconds for frame in frames] == pytest.approx(
        [n / 10 for n in range(20)], abs=0.01
    )
    assert frames[0].image.shape == (64, 96, 3)
    assert video.read() is None, "and nothing after the end"


@pytest.mark.parametrize("content", [b"", b"no video", "half"])
def test_a_file_that_is_no_video(tmp_path, content):
    path = tmp_path / "clip.mp4"
    if content == "half":
        write_video(path)
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"clip\.mp4 is damaged"):
        open_file(str(path))
    source = parse_sources([str(path)])[0]
    path.unlink()
    with pytest.raises(FileNotFoundError, match="no video"):
        open_source(source)


def read_all(path):
    video = open_file(str(path))
    count = len(list(iter(video.read, None)))
    video.close()
    return count, video.fault


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".mp4"])
def test_a_file_with_a_hole_goes_on_behind_it(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_noise(path)
    assert read_all(path) == (100, "")
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[half : half + 6000] = bytes(6000)
    path.write_bytes(data)
    count, fault = read_all(path)
    assert 90 < count < 100
    if suffix != ".mkv":  # its number of frames is a guess, and it goes on to the end
        assert bool(fault) == (count < 97)


@pytest.mark.parametrize("suffix", [".avi", ".mkv"])
def test_a_file_that_is_cut_short_says_so(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    write_noise(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    count, fault = read_all(path)
    assert 20 < count < 60
    assert f"clip{suffix} gave {count} of the 100 frames it states; it is damaged" in fault


def write_noise(path):
    pictures = np.random.default_rng(0)
    with VideoWriter(path, 25.0) as video:
        for _ in range(100):
            video.write(pictures.integers(0, 255, (120, 160, 3), np.uint8))


class Scripted:
    """A capture of a file that states 100 frames at 25 a second; True reads one, False none."""

    def __init__(self, script, step=40.0):
        self.script, self.step, self.place = script, step, -step
        self.stated = {cv2.CAP_PROP_FPS: 25.0, cv2.CAP_PROP_FRAME_COUNT: 100.0}

    def get(self, what):
        return self.place if what == cv2.CAP_PROP_POS_MSEC else self.stated[what]

    def read(self):
        taken = self.script.pop(0) if self.script else False
        self.place += self.step
        return taken, np.zeros((4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("script", "step", "is_whole"),
    [
        ([True] * 100, 40.0, True),
        ([True] * 97, 40.0, True),  # a count that was rounded
        ([True] * 96, 40.0, False),
        ([True] * 50, 80.0, True),  # a count that was guessed from a rate of which half is true
        ([True] * 50 + [False] * 2 + [True] * 48, 40.0, True),
        ([True] * 50 + [False] * 20 + [True] * 30, 40.0, False),
    ],
)
def test_which_files_lack_frames(script, step, is_whole):
    count = sum(script)
    video = opencv_capture.OpenCVCapture(Scripted(script, step), "clip", live=False)
    assert len(list(iter(video.read, None))) == count
    assert ("" if is_whole else f"gave {count} of the 100 frames it states") in video.fault
    assert bool(video.fault) != is_whole


def test_no_camera_is_a_sentence():
    with pytest.raises(SourceError, match="no camera /dev/video63"):
        open_camera(63, "/dev/video63", (640, 480), 30.0)


def test_a_jetson_camera_without_gstreamer_is_a_sentence(monkeypatch):
    monkeypatch.setattr(opencv_capture, "has_gstreamer", lambda: False)
    with pytest.raises(ValueError, match="OpenCV with GStreamer"):
        open_csi(0, None, 0.0)


def test_the_pipeline_of_a_jetson_camera():
    pipeline = csi_pipeline(1, (1920, 1080), 29.97)
    assert pipeline.startswith("nvarguscamerasrc sensor-id=1 ! ")
    assert "width=1920, height=1080, framerate=30/1" in pipeline
    assert "appsink drop=true max-buffers=1" in pipeline


def test_any_picture_becomes_rgb():
    assert to_rgb(np.array([[[1, 2, 3]]], np.uint8)).tolist() == [[[3, 2, 1]]]
    assert to_rgb(np.array([[[1, 2, 3, 9]]], np.uint8)).tolist() == [[[3, 2, 1]]]
    assert to_rgb(np.array([[7]], np.uint8)).tolist() == [[[7, 7, 7]]]


class Stopping:
    """A capture that gives two pictures and then none."""

    def __init__(self):
        self.left = 2

    def get(self, _):
        return 0.0

    def read(self):
        self.left -= 1
        return self.left >= 0, np.zeros((4, 4, 3), np.uint8)

    def release(self):
        self.left = 0


def test_a_camera_that_stops_is_lost():
    frames = opencv_capture.OpenCVCapture(Stopping(), "the camera", live=True)
    assert frames.rate == 0.0
    assert [frames.read().number, frames.read().number] == [0, 1]
    with pytest.raises(SourceError, match="the camera gives no picture any more"):
        frames.read()
    nothing = Stopping()
    nothing.left = 0
    with pytest.raises(SourceError, match="opens, but gives no picture"):
        opencv_capture.OpenCVCapture(nothing, "the camera", live=True)


def test_pictures_one_after_another(tmp_path):
    for number in range(3):
        write_picture(tmp_path / f"{number}.png", np.full((4, 4, 3), number, np.uint8))
    (tmp_path / "1.png").write_bytes(b"damaged")
    frames = PictureFrames(parse_sources([str(tmp_path)]))
    assert frames.frames == 3
    assert frames.read().name == "0.png"
    with pytest.raises(PictureError):
        frames.read()
    assert frames.read().image.max() == 2
    assert frames.read() is None
    frames.seek(-1)
    assert frames.read().name == "2.png"
    frames.seek(3)
    assert frames.read().name == "0.png"
