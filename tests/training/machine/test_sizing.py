from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch

from vision.training.machine import sizing
from vision.training.machine.machine import GB, Machine
from vision.training.machine.sizing import (
    Room,
    choose_batch_size,
    choose_sizes,
    choose_workers,
    picture_need,
    read_room,
    shared,
)
from vision.training.options import TrainOptions

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")
MB = GB // 1000


@pytest.mark.parametrize(
    ("cores", "memory", "free", "on_gpu", "expected"),
    [
        (4, 2 * GB, 1 * GB, True, 0),  # Jetson Nano with 2 GB
        (4, 4 * GB, 2 * GB, True, 1),  # Jetson Nano with 4 GB
        (1, 4 * GB, 2 * GB, True, 0),
        (6, 8 * GB, 6 * GB, True, 5),  # Jetson Orin Nano
        (6, 8 * GB, 3 * GB, True, 3),
        (6, 8 * GB, 1 * GB - 1, True, 0),
        (64, 256 * GB, 200 * GB, True, 16),
        (64, 256 * GB, 200 * GB, False, 2),
        (2, 8 * GB, 6 * GB, False, 1),
        (1, 8 * GB, 6 * GB, False, 0),
        (8, None, None, True, 7),
    ],
)
def test_workers(cores, memory, free, on_gpu, expected):
    assert choose_workers(Machine(cores, memory, free), on_gpu)[0] == expected


@pytest.mark.parametrize(
    ("free", "is_gpu", "pictures", "expected"),
    [
        (100 * GB, True, 10_000, 32),
        (100 * GB, False, 10_000, 8),
        (100 * GB, True, 128, 16),
        (100 * GB, True, 100, 8),
        (100 * GB, True, 3, 2),
        (100 * GB, True, 0, 2),
        (1600 * MB, True, 10_000, 8),  # 11.2 pictures fit
        (1100 * MB, True, 10_000, 4),
        (1 * MB, True, 10_000, 2),
        (-GB, True, 10_000, 2),
        (None, False, 10_000, 4),
        (None, True, 10, 2),
    ],
)
def test_batch_size(free, is_gpu, pictures, expected):
    assert choose_batch_size(Room("free", free, is_gpu), 100 * MB, pictures)[0] == expected


def test_reasons():
    assert choose_workers(Machine(8, 16 * GB, 12 * GB), False)[1] == "8 cores"
    assert choose_workers(Machine(4, 4 * GB, 2 * GB), True)[1] == "4.0 GB of memory in all"
    assert choose_workers(Machine(8, 16 * GB, 2 * GB), True)[1] == "2.0 GB of memory free"
    room = Room("free on Orin", 2 * GB, is_gpu=True)
    assert choose_batch_size(room, 200 * MB, 1000)[1] == "2.0 GB free on Orin, 0.20 GB a picture"
    assert choose_batch_size(room, 1 * MB, 80)[1] == "80 pictures to train on"


def test_the_need_of_a_picture():
    need = picture_need("mb3-small-ssd-lite", 300)
    assert 20 * MB < need < 200 * MB
    assert 3 * need < picture_need("mb3-small-ssd-lite", 600) < 5 * need
    assert need < picture_need("mb1-ssd", 300) < picture_need("mb2-ssd-lite", 300)


def test_what_is_kept_is_what_a_real_step_keeps():
    from vision.ssd import create_net

    def kept(pictures):
        storages = {}

        def keep(tensor):
            storages[tensor.untyped_storage().data_ptr()] = tensor
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = net(torch.rand(pictures, 3, 64, 64))
        assert outputs[0].requires_grad
        return sum(tensor.untyped_storage().nbytes() for tensor in storages.values())

    net = create_net("mb3-small-ssd-lite", num_classes=21, resolution=64).train()
    assert picture_need("mb3-small-ssd-lite", 64) == pytest.approx(kept(4) - kept(2), rel=0.02)


def test_the_memory_of_a_gpu(monkeypatch):
    def gpu(is_integrated):
        properties = SimpleNamespace(name="Orin", is_integrated=is_integrated)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)

    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3 * GB, 8 * GB))
    machine = Machine(6, 8 * GB, 6 * GB)
    gpu(is_integrated=0)
    assert read_room(CUDA, machine, 2) == Room("free on Orin", 2 * GB, is_gpu=True)
    gpu(is_integrated=1)  # shares the system's memory with two workers
    assert read_room(CUDA, machine, 2) == Room("free on Orin", 4 * GB, is_gpu=True)
    assert read_room(CPU, machine, 2) == Room("free", 5 * GB, is_gpu=False)
    assert read_room(CPU, Machine(6, None, None), 2).free is None


def test_several_trainings_on_one_machine_share_it():
    assert shared(Machine(9, 64 * GB, 32 * GB), 4) == Machine(2, 64 * GB, 8 * GB)
    assert shared(Machine(1, None, None), 2) == Machine(1, None, None)


def chosen(batch_size, workers, pictures):
    options = TrainOptions(batch_size=batch_size, num_workers=workers)
    return choose_sizes(options, pictures, CPU)


def test_numbers_are_taken_as_they_are(monkeypatch, caplog):
    monkeypatch.setattr(sizing, "read_machine", None)  # nothing is asked
    with caplog.at_level(logging.INFO):
        assert chosen(6, 3, 1000) == (6, 3)
    assert not caplog.records


def test_one_line_says_what_was_chosen(monkeypatch, caplog):
    monkeypatch.setattr(sizing, "read_machine", lambda: Machine(4, 16 * GB, 12 * GB))
    with caplog.at_level(logging.INFO):
        assert chosen("auto", "auto", 1000) == (8, 2)
        assert chosen("auto", 0, 20) == (2, 0)
        assert chosen(5, "auto", 20) == (5, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "Chosen: --workers=2 (4 cores), --batch-size=8 (more is no faster)",
        "Chosen: --batch-size=2 (20 pictures to train on)",
        "Chosen: --workers=2 (4 cores)",
    ]


def test_a_resumed_run_repeats_what_was_chosen():
    saved = {"batch_size": 16, "num_workers": 3}
    options = TrainOptions.resumed(saved, {"batch_size": "auto", "num_workers": 1})
    assert (options.batch_size, options.num_workers) == (16, 1)
    assert TrainOptions.resumed({}, {"batch_size": "auto"}).batch_size == "auto"


def test_a_run_from_before_an_option_goes_on_without_it():
    assert TrainOptions.resumed({}, {}).object_balance == 0.0
    assert TrainOptions.resumed({"object_balance": 0.25}, {}).object_balance == 0.25
    assert TrainOptions.resumed({}, {"object_balance": 1.0}).object_balance == 1.0
    assert TrainOptions.resumed({}, {}).assignment == "overlap"
    assert TrainOptions.resumed({}, {"assignment": "aligned"}).assignment == "aligned"
