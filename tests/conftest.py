"""Fixtures that several tests share."""

from __future__ import annotations

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


@pytest.fixture(autouse=True)
def usual_log_levels():
    """Let the logger speak again that check_dataset.py silences in its process."""
    yield
    logging.getLogger("vision.datasets.opening").setLevel(logging.NOTSET)


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
