from __future__ import annotations

import pytest

from tests.live.live_parts import scene
from vision.pictures.writing import write_picture


@pytest.fixture
def picture(tmp_path):
    """Return the file of the drawn scene."""
    path = tmp_path / "source" / "scene.png"
    write_picture(path, scene())
    return path
