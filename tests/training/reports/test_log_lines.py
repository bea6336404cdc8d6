from __future__ import annotations

import re

from vision.evaluation.average_precision import AveragePrecisionResult, ClassResult
from vision.training.loop import Losses
from vision.training.reports.log_lines import epoch_line, precision_lines, step_line

LOSSES = Losses(regression=1.25, classification=2.5)


def test_upstreams_words():
    assert step_line(3, 10, 120, LOSSES) == (
        "Epoch: 3, Step: 10/120, Avg Loss: 3.7500, "
        "Avg Regression Loss 1.2500, Avg Classification Loss: 2.5000"
    )
    assert epoch_line(3, "Validation", LOSSES) == (
        "Epoch: 3, Validation Loss: 3.7500, "
        "Validation Regression Loss 1.2500, Validation Classification Loss: 2.5000"
    )


def test_a_pattern_that_people_parse_logs_with():
    pattern = r"Epoch: (\d+), (?:Training|Validation) Loss: ([\d.]+)"
    found = re.match(pattern, epoch_line(0, "Training", LOSSES))
    assert (int(found.group(1)), float(found.group(2))) == (0, 3.75)


def test_precision_of_every_class_and_the_mean():
    classes = (ClassResult("apple", 0.5, 4, 2, 1), ClassResult("pear", None, 0, 0, 3))
    result = AveragePrecisionResult(classes, 0.5, 0.5, True)
    assert precision_lines(7, result) == [
        "    apple: 0.5000",
        "    pear: n/a",
        "Epoch: 7, Mean Average Precision: 0.5000",
    ]
    nothing = AveragePrecisionResult((), None, 0.5, True)
    assert precision_lines(7, nothing) == ["Epoch: 7, Mean Average Precision: n/a"]
