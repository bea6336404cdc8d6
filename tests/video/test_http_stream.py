from __future__ import annotations

import base64
import threading

import numpy as np
import pytest

from tests.video.cameras import camera, jpeg, number_of, part
from vision.video import http_stream
from vision.video.frames import SourceError
from vision.video.grammar import parse_sources
from vision.video.http_stream import decode_jpeg
from vision.video.opening import open_source


def opened(server, user=""):
    address = server.address.replace("://", f"://{user}@") if user else server.address
    return open_source(parse_sources([address])[0])


def test_the_pictures_of_a_stream():
    go = [threading.Event() for _ in range(3)]
    script = [step for number in range(3) for step in (part(jpeg(number)), go[number])]
    with camera(script) as server:
        frames = opened(server)
        assert frames.live
        for number in range(3):
            frame = frames.read()
            assert (number_of(frame.image), frame.number) == (number, number)
            assert frame.image.shape == (64, 96, 3)
            go[number].set()
        with pytest.raises(SourceError, match="closed the connection"):
            frames.read()
        frames.close()


def test_who_is_slow_gets_the_newest():
    more, done = threading.Event(), threading.Event()
    many = b"".join(part(jpeg(number)) for number in range(1, 30))
    with camera([part(jpeg(0)), more, many, done]) as server:
        frames = opened(server)
        assert number_of(frames.read().image) == 0
        more.set()
        seen = []
        while not seen or seen[-1] != 29:
            seen.append(number_of(frames.read().image))
        assert len(seen) < 29, "what had come in at once was not looked at one by one"
        frames.close()


def test_half_a_picture_a_wrong_length_and_a_broken_one():
    whole = jpeg(1)
    broken = whole[:100] + b"\x00" * 60 + whole[160:]
    hold = threading.Event()
    steps = [part(whole[:300]), part(jpeg(2), length=3), hold, part(broken), part(jpeg(3)), hold]
    with camera(steps) as server:
        frames = opened(server)
        assert number_of(frames.read().image) == 2
        hold.set()
        assert number_of(frames.read().image) == 3
        assert frames.broken >= 1
        frames.close()


def test_pictures_may_change_their_size():
    go = threading.Event()
    with camera([part(jpeg(1)), go, part(jpeg(2, size=(160, 48))), go]) as server:
        frames = opened(server)
        assert frames.read().image.shape == (64, 96, 3)
        go.set()
        assert frames.read().image.shape == (48, 160, 3)
        frames.close()


def test_a_camera_that_stalls_is_given_up(monkeypatch):
    monkeypatch.setattr(http_stream, "SILENCE_SECONDS", 0.2)
    never = threading.Event()
    with camera([part(jpeg(1)), never]) as server:
        frames = opened(server)
        frames.read()
        with pytest.raises(SourceError, match="was lost: silent"):
            frames.read()
        frames.close()


def test_a_camera_that_sends_noise_for_ever_is_given_up(monkeypatch):
    monkeypatch.setattr(http_stream, "SILENCE_SECONDS", 0.2)
    with camera([part(jpeg(1))] + [b"noise" * 1000] * 100_000) as server:
        frames = opened(server)
        frames.read()
        with pytest.raises(SourceError, match="no whole picture"):
            while True:
                frames.read()
        frames.close()


def test_a_camera_that_is_asked_for_each_picture(monkeypatch):
    monkeypatch.setattr(http_stream, "STILLS_PER_SECOND", 1000.0)
    with camera([jpeg(0)], [jpeg(1)], [jpeg(2)], content_type="image/jpeg") as server:
        frames = opened(server)
        assert [number_of(frames.read().image) for _ in range(3)] == [0, 1, 2]
        frames.close()


def test_user_and_password():
    password = "Basic " + base64.b64encode(b"admin:s/cret").decode()
    with camera([part(jpeg(4))], password=password) as server:
        with pytest.raises(SourceError, match=r"401.*USER:PASSWORD") as failure:
            opened(server)
        frames = opened(server, user="admin:s%2Fcret")
        assert number_of(frames.read().image) == 4
        frames.close()
    assert "cret" not in str(failure.value)


def test_what_is_no_camera():
    with camera([b"<html>"], content_type="text/html") as server:
        with pytest.raises(SourceError, match="is a page, not a picture"):
            opened(server)
        address = server.address
    # Nothing listens there any more.
    with pytest.raises(SourceError, match="does not answer: connection refused"):
        open_source(parse_sources([address])[0])


def test_a_video_behind_an_address_goes_to_opencv(tmp_path):
    from tests.video.cameras import write_video

    write_video(tmp_path / "clip.avi", count=3)
    content = (tmp_path / "clip.avi").read_bytes()
    with camera([content], content_type="video/x-msvideo") as server:
        frames = opened(server)
        assert number_of(frames.read().image) == 0
        frames.close()


def test_bytes_that_are_no_jpeg():
    assert decode_jpeg(b"nothing") is None
    assert np.array_equal(decode_jpeg(jpeg(3)).shape, (64, 96, 3))
