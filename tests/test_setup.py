"""What `make setup` installs beside what a Jetson brings with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# A Python that knows only what lies in `lib`, and whose pip does nothing.
PYTHON = """\
#!/bin/sh
if [ "$2" = pip ]; then exit 0; fi
PYTHONPATH={lib} exec {python} -S "$@"
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("torch", "is_kept"),
    [(None, False), ("2.0.0+nv23.05", False), ("2.1.0a0+41361538.nv23.06", True), ("2.9.1", True)],
)
def test_a_torch_that_will_do_is_kept_with_its_torchvision(tmp_path, torch, is_kept):
    lib, python = tmp_path / "lib", tmp_path / ".venv" / "bin" / "python"
    lib.mkdir()
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON.format(lib=lib, python=sys.executable))
    python.chmod(0o755)
    if torch:
        (lib / "torch.py").write_text(f"__version__ = {torch!r}\n")
        (lib / "cv2.py").touch()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["make", "-s", "setup"], cwd=tmp_path, check=True)
    needed = (tmp_path / ".venv" / "needed.txt").read_text()
    assert ("torch>=" in needed, "torchvision>=" in needed) == (not is_kept, not is_kept)
    assert ("opencv-python>=" in needed) == (torch is None)
    assert "numpy>=" in needed
