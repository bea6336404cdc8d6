from __future__ import annotations

import logging
from collections import namedtuple

import pytest
import torch

from vision.training.machine import preflight as module
from vision.training.machine.machine import GB, Machine
from vision.training.machine.preflight import (
    checkpoint_need,
    free_disk,
    machine_line,
    missing_packages,
    preflight,
    versions_line,
)

CPU = torch.device("cpu")
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def lines(tmp_path, caplog, monkeypatch):
    """Return a function that gives the levels and lines with so much disk and such packages."""

    def after(free, missing=()):
        caplog.clear()
        monkeypatch.setattr(module.shutil, "disk_usage", lambda path: Usage(0, 0, free))
        monkeypatch.setattr(
            module, "missing_packages", lambda names: [name for name in names if name in missing]
        )
        with caplog.at_level(logging.INFO):
            preflight(CPU, tmp_path / "models" / "fruit", "mb1-ssd", keep=5)
        return [(record.levelname, record.getMessage()) for record in caplog.records]

    return after


def test_two_lines_where_all_is_well(lines, tmp_path):
    (level, machine), (other, versions) = lines(100 * GB)
    assert (level, other) == ("INFO", "INFO")
    assert machine.endswith(f" GB of memory free, 100.0 GB of disk free at {tmp_path}")
    for name in ("Python 3.", f"torch {torch.__version__}", "NumPy ", "OpenCV ", "torchvision "):
        assert name in versions


def test_too_little_disk(lines):
    *_, (level, warning) = lines(GB // 10)
    assert level == "WARNING"
    assert warning.startswith("0.1 GB of disk are free at ")
    assert "--keep less than 5" in warning


def test_missing_packages_are_said_with_what_installs_them(lines):
    *_, (level, warning) = lines(100 * GB, missing=["onnx"])
    assert level == "WARNING"
    assert warning.startswith("Training works without onnx, ")
    assert warning.endswith("python3 -m pip install onnx")
    *_, (_, warning) = lines(100 * GB, missing=["onnx", "onnxruntime"])
    assert warning.endswith("python3 -m pip install onnx onnxruntime")


def test_versions(monkeypatch):
    def unknown(name):
        raise module.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(
        module, "missing_packages", lambda names: ["onnx"] if "onnx" in names else []
    )
    monkeypatch.setattr(module.metadata, "version", unknown)
    assert versions_line().endswith("onnx missing, onnxruntime of unknown version")


def test_nothing_is_imported_to_see_whether_it_is_there():
    assert missing_packages(["torch", "no_such_package_anywhere"]) == ["no_such_package_anywhere"]


def test_the_machine(monkeypatch):
    line = machine_line(CPU, Machine(4, 16 * GB, 12 * GB + GB // 2))
    assert line == "4 cores, 12.5 of 16.0 GB of memory free"
    assert machine_line(CPU, Machine(1, None, None)) == "1 core"
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * GB, 8 * GB))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Orin")
    line = machine_line(torch.device("cuda:0"), Machine(6, 8 * GB, 4 * GB))
    assert line == "Orin with 3.0 of 8.0 GB free, 6 cores, 4.0 of 8.0 GB of memory free"


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path):
    free, folder = free_disk(tmp_path / "a" / "b")
    assert folder == tmp_path.resolve()
    assert free == pytest.approx(free_disk(tmp_path)[0], abs=1)


def test_the_checkpoints_of_a_net():
    from vision.ssd import create_net

    state = create_net("mb3-small-ssd-lite", 91).state_dict()
    weights = sum(tensor.nbytes for tensor in state.values())
    assert checkpoint_need("mb3-small-ssd-lite", 5) == 18 * weights + 50_000_000
