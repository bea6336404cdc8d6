"""Drawn videos, and a camera on loopback that misbehaves as it is told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from vision.pictures.writing import encode_picture
from vision.video.writing import VideoWriter

BOUNDARY = b"--next\r\nContent-Type: image/jpeg\r\n"


def striped(number, size=(96, 64)):
    """Draw the frame of a number: a white bar whose left edge is at 2 * number, on black."""
    width, height = size
    image = np.zeros((height, width, 3), np.uint8)
    image[:, 2 * number : 2 * number + 8] = 255
    return image


def number_of(image):
    """Return which number a frame of `striped` has."""
    return round(float(np.flatnonzero(image[:, :, 0].mean(axis=0) > 127)[0]) / 2)


def write_video(path, count=20, rate=10.0, size=(96, 64)):
    """Write a video of `striped` frames."""
    with VideoWriter(path, rate) as video:
        for number in range(count):
            video.write(striped(number, size))


def jpeg(number, size=(96, 64)):
    """Return a striped frame as a JPEG."""
    return encode_picture(striped(number, size))


def part(data, length=None):
    """Return a JPEG as a part of a stream, with a length that may be wrong."""
    stated = len(data) if length is None else length
    return BOUNDARY + b"Content-Length: %d\r\n\r\n" % stated + data + b"\r\n"


class ScriptedCamera(ThreadingHTTPServer):
    """Answers every request by the next script: bytes are sent, an Event is waited for.

    Attributes:
        scripts: one list for each connection; the last serves all that follow.
        requests: paths asked for.
    """

    daemon_threads = True
    content_type = "multipart/x-mixed-replace; boundary=next"
    password = None  # what the header Authorization has to be

    def __init__(self, scripts):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripts, self.requests = list(scripts), []
        self.closing = threading.Event()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/video"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.path)
        if server.password and self.headers.get("Authorization") != server.password:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        number = min(len(server.requests), len(server.scripts)) - 1
        self.send_response(200)
        self.send_header("Content-Type", server.content_type)
        self.end_headers()
        try:
            for step in server.scripts[number]:
                if isinstance(step, threading.Event):
                    while not (step.wait(0.02) or server.closing.is_set()):
                        pass
                else:
                    self.wfile.write(step)
        except OSError:  # the other side has gone
            pass

    def log_message(self, *_):
        pass


@contextmanager
def camera(*scripts, **settings):
    """Run a ScriptedCamera for the time of a block."""
    server = ScriptedCamera(scripts)
    for name, value in settings.items():
        setattr(server, name, value)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
