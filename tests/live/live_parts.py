"""A detector of drawn squares and a whole demo around it, without any net."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from tests.drawing import CLASS_NAMES, COLOURS
from vision.live.labelling.routes import LabelRoutes
from vision.live.labelling.session import LabelSession
from vision.live.labelling.store import LabelStore
from vision.live.pipeline import Pipeline
from vision.live.player import Player
from vision.live.saving import GIGABYTE, Budget, Keeper
from vision.live.serving.guard import Access
from vision.live.serving.server import LiveServer
from vision.live.serving.streaming import PictureStream
from vision.live.serving.view_routes import ViewRoutes
from vision.live.settings import LiveSettings, SharedSettings
from vision.structures import Detections
from vision.video.grammar import parse_sources

BOXES = {"red": (20, 30, 60, 80), "green": (80, 10, 110, 50), "blue": (100, 70, 150, 110)}
SCORES = {"red": 0.9, "green": 0.6, "blue": 0.3}
PATIENCE = 60.0  # seconds after which a test gives up waiting


def scene(size=(160, 120)):
    """Draw one square of each class at BOXES, (H, W, 3) uint8 RGB."""
    image = np.full((size[1], size[0], 3), 110, np.uint8)
    for name, (x1, y1, x2, y2) in BOXES.items():
        image[y1:y2, x1:x2] = COLOURS[name]
    return image


class SquareFinder:
    """Finds the squares of `scene` by their colour, with SCORES; "clustering" does nothing."""

    threshold = 0.5
    clustering = 0.45
    least_threshold = 0.0
    path = Path("squares.onnx")

    def __init__(self):
        self.class_names = list(CLASS_NAMES)
        self.calls = []

    def find(self, image, threshold=None, clustering=None):
        self.calls.append((threshold, clustering))
        threshold = self.threshold if threshold is None else threshold
        found = []
        for name, score in SCORES.items():
            rows, columns = np.nonzero(np.abs(image.astype(int) - COLOURS[name]).max(axis=2) < 40)
            if len(rows) > 20 and score > threshold:
                box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
                found.append((box, CLASS_NAMES.index(name), score))
        found.sort(key=lambda one: -one[2])
        return Detections(
            np.float32([box for box, _, _ in found]).reshape(-1, 4),
            np.array([label for _, label, _ in found], np.int64),
            np.float32([score for _, _, score in found]),
        )


def until(condition, what="it"):
    """Wait until a condition holds; return its value. The clock only says when to give up."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"{what} did not happen")


class Demo:
    """A running demo and its parts."""

    def __init__(self, source, folder, finder=None, labels=None, access=None, limit=GIGABYTE,
                 repeat=True, width=1280):  # fmt: skip
        self.finder = finder
        names = finder.class_names[1:] if finder else []
        threshold = finder.threshold if finder else 0.5
        self.settings = SharedSettings(LiveSettings(threshold, 0.45), names)
        self.player = Player(parse_sources([str(source)]), self.settings, repeat)
        self.player._retry = (0.01,)
        self.pipeline = Pipeline(self.player, finder, self.settings, width)
        self.budget = Budget(limit)
        self.keeper = Keeper(self.pipeline, Path(folder) / "kept", self.budget)
        self.stream = PictureStream(self.pipeline)
        self.session, routes = None, []
        if labels is not None:
            self.session = LabelSession(self.pipeline, LabelStore(labels, names, self.budget))
            routes = LabelRoutes(self.session).table()
        routes += ViewRoutes(self.pipeline, self.stream, self.keeper, self.session).table()
        self.server = LiveServer(access or Access(port=0), routes)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.port}"

    def ask(self, path, body=None, headers=(), data=None):
        """Send a request; return (status, JSON or bytes)."""
        if body is not None:
            data = json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.address + path, data, {**given, **dict(headers)})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                status, content, kind = answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            status, content, kind = error.code, error.read(), error.headers
        is_json = kind.get_content_type() == "application/json"
        return status, json.loads(content) if is_json else content


@contextmanager
def running(*arguments, **settings):
    """Run a demo for the time of a block."""
    demo = Demo(*arguments, **settings)
    demo.server.start(demo.stream.use)
    demo.pipeline.start()
    try:
        yield demo
    finally:
        demo.keeper.stop_recording()
        demo.stream.close()
        demo.server.stop()
        clean = demo.pipeline.stop()
    assert clean, "a thread did not end"
    assert demo.pipeline.failure is None
