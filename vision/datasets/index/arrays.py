"""Flat arrays for millions of small objects, which worker processes share."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, Iterable, Iterator, Sequence

import numpy as np

ROWS_AT_ONCE = 1 << 16


class SharedArrays:
    """Base of a frozen dataclass whose NumPy arrays spawned workers share instead of copying.

    Forked workers share them anyway. A spawned worker gets the object pickled, and torch pickles a
    tensor in shared memory as a handle. So the arrays move to shared memory at the first pickling.
    """

    def __getstate__(self) -> dict[str, Any]:
        import torch

        tensors = self.__dict__.setdefault("_tensors", {})
        for name, value in list(self.__dict__.items()):
            if isinstance(value, np.ndarray) and name not in tensors:
                tensors[name] = torch.from_numpy(value).share_memory_()
                self.__dict__[name] = tensors[name].numpy()
        return {**self.__dict__, **tensors}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, tensor in state["_tensors"].items():
            state[name] = tensor.numpy()
        self.__dict__.update(state)


@dataclass(frozen=True, eq=False)
class StringTable(SharedArrays):
    """A sequence of strings in one block of bytes; also of file names that are not UTF-8."""

    blob: np.ndarray  # (L,) uint8, one string after the other
    offsets: np.ndarray  # (N + 1,) int64, where each string starts, and the end

    @classmethod
    def from_strings(cls, strings: Iterable[str]) -> StringTable:
        """Pack the strings, one at a time."""
        blob, offsets = bytearray(), array("q", [0])
        for string in strings:
            blob += string.encode("utf-8", "surrogateescape")
            offsets.append(len(blob))
        return cls(as_array(blob, np.uint8), as_array(offsets, np.int64))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str:
        if not -len(self) <= row < len(self):
            raise IndexError(f"row must be less than {len(self)}, got {row}")
        row %= len(self)
        data = self.blob[self.offsets[row] : self.offsets[row + 1]].tobytes()
        return data.decode("utf-8", "surrogateescape")

    def __iter__(self) -> Iterator[str]:
        data = self.blob.data
        for start, stop in blocks(len(self)):  # Python's numbers take much memory
            ends = self.offsets[start : stop + 1].tolist()
            for begin, end in zip(ends, ends[1:]):
                yield str(data[begin:end], "utf-8", "surrogateescape")

    def select(self, rows: np.ndarray) -> StringTable:
        """Return the strings of the rows (K,) int64."""
        return StringTable(gather(self.blob, self.offsets, rows), offsets_of(self.offsets, rows))


def as_array(buffer: bytearray | array, dtype: type) -> np.ndarray:
    """Return a growable buffer as a NumPy array over the same memory; items keep their size."""
    return np.frombuffer(buffer, dtype=dtype) if buffer else np.empty(0, dtype=dtype)


def join_tables(tables: Sequence[StringTable]) -> StringTable:
    """Join tables, one after the other."""
    blob = np.concatenate([table.blob for table in tables])
    return StringTable(blob, join_offsets([table.offsets for table in tables]))


def join_offsets(offsets: Sequence[np.ndarray]) -> np.ndarray:
    """Return the offsets (N1 + N2 + ... + 1,) of several ragged arrays that are joined."""
    lengths = np.concatenate([np.diff(part) for part in offsets])
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def offsets_of(offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the offsets (K + 1,) of an array made of the rows (K,) of a ragged array."""
    return np.concatenate([[0], np.cumsum(offsets[rows + 1] - offsets[rows])]).astype(np.int64)


def gather(values: np.ndarray, offsets: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the values of the rows (K,) of a ragged array, one row after the other.

    Works block by block: the positions of all bytes at once would take eight times the memory of
    the bytes.
    """
    new_offsets = offsets_of(offsets, rows)
    gathered = np.empty((new_offsets[-1], *values.shape[1:]), dtype=values.dtype)
    for start, stop in blocks(len(rows)):
        first, last = new_offsets[start], new_offsets[stop]
        shifts = offsets[rows[start:stop]] - new_offsets[start:stop]
        lengths = np.diff(new_offsets[start : stop + 1])
        gathered[first:last] = values[np.arange(first, last) + np.repeat(shifts, lengths)]
    return gathered


def blocks(count: int, at_once: int = ROWS_AT_ONCE) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of each block of `count` rows."""
    return ((start, min(start + at_once, count)) for start in range(0, count, at_once))
