from __future__ import annotations

import numpy as np
import pytest

from vision.datasets.files import tables
from vision.datasets.files.tables import numbered_rows, read_blocks, read_column_names
from vision.datasets.files.values import to_number

HEADER = "id,name,x,y\n"


@pytest.fixture
def read(tmp_path):
    def read_text(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text.encode(encoding))
        blocks = list(read_blocks(path, ("name", "id"), ("y", "x")))
        if not blocks:
            return [], [], []
        names = [name for block in blocks for name in block.texts[0]]
        numbers = np.concatenate([block.numbers for block in blocks])
        return names, numbers.tolist(), np.concatenate([block.lines for block in blocks]).tolist()

    return read_text


def test_columns_come_in_the_order_asked_for(read):
    assert read(HEADER + "a,cat,1,2\nb,dog,3,4.5\n") == (
        ["cat", "dog"],
        [[2, 1], [4.5, 3]],
        [2, 3],
    )


def test_an_empty_table(read):
    assert read(HEADER) == ([], [], [])
    assert read("note," + HEADER) == ([], [], [])


def test_names_that_look_like_nothing_are_names(read):
    names, numbers, _ = read(HEADER + "a,NA,1,2\nb,None,3,4\nc,,5,6\n")
    assert names == ["NA", "None", ""]
    assert numbers == [[2, 1], [4, 3], [6, 5]]


def test_decimal_commas(read):
    assert read(HEADER + 'a,cat,"0,25","0,5"\n')[1] == [[0.5, 0.25]]


def test_byte_order_mark_and_blanks_in_the_header(read):
    assert read("id , name,x, y\na,cat,1,2\n", encoding="utf-8-sig")[0] == ["cat"]


def test_a_cell_that_is_no_number_costs_that_cell(read, monkeypatch):
    monkeypatch.setattr(tables, "TABLE_ROWS_AT_ONCE", 2)
    rows = "a,cat,1,2\nb,dog,3,4\nc,cow,5,6\nd,pig,x,8\n\ne,hen,,10\nf,ape\ng,bat,11,12,13\n"
    names, numbers, lines = read(HEADER + rows)
    assert names == ["cat", "dog", "cow", "pig", "hen", "ape", "bat"]
    assert numbers[:3] == [[2, 1], [4, 3], [6, 5]]
    assert np.isnan(numbers[3:6]).tolist() == [[False, True], [False, True], [True, True]]
    assert numbers[6] == [12, 11]
    assert lines == [2, 3, 4, 5, 7, 8, 9]


@pytest.mark.parametrize("rows_before", [0, 5, 5000])
@pytest.mark.parametrize("encoding", ["cp1252", "utf-16"])
def test_what_is_in_another_code_is_refused_with_its_line(
    tmp_path, monkeypatch, rows_before, encoding
):
    monkeypatch.setattr(tables, "TABLE_ROWS_AT_ONCE", 2)
    path = tmp_path / "table.csv"
    text = (HEADER + "a,cat,1,2\n" * rows_before + "ä,Käse,1,2\n").encode(encoding)
    path.write_bytes(text[:-1] if encoding == "utf-16" else text + b"b,dog,3,4\n")
    message = rf'table\.csv:{rows_before + 2}: must be UTF-8 text; save it as "CSV UTF-8"'
    with pytest.raises(ValueError, match=message):
        list(read_blocks(path, ("name",), ("x",)))


def test_another_code_behind_a_cell_that_is_no_number_is_refused_too(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(
        HEADER.encode() + b"a,cat,one,2\n" + b"b,dog,1,2\n" * 5000 + b"a,K\xe4se,1,2\n"
    )
    with pytest.raises(ValueError, match=r"table\.csv:5003: must be UTF-8"):
        list(read_blocks(path, ("name",), ("x",)))


def test_a_missing_column_is_named(read):
    with pytest.raises(ValueError, match=r"table\.csv must have .*; x not found among id, name, y"):
        read("id,name,y\na,cat,1\n")


def test_an_empty_file_is_refused(tmp_path):
    (tmp_path / "table.csv").touch()
    with pytest.raises(ValueError, match="must begin with a line of column names"):
        read_column_names(tmp_path / "table.csv")


@pytest.mark.parametrize("rows_after", [0, 3, 20_000])
@pytest.mark.parametrize("closed", [False, True])
def test_a_cell_over_several_lines_is_refused_with_its_first_line(tmp_path, rows_after, closed):
    """All lines up to the next quote would be one cell, and their boxes be lost without a word."""
    path = tmp_path / "table.csv"
    rest = "c,dog,1,2\n" * rows_after
    path.write_text(
        HEADER + 'a,cat,1,2\nb,"cat,1,2\n' + "c,dog,3,4\n" + 'd",cow,5,6\n' * closed + rest
    )
    message = r"table\.csv:3: not CSV: .*; close the quote that is open there, or take the line"
    with pytest.raises(ValueError, match=message):
        list(read_blocks(path, ("name",), ("x",)))
    with pytest.raises(ValueError, match=message):
        list(numbered_rows(path))


def test_quotes_inside_of_a_line_are_sound(read):
    rows = 'a,19" rack,1,2\nb,"a ""cat""",3,4\n'
    assert read(HEADER + rows) == (['19" rack', 'a "cat"'], [[2, 1], [4, 3]], [2, 3])


def test_to_number():
    assert (to_number("1.5"), to_number("1,5"), to_number(" 2 ")) == (1.5, 1.5, 2)
    assert np.isnan([to_number(""), to_number("one"), to_number("1,2,3")]).all()
