from __future__ import annotations

import itertools
import logging
import sys
from types import SimpleNamespace

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer

from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.training.reports.tensorboard import TensorBoardLog, scalars
from vision.training.steps import Losses
from vision.training.validation import Validation


@pytest.fixture(autouse=True)
def a_second_apart(monkeypatch):
    """Let event files sort by their time: within one second they sort by a number as text."""
    seconds = itertools.count(1_700_000_000)
    clock = SimpleNamespace(time=lambda: float(next(seconds)))
    monkeypatch.setattr(event_file_writer, "time", clock)


RATES = {"base_net": 0.25, "extras": 0.5, "headers": 1.0}


def validation(mean=0.5):
    classes = (ClassResult("cat", 0.5, 2, 1, 0), ClassResult("dog", None, 0, 0, 3))
    return Validation(Losses(3.0, 4.0), AveragePrecisionResult(classes, mean, 0.5, True))


def test_the_tags_are_upstreams():
    assert scalars(Losses(1.0, 2.0), validation(), RATES) == {
        "Loss/train": 3.0,
        "Regression Loss/train": 1.0,
        "Classification Loss/train": 2.0,
        "Loss/val": 7.0,
        "Regression Loss/val": 3.0,
        "Classification Loss/val": 4.0,
        "Mean Average Precision/val": 0.5,
        "Class Average Precision/cat": 0.5,
        "Learning Rate/base_net": 0.25,
        "Learning Rate/extras": 0.5,
        "Learning Rate/headers": 1.0,
    }


def test_what_was_not_measured_is_left_out():
    assert list(scalars(Losses(1.0, 2.0), None, {})) == [
        "Loss/train",
        "Regression Loss/train",
        "Classification Loss/train",
    ]
    assert "Mean Average Precision/val" not in scalars(Losses(1.0, 2.0), validation(None), {})
    without = Validation(Losses(3.0, 4.0), None)
    assert len(scalars(Losses(1.0, 2.0), without, {})) == 6


def points(folder, tag):
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return [(event.step, event.value) for event in accumulator.Scalars(tag)]


def test_a_resumed_run_goes_on_without_doubling(tmp_path):
    log = TensorBoardLog(tmp_path)
    for epoch in range(4):
        log.add_epoch(epoch, Losses(1.0, epoch), None, RATES)
    log.close()
    log = TensorBoardLog(tmp_path, first_epoch=2)
    for epoch in (2, 3, 4):
        log.add_epoch(epoch, Losses(10.0, epoch), validation(), RATES)
    log.close()
    assert points(tmp_path, "Loss/train") == [(0, 1), (1, 2), (2, 12), (3, 13), (4, 14)]
    assert points(tmp_path, "Mean Average Precision/val") == [(2, 0.5), (3, 0.5), (4, 0.5)]


def test_a_new_run_in_an_old_folder_starts_anew(tmp_path):
    for loss in (1.0, 5.0):
        log = TensorBoardLog(tmp_path)
        log.add_epoch(0, Losses(loss, 0.0), None, RATES)
        log.close()
    assert points(tmp_path, "Loss/train") == [(0, 5)]


def test_an_epoch_is_on_disk_before_the_run_ends(tmp_path):
    log = TensorBoardLog(tmp_path)
    log.add_epoch(0, Losses(1.0, 1.0), None, RATES)
    assert points(tmp_path, "Learning Rate/headers") == [(0, 1.0)]
    log.close()


@pytest.mark.parametrize("module", ["tensorboard", "torch.utils.tensorboard"])
def test_without_tensorboard_there_is_one_warning(tmp_path, monkeypatch, caplog, module):
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with caplog.at_level(logging.WARNING):
        log = TensorBoardLog(tmp_path / "tensorboard")
        log.add_epoch(0, Losses(1.0, 1.0), None, RATES)
        log.close()
    assert [record.message[:25] for record in caplog.records] == ["No curves for TensorBoard"]
    assert "pip install tensorboard" in caplog.text
    assert not (tmp_path / "tensorboard").exists()
