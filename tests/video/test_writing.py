from __future__ import annotations

import resource
import shutil
from contextlib import contextmanager

import numpy as np
import pytest

from tests.video.cameras import number_of, striped
from vision.utils.cli import one_line
from vision.utils.files import is_disk_full
from vision.video.opencv_capture import open_file
from vision.video.writing import CODECS, PacedVideo, VideoWriter


def numbers(path):
    video = open_file(str(path))
    found = [number_of(frame.image) for frame in iter(video.read, None)]
    video.close()
    return found


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "clip.mp4"
    with VideoWriter(path, 12.0) as video:
        for number in range(5):
            video.write(striped(number))
        assert not path.exists()
    assert numbers(path) == [0, 1, 2, 3, 4]
    assert [file.name for file in path.parent.iterdir()] == ["clip.mp4"]


def test_a_failure_leaves_the_old_file(tmp_path):
    path = tmp_path / "clip.avi"
    path.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), VideoWriter(path) as video:
        video.write(striped(1))
        raise ZeroDivisionError
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_interrupted_what_there_is_stays(tmp_path):
    path = tmp_path / "clip.mkv"
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, 5.0) as video:
        video.write(striped(1))
        raise KeyboardInterrupt
    assert numbers(path) == [1]


@contextmanager
def little_room(count):
    """Let no file have more bytes than that, so that writing fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def write_noise(path, count):
    noise = np.random.default_rng(1)
    with VideoWriter(path) as video:
        for _ in range(count):
            video.write(noise.integers(0, 255, (120, 160, 3), dtype=np.uint8))


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("free", [0, 1 << 40])
def test_what_does_not_fit_gets_no_name(tmp_path, suffix, free, monkeypatch):
    path = tmp_path / "new" / f"clip{suffix}"
    usage = shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="was not written: ") as caught, little_room(60_000):
        write_noise(path, 100)
    assert is_disk_full(caught.value) == (free == 0)
    assert one_line(caught.value).startswith(f"{path} was not written: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", CODECS)
@pytest.mark.parametrize("rate", [0.5, 7.3, 29.97, 120.0])
@pytest.mark.parametrize("count", [1, 2, 250])
def test_whatever_is_whole_gets_its_name(tmp_path, suffix, rate, count):
    path = tmp_path / f"clip{suffix}"
    with VideoWriter(path, rate) as video:
        for number in range(count):
            video.write(striped(number % 40))
    assert len(numbers(path)) == count


def test_frames_of_another_size_are_stretched(tmp_path):
    path = tmp_path / "clip.avi"
    with VideoWriter(path) as video:
        video.write(striped(1))
        video.write(np.full((30, 50, 3), 255, np.uint8))
    sizes = [frame.image.shape for frame in iter(open_file(str(path)).read, None)]
    assert sizes == [(64, 96, 3)] * 2


def test_without_a_frame_there_is_no_file(tmp_path):
    with VideoWriter(tmp_path / "clip.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_how_large_a_file_is_by_now(tmp_path):
    noise = np.random.default_rng(1).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    with VideoWriter(tmp_path / "clip.avi") as video:
        assert video.bytes_written == 0
        for _ in range(5):
            video.write(noise)
        assert video.bytes_written > 100_000


def test_an_unknown_format():
    with pytest.raises(ValueError, match=r"written as .mp4.* not as clip.gif"):
        VideoWriter("clip.gif")


def test_frames_at_odd_times_make_an_even_video(tmp_path):
    path = tmp_path / "clip.avi"
    with VideoWriter(path, 10.0) as video:
        paced = PacedVideo(video)
        # At 100.0 s, too soon after it, after half a second, and after one tenth.
        for number, moment in ((1, 100.0), (2, 100.04), (3, 100.5), (4, 100.6)):
            paced.write(striped(number), moment)
        paced.close()
    assert numbers(path) == [2, 2, 2, 2, 2, 3, 4]


def test_a_long_stand_is_cut(tmp_path):
    path = tmp_path / "clip.avi"
    with VideoWriter(path, 2.0) as video:
        paced = PacedVideo(video)
        for number, moment in ((1, 0.0), (2, 10_000.0), (3, 10_000.5)):
            paced.write(striped(number), moment)
        paced.close()
    assert numbers(path) == [1] * 10 + [2, 3]
