from __future__ import annotations

import csv
import os

import pytest

from vision.training.model_folder.results import ResultsTable, curve, read_rows


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


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_table_of_a_spreadsheet_in_wide_letters(path, encoding):
    mark = "\ufeff" if encoding == "utf-16-le" else ""
    path.write_bytes((mark + "epoch\tloss\r\n0\t2,5\r\n").encode(encoding))
    assert read_rows(path) == [{"epoch": "0", "loss": "2.5"}]


@pytest.mark.parametrize(
    "text",
    [
        "epoch,loss\n1e999,1\n",
        "epoch,loss\nnan,1\n",
        "epoch,loss\n-1,1\n",
        "epoch,loss\n1e9,1\n",
        "epoch,loss\n0.5,1\n",
        "loss\n1\n",
        "epoch,loss\n0,1e300\n",
        "epoch,loss\n0,\0\n",
        "epoch,loss\n" + "9" * 5000 + ",1\n",
        "epoch,loss\n0,2,5\n",
        'epoch,loss\n0,"' + "1" * 200_000,
    ],
)
def test_numbers_that_no_run_writes_are_named_with_the_file_and_the_line(path, text):
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"results\.csv line \d is no row") as caught:
        read_rows(path)
    assert len(str(caught.value)) < 400


def test_a_pipe_is_no_table(path):
    os.mkfifo(path)
    with pytest.raises(ValueError, match=r"results\.csv must be a file, it is a named pipe"):
        read_rows(path)
