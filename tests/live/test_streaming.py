from __future__ import annotations

import contextlib
import json
import re
import socket
import urllib.request

import numpy as np
import pytest

from tests.live.live_parts import BOXES, PATIENCE, SquareFinder, running, scene, until
from vision.live.serving import streaming
from vision.pictures.writing import write_picture
from vision.video.http_stream import decode_jpeg, open_http
from vision.video.jpeg_splitter import JpegSplitter
from vision.video.writing import VideoWriter


@pytest.fixture
def clip(tmp_path):
    """Return a video that plays for ever, of which each frame differs."""
    path = tmp_path / "clip.avi"
    with VideoWriter(path, 100.0) as video:
        for number in range(50):
            image = scene()
            image[:10, : 3 * number] = 255
            video.write(image)
    return path


@contextlib.contextmanager
def stalled(demo):
    """Ask for the stream and never read it."""
    with socket.create_connection(("127.0.0.1", demo.server.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        connection.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield connection


def test_parts_say_their_length_and_when_they_were_taken(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        with urllib.request.urlopen(demo.address + "/stream.mjpg", timeout=PATIENCE) as answer:
            assert answer.headers.get_content_type() == "multipart/x-mixed-replace"
            assert answer.headers.get_boundary() == "frame"
            data = b""
            while data.count(b"--frame\r\n") < 2:  # a part is closed at once, not by the next
                data += answer.read1(1 << 16)
        head, _, rest = data.partition(b"\r\n\r\n")
        length = int(re.search(rb"Content-Length: (\d+)", head)[1])
        assert decode_jpeg(rest[:length]).shape == scene().shape
        assert rest[length:] == b"\r\n--frame\r\n"
        assert float(re.search(rb"X-Captured: ([\d.]+)", head)[1]) > 0
        until(lambda: demo.stream.viewers == 0 or demo.settings.change({"paused": True}))


def test_without_boxes_the_head_lists_them(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        with urllib.request.urlopen(demo.address + "/stream.mjpg?boxes=0") as answer:
            data = b""
            while b"\r\n\r\n" not in data:
                data += answer.read1(1 << 16)
        listed = json.loads(re.search(rb"X-Objects: (.*)\r\n", data)[1])
        assert listed == [[*BOXES["red"], 1, 0.9], [*BOXES["green"], 2, 0.6]]
        assert demo.pipeline.drawn.slot.newest() is None, "no one asked for drawn ones"


def test_a_stalled_viewer_holds_up_no_one(clip, tmp_path):
    with running(clip, tmp_path, SquareFinder()) as demo, stalled(demo):
        until(lambda: demo.stream.viewers == 1)
        splitter, seen = JpegSplitter(), 0
        with urllib.request.urlopen(demo.address + "/stream.mjpg", timeout=PATIENCE) as answer:
            before = demo.pipeline.meters["detect"].count
            while seen < 100:
                seen += len(list(splitter.feed(answer.read1(1 << 16))))
            assert demo.stream.viewers == 2
        assert demo.pipeline.meters["detect"].count - before >= 50


def test_one_that_has_stalled_for_long_is_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "STALL_SECONDS", 0.1)
    monkeypatch.setattr(streaming, "SEND_BUFFER", 1 << 12)
    monkeypatch.setattr(streaming, "REPEAT_SECONDS", 0.01)
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), dtype=np.uint8)
    write_picture(tmp_path / "noise.png", noise)
    with running(tmp_path / "noise.png", tmp_path) as demo, stalled(demo):
        until(lambda: demo.pipeline.drawn.slot.newest())
        until(lambda: demo.stream.viewers == 0, "the end of the stalled viewer")


def test_a_standing_picture_is_sent_again(picture, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "REPEAT_SECONDS", 0.01)
    with running(picture, tmp_path, SquareFinder()) as demo:
        camera = open_http(demo.address + "/stream.mjpg", "the demo")
        first, second = camera.read(), camera.read()
        assert first.image.tolist() == second.image.tolist()
        camera.close()


def test_the_demo_is_a_source_for_the_demo(clip, tmp_path):
    with running(clip, tmp_path, SquareFinder()) as first:
        address = first.address + "/stream.mjpg"
        with running(address, tmp_path, SquareFinder()) as second:
            found = until(lambda: second.pipeline.results.newest())
            assert found.item.frame.image.shape == scene().shape


def test_one_picture_as_it_is_shown(picture, tmp_path):
    with running(picture, tmp_path, SquareFinder()) as demo:
        until(demo.pipeline.results.newest)
        status, data = demo.ask("/picture.jpg")
        assert status == 200
        assert decode_jpeg(data).shape == scene().shape
