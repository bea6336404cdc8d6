from __future__ import annotations

import pytest

from tests.live.live_parts import SquareFinder, running, scene, until
from vision.pictures.writing import write_picture


@pytest.fixture
def picture(tmp_path):
    """Return the file of the drawn scene."""
    path = tmp_path / "source" / "scene.png"
    write_picture(path, scene())
    return path


@pytest.fixture
def demo(picture, tmp_path):
    """Run the demo on the drawn scene, with a folder of labels, until it has found something."""
    with running(picture, tmp_path, SquareFinder(), labels=tmp_path / "labels") as demo:
        until(demo.pipeline.results.newest)
        yield demo
