from __future__ import annotations

import logging

import pytest
import torch

from vision.utils.device import select_device


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
