"""Fixtures that several tests share."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

import numpy as np
import pytest

# Two test processes share two cores: threads that wait for each other would only stand in the way.
# Set before anything imports torch, and inherited by the scripts that tests start.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

DATA = Path(__file__).parent / "data"
SHARED = Path(__file__).resolve().parents[2] / "shared"


@contextlib.contextmanager
def logging_as_before():
    """Put back what a script sets for its whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    logging.getLogger("vision.datasets.opening").setLevel(logging.NOTSET)  # see check_dataset.py


@pytest.fixture(autouse=True, scope="module")
def logging_of_a_module():
    """Undo what the scripts do to logging that a module's own fixtures run."""
    with logging_as_before():
        yield


@pytest.fixture(autouse=True)
def logging_of_a_test():
    """Undo what a test's scripts do to logging."""
    with logging_as_before():
        yield


@pytest.fixture
def golden():
    """Return a function that loads one of the reference files in tests/data by name."""
    return lambda name: np.load(DATA / name)


@pytest.fixture
def real_datasets() -> Path:
    """Return the folder of real annotated pictures; skip where it is not there, but never in CI."""
    return _real_folder("datasets")


@pytest.fixture
def real_models() -> Path:
    """Return the folder of trained weights; skip where it is not there, but never in CI."""
    return _real_folder("models")


@pytest.fixture
def real_cases() -> Path:
    """Return the folder of datasets of many kinds; skip where it is not there, but never in CI."""
    return _real_folder("cases")


def _real_folder(name: str) -> Path:
    folder = SHARED / name
    if not folder.is_dir():
        reason = f"needs the real files in {folder}, which are not part of the repository"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
