"""The README's own command lines, on a few drawn pictures."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.documents import README, ROOT, SCRIPTS, text_of
from tests.drawing import write_open_images

# What makes a tutorial line quick: a small net from random weights, one epoch.
QUICK = "--net mb3-small-ssd-lite --resolution 96 --pretrained-ssd none --epochs 1 --workers 0"


def tutorial():
    """Return the words of each command line of the section on a detector of one's own."""
    section = text_of(README).split("## Your own detector")[1].split("\n## ")[0]
    section = section.replace("\\\n", " ")
    return [shlex.split(line) for line in re.findall(r"^python3 (\S+\.py .*)$", section, re.M)]


@pytest.mark.slow
def test_the_tutorial_runs_from_top_to_bottom(tmp_path):
    write_open_images(tmp_path / "data" / "fruit")
    picture = next((tmp_path / "data" / "fruit" / "test").iterdir())
    picture.replace(tmp_path / f"my-picture{picture.suffix}")
    extra = {"train_ssd.py": QUICK.split()}
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    lines = [line for line in tutorial() if line[0] != "open_images_downloader.py"]
    assert [line[0] for line in lines] == [
        "train_ssd.py", "eval_ssd.py", "run_ssd_example.py", "onnx_export.py"
    ]  # fmt: skip
    for script, *words in lines:
        words = [word.replace("my-picture.jpg", f"my-picture{picture.suffix}") for word in words]
        command = [sys.executable, str(ROOT / script), *words, *extra.get(script, [])]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    models = tmp_path / "models" / "fruit"
    assert {"labels.txt", "best.pth", "last.pth", "mb3-small-ssd-lite.onnx", "evaluation"} <= {
        path.name for path in models.iterdir()
    }
    assert (models / "evaluation" / "report.html").is_file()
    assert (tmp_path / "run_ssd_example_output.jpg").is_file()


def test_every_script_is_in_the_readme():
    for script in SCRIPTS:
        assert f"`{script}.py`" in text_of(README)


def test_the_readme_is_short():
    assert len(text_of(README).splitlines()) <= 110
