from __future__ import annotations

import ctypes
import logging
import platform
import subprocess
import sys

import pytest
import torch

from vision.utils.device import keep_freed_memory, select_device


@pytest.mark.parametrize("use_cuda", [True, False])
def test_without_a_gpu_it_is_the_cpu(use_cuda, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with caplog.at_level(logging.INFO):
        assert select_device(use_cuda) == torch.device("cpu")
    assert "Using the CPU" in caplog.text


def test_a_gpu_is_taken_if_wanted(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Orin")
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with caplog.at_level(logging.INFO):
        assert select_device() == torch.device("cuda:0")
    assert "Using CUDA... (Orin)" in caplog.text
    assert select_device(use_cuda=False) == torch.device("cpu")


COUNTS_FAULTS = """
import resource
import torch
from vision.utils.device import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000)  # 40 MB, or 9,800 pages
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = min(faults() for _ in range(8))
assert keep_freed_memory()
for _ in range(32):  # glibc 2.36 takes new memory for the first eight or so
    faults()
print(given_back, max(faults() for _ in range(8)))
"""


def has_new_glibc():
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(map(int, version.split("."))) >= (2, 35)


@pytest.mark.skipif(not has_new_glibc(), reason="needs glibc 2.35, which keeps blocks of 40 MB")
def test_large_blocks_are_kept_for_the_next_layer():
    done = subprocess.run(
        [sys.executable, "-c", COUNTS_FAULTS], check=True, capture_output=True, text=True
    )
    given_back, kept = map(int, done.stdout.split())
    # With huge pages a block has fewer faults; memory that was kept has none.
    assert kept < 10 < given_back


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not keep_freed_memory()
