from __future__ import annotations

import subprocess
import sys

import pytest

from vision.datasets.formats import DATASETS


def test_importing_the_readers_loads_nothing_heavy():
    heavy = {"torch", "cv2", "pandas", "defusedxml"}
    code = f"import sys, vision.datasets.opening; print({heavy} & set(sys.modules))"
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout == "set()\n"


@pytest.mark.parametrize("kind", DATASETS)
def test_every_reader_says_what_it_looks_for(kind, tmp_path):
    assert DATASETS[kind].layout
    assert DATASETS[kind].numbered_by in ("object", "line", "picture")
    assert not DATASETS[kind].detect(tmp_path)
