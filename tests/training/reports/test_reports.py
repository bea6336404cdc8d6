from __future__ import annotations

import errno
import logging
import multiprocessing

import pytest
import torch

from tests.drawing import write_voc
from vision.checkpoints.description import Description
from vision.datasets.opening import open_datasets
from vision.loading.loaders import EpochLoader, LoaderOptions
from vision.pictures.reading import read_picture
from vision.ssd import NETS
from vision.training.reports.reports import Reports
from vision.transforms import EvalTransform


@pytest.fixture
def begin(tmp_path):
    """Return a function that begins the reports of a run on five pictures, and ends them."""
    write_voc(tmp_path / "data", {"trainval": 5, "test": 1})
    datasets = open_datasets([tmp_path / "data"])
    description = Description("mb1-ssd", tuple(datasets.class_names), NETS["mb1-ssd"].config(80))
    options = LoaderOptions(2, 0, torch.device("cpu"))

    def begin_and_close():
        reports = Reports(tmp_path, description, 0)
        reports.begin(EpochLoader(datasets.train, EvalTransform(80), options), inputs=2)
        reports.close()

    return begin_and_close


def test_the_pictures_of_the_beginning_are_there_when_the_run_is_over(begin, tmp_path):
    begin()
    assert read_picture(tmp_path / "labels.jpg").shape == (1000, 1300, 3)
    assert (tmp_path / "train_batch.jpg").is_file()
    assert len(list((tmp_path / "inputs").iterdir())) == 2


def test_without_memory_for_one_more_process_the_portrait_is_drawn_all_the_same(
    begin, tmp_path, monkeypatch
):
    def fail(process):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr(multiprocessing.Process, "start", fail)
    begin()
    assert (tmp_path / "labels.jpg").is_file()


def test_a_report_that_cannot_be_written_ends_no_run(begin, tmp_path, monkeypatch, caplog):
    for name in ("labels.jpg", "train_batch.jpg"):
        (tmp_path / name).mkdir()
    (tmp_path / "inputs").write_text("a file of mine")
    with caplog.at_level(logging.WARNING):
        begin()
    assert caplog.text.count("A report was not written") >= 2  # the portrait has its own process
