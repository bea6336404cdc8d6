from __future__ import annotations

import logging
import re

import pytest

from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.training.reports.log_lines import log_epoch, log_precision, log_step
from vision.training.reports.progress_bar import Throughput
from vision.training.steps import Losses

LOSSES = Losses(regression=1.25, classification=2.5)


@pytest.fixture
def logged(caplog):
    caplog.set_level(logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


def test_upstreams_words(logged):
    log_step(3, 10, 120, LOSSES)
    log_epoch(3, "Validation", LOSSES)
    assert logged() == [
        "Epoch: 3, Step: 10/120, Avg Loss: 3.7500, "
        "Avg Regression Loss 1.2500, Avg Classification Loss: 2.5000",
        "Epoch: 3, Validation Loss: 3.7500, "
        "Validation Regression Loss 1.2500, Validation Classification Loss: 2.5000",
    ]


def test_a_pattern_that_people_parse_logs_with(logged):
    log_epoch(0, "Training", LOSSES, Throughput(20.0, 0.25, 9.0))
    (line,) = logged()
    found = re.match(r"Epoch: (\d+), (?:Training|Validation) Loss: ([\d.]+)", line)
    assert (int(found.group(1)), float(found.group(2))) == (0, 3.75)
    assert line.endswith(", 20.0 pictures/s, 25% of the time waiting for data")


def test_precision_of_every_class_and_the_mean(logged):
    classes = (ClassResult("apple", 0.5, 4, 2, 1), ClassResult("pear", None, 0, 0, 3))
    log_precision(7, AveragePrecisionResult(classes, 0.5, 0.5, True))
    log_precision(7, AveragePrecisionResult((), None, 0.5, True))
    log_precision(7, None)
    assert logged() == [
        "    apple: 0.5000",
        "    pear: n/a",
        "Epoch: 7, Mean Average Precision: 0.5000",
        "Epoch: 7, Mean Average Precision: n/a",
    ]
