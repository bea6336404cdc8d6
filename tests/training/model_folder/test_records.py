from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from vision.training.model_folder.records import (
    ResultsTable,
    delete_old_checkpoints,
    tool_versions,
    write_json,
)


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results.csv"


def test_a_row_an_epoch(path):
    table = ResultsTable(path)
    table.add({"epoch": 0, "loss": 2.5})
    assert read(path) == [{"epoch": "0", "loss": "2.5"}]
    table.add({"epoch": 1, "loss": 2.0, "AP traffic light, red": 0.5})
    table.add({"epoch": 2, "AP traffic light, red": None})
    assert read(path) == [
        {"epoch": "0", "loss": "2.5", "AP traffic light, red": ""},
        {"epoch": "1", "loss": "2.0", "AP traffic light, red": "0.5"},
        {"epoch": "2", "loss": "", "AP traffic light, red": ""},
    ]


def test_a_resumed_run_replaces_the_epochs_that_it_runs_again(path):
    first = ResultsTable(path)
    for epoch in range(4):
        first.add({"epoch": epoch, "loss": 10 + epoch})
    second = ResultsTable(path)
    second.continue_until(2)
    second.add({"epoch": 2, "loss": 99})
    assert [(row["epoch"], row["loss"]) for row in read(path)] == [
        ("0", "10"),
        ("1", "11"),
        ("2", "99"),
    ]


def test_there_may_be_no_table_to_continue(path):
    table = ResultsTable(path)
    table.continue_until(5)
    table.add({"epoch": 5})
    assert read(path) == [{"epoch": "5"}]


def test_the_oldest_checkpoints_go(tmp_path):
    written = []
    for number in range(5):
        written.append(tmp_path / f"{number}.pth")
        written[-1].write_bytes(b"weights")
    (tmp_path / "0.pth").unlink()  # by the user, meanwhile
    delete_old_checkpoints(written, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3.pth", "4.pth"]
    assert [path.name for path in written] == ["3.pth", "4.pth"]
    delete_old_checkpoints(written, 9)
    assert len(list(tmp_path.iterdir())) == 2


def test_json_of_what_json_has_and_text_of_the_rest(tmp_path):
    write_json(tmp_path / "args.json", {"lr": None, "folder": Path("a/b"), "betas": [0.9, 0.999]})
    text = (tmp_path / "args.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"lr": None, "folder": str(Path("a/b")), "betas": [0.9, 0.999]}


def test_versions_are_plain_text():
    versions = tool_versions()
    assert list(versions) == ["python", "torch", "numpy", "opencv"]
    assert all(type(version) is str for version in versions.values())
