"""train_ssd.py as a test runs it: in its own process, which stays as it was."""

from __future__ import annotations

import contextlib
import io

import pytest
import torch

import train_ssd


@pytest.fixture(autouse=True, scope="module")
def as_before(tmp_path_factory):
    """Put back what a script may set for its whole process: environment, random state."""
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng(devices=[]):
        patch.setenv("OMP_WAIT_POLICY", "PASSIVE")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def run(line, *words):
    """Run the script as from a shell; return what it logs."""
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        train_ssd.main(train_ssd.parse_args([*line.split(), *map(str, words)]))
    return log.getvalue()
