from __future__ import annotations

import csv

import pytest

from vision.training.model_folder.results import ResultsTable, curve


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


SPREADSHEET = "\ufeffepoch;training loss;AP red\r\n0;2,5;0,25\r\n1.0;;\r\n;;\r\n"


def test_a_table_that_a_spreadsheet_has_saved_goes_on(path):
    path.write_text(SPREADSHEET, encoding="utf-8")
    table = ResultsTable(path)
    table.continue_until(9)
    assert table.rows == [
        {"epoch": "0", "training loss": "2.5", "AP red": "0.25"},
        {"epoch": "1", "training loss": "", "AP red": ""},
    ]
    assert curve(table.rows, "training loss") == ([0], [2.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n0,1\nx,2\n", "line 3 is no row"),
        ("epoch,loss\n0,low\n", "line 2 is no row"),
        ("epoch,loss\n0\n", "line 2 is no row .* must have 2 values, got 1"),
        ("epoch,loss\n,1\n", "line 2 is no row .* no number of an epoch"),
        ("loss\n1\n", "line 2 is no row"),
        ("epoch,loss\nnan,1\n", "line 2 is no row"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(path, text, message):
    path.write_text(text)
    with pytest.raises(ValueError, match=f"results.csv {message}"):
        ResultsTable(path).continue_until(9)


def test_a_file_that_is_none_has_no_rows(path):
    path.write_bytes(b"\xff\x00\xfe")
    table = ResultsTable(path)
    table.continue_until(9)
    assert table.rows == []
