from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
import pytest

from vision.training.reports.closing_lines import closing_lines


def rows(precisions, **more):
    return [
        {"epoch": epoch, "mAP": value, "validation loss": 2.0, **more}
        for epoch, value in enumerate(precisions)
    ]


RISING = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.78, 0.8, 0.81, 0.82, 0.82]


def hints(lines):
    return [line for line in lines if line.startswith("Hint: ")]


def test_the_paragraph_of_a_good_run():
    table = rows(RISING)
    table[10].update(
        {
            "AP cat": 0.9,
            "AP dog": "0.74",
            "best threshold": "0.4321",
            "best F1": 0.81,
            "validation pictures": 48,
            "pictures with a detection at 0.5": 45.0,
        }
    )
    assert closing_lines(table, 10, Path("models/fruit"), ["data/fruit"]) == [
        "Best epoch: 10, mAP 0.8200, validation loss 2.0000, kept as models/fruit/best.pth",
        "Average precision: cat 0.9000, dog 0.7400.",
        "Suggested threshold: 0.43, where F1 is 0.81 with NMS; onnx_export.py finds the one for"
        " detectnet.",
        "45 of 48 validation pictures have a detection at 0.5.",
        "Next: python3 eval_ssd.py --model-dir=models/fruit --dataset=data/fruit",
        "      python3 onnx_export.py --model-dir=models/fruit --nms",
    ]


def test_commands_survive_blanks_in_paths():
    folder, data = Path("my models/a'b"), ["data/a b", Path("c")]
    *_, evaluate, export = closing_lines(rows(RISING), 10, folder, data)
    assert shlex.split(evaluate)[2:] == [
        "eval_ssd.py",
        "--model-dir=my models/a'b",
        "--dataset",
        "data/a b",
        "c",
    ]
    assert shlex.split(export)[2:] == ["--model-dir=my models/a'b", "--nms"]


def test_a_short_run_is_called_a_smoke_test():
    lines = closing_lines(rows([0.1, 0.2]), 1, Path("m"), ["d"])
    assert hints(lines) == [
        "Hint: 2 epochs are no more than a smoke test; a detector for use takes 30 or more: "
        "python3 train_ssd.py --model-dir=m --resume --epochs=30"
    ]


@pytest.mark.parametrize(
    ("precisions", "hint"),
    [
        ([0.0] * 12, "stayed below 0.05"),
        ([0.1, 0.3, 0.5, 0.6, 0.6, 0.6] + [0.61] * 6, "has hardly risen since epoch 3"),
        ([epoch / 20 for epoch in range(12)], "still rising; train on: python3 train_ssd.py"),
        ([None] * 11 + [0.5], ""),
        ([None] * 12, ""),
        (RISING, ""),
    ],
)
def test_the_curve_tells_whether_more_epochs_help(precisions, hint):
    found = hints(closing_lines(rows(precisions), 11, Path("m"), ["d"]))
    assert len(found) == bool(hint)
    assert hint in "".join(found)


def test_the_longer_run_is_twice_as_long():
    (hint,) = hints(closing_lines(rows(np.linspace(0.1, 0.6, 12)), 11, Path("m m"), ["d"]))
    assert hint.endswith("--model-dir='m m' --resume --epochs=24")


def test_classes_without_objects_are_named():
    table = rows(RISING, **{"AP cat": 0.8, "AP dog": "", "AP emu": None})
    found = hints(closing_lines(table, 10, Path("m"), ["d"], {"cat": 3, "dog": 0}))
    assert found == [
        "Hint: no training picture shows dog; it cannot be learnt.",
        "Hint: no validation picture shows dog, emu; the mAP says nothing of it.",
    ]


def test_of_many_classes_the_weakest_are_named():
    table = rows(RISING, **{f"AP c{number}": 0.99 - number / 100 for number in range(40)})
    line = closing_lines(table, 10, Path("m"), ["d"])[1]
    assert line.startswith("Weakest of 40 classes: c39 0.6000, c38 0.6100, ")
    assert line.count(",") == 11


def test_a_run_without_precision_is_judged_by_its_loss():
    table = [{"epoch": epoch, "validation loss": 2.5} for epoch in range(12)]
    assert closing_lines(table, 3, Path("m"), ["d"])[:2] == [
        "Best epoch: 3, validation loss 2.5000, kept as m/best.pth",
        "Next: python3 eval_ssd.py --model-dir=m --dataset=d",
    ]


def test_without_a_best_epoch_nothing_is_recommended():
    table = [{"epoch": 0, "validation loss": float("nan")}]
    lines = closing_lines(table, -1, Path("m"), ["d"])
    assert lines == ["No epoch has a finite loss; a smaller --lr may help."]
    assert closing_lines([], -1, Path("m"), []) == ["No epoch was finished."]


def test_a_best_epoch_that_the_table_has_lost_is_still_named():
    lines = closing_lines(rows(RISING)[5:], 3, Path("m"), ["d"])
    assert lines[0] == "Best epoch: 3, kept as m/best.pth"
    assert lines[-1] == "      python3 onnx_export.py --model-dir=m --nms"


def test_a_loss_that_climbs_gets_a_hint():
    table = [{"epoch": e, "training loss": loss} for e, loss in enumerate((4.0, 3.0, 5.5))]
    assert _hint(table) == (
        "the training loss has climbed from 3.00 in epoch 1 to 5.50; train again with a lower --lr."
    )
    table[-1]["training loss"] = 4.4  # noise
    assert "climbed" not in _hint(table)
    table[-1]["training loss"] = "nan"
    assert _hint(table).startswith("1 epoch had no batch with a finite loss; train again")


def _hint(table):
    lines = closing_lines(table, 0, Path("m"), ["d"])
    return next(line for line in lines if line.startswith("Hint: "))[len("Hint: ") :]
