from __future__ import annotations

import pickle

import numpy as np
import pytest

from vision.datasets.index.arrays import StringTable, blocks, gather, join_offsets, join_tables

STRINGS = ["", "a", "two words", "Äpfel", "", "bad \udcff byte"]


def test_a_string_table_gives_back_what_it_was_made_of():
    table = StringTable.from_strings(STRINGS)
    assert len(table) == 6
    assert list(table) == STRINGS
    assert table[-1] == table[5]


def test_an_empty_string_table():
    table = StringTable.from_strings([])
    assert list(table) == list(join_tables([table, table])) == []
    with pytest.raises(IndexError, match="less than 0, got 0"):
        table[0]


def test_select_and_join():
    table = StringTable.from_strings(STRINGS)
    chosen = table.select(np.array([3, 0, 3]))
    assert list(chosen) == ["Äpfel", "", "Äpfel"]
    assert list(join_tables([chosen, table])) == ["Äpfel", "", "Äpfel", *STRINGS]


def test_gather_takes_rows_in_any_order():
    values, offsets = np.arange(6) * 10, np.array([0, 2, 2, 3, 6])
    assert gather(values, offsets, np.array([3, 1, 0])).tolist() == [30, 40, 50, 0, 10]
    assert gather(values, offsets, np.array([], dtype=np.int64)).tolist() == []


def test_gather_over_several_blocks():
    offsets = np.arange(0, 300_002, 2)
    values = np.arange(300_000)
    rows = np.arange(150_000)[::-1]
    expected = values.reshape(-1, 2)[::-1].ravel()
    assert (gather(values, offsets, rows) == expected).all()


def test_join_offsets():
    assert join_offsets([np.array([0, 2]), np.array([0]), np.array([0, 0, 5])]).tolist() == [
        *(0, 2, 2, 7)
    ]


def test_blocks_cover_everything_once():
    assert list(blocks(5, at_once=2)) == [(0, 2), (2, 4), (4, 5)]
    assert list(blocks(0)) == []


def test_pickling_moves_the_arrays_to_shared_memory_once():
    table = StringTable.from_strings(STRINGS)
    first = pickle.loads(pickle.dumps(table))
    blob = table.blob
    second = pickle.loads(pickle.dumps(table))
    assert list(first) == list(second) == list(table) == STRINGS
    assert table.blob is blob
    assert all(tensor.is_shared() for tensor in table.__dict__["_tensors"].values())
