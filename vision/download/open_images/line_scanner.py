"""Read annotation files of millions of lines: blocks of bytes in, columns of numbers out."""

from __future__ import annotations

import re
import threading
from itertools import count
from pathlib import Path
from typing import NamedTuple, Sequence

import numpy as np

# Bit n of a line's flags says whether the line has FLAGS[n].
FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction")
FIRST_OF_RUN = np.uint8(1 << 7)
BLOCK_BYTES = 4 << 20  # bytes
LONGEST_LINE = 1 << 15  # bytes

# Only "," and "\n" have byte values <= ord(","), so one comparison finds both.
COMMA, LINE_END = ord(","), ord("\n")
NO_PLAIN_FIELDS = "there are quotes, blanks or Windows line ends"
NOT_PLAIN_BYTES = re.compile(rb"[\x00-\x2b]")  # the others that the comparison finds
WORD = 8  # bytes
PIECE = 2 * WORD  # 16 bytes at once cost no more than 8: neither load is aligned
SLOT_BITS = 18  # the table of labels has 2**18 slots
# It is odd, so that multiplying by it, or by a power of it, loses nothing modulo 2**64.
MULTIPLIER = 0x9E3779B97F4A7C15
# OWN_BITS[n + 1] keeps the first n bytes of a word. The index is a distance between separators,
# which is one more than the number of bytes between them.
OWN_BITS = np.array([0, *(256**n - 1 for n in range(WORD + 1))], np.uint64)


class NotPlainError(ValueError):
    """A field has characters that the scanner takes for its end."""


def column_names(header: bytes) -> list[str]:
    """Return the names of the columns in the first line of a file."""
    return header.decode("utf-8-sig").strip().split(",")


class LineBlock(NamedTuple):
    """The lines that begin in one block of a file.

    Attributes:
        codes: (lines,) uint16, place of the label in the list given, or that list's length.
        flags: (lines,) uint8, bits of `FLAGS`, and `FIRST_OF_RUN` where the picture changes.
        lengths: (lines,) uint16, bytes, with the line end.
        runs: (runs,) uint64, fingerprint of the picture of each run of lines.
    """

    codes: np.ndarray
    flags: np.ndarray
    lengths: np.ndarray
    runs: np.ndarray


class LineScanner:
    """Turns blocks of an annotation file into columns; threads may share one.

    Raises:
        NotPlainError: if the header has quotes, blanks or Windows line ends.
        ValueError: if the file does not have the columns of Open Images.
    """

    def __init__(self, path: Path, label_ids: Sequence[str]) -> None:
        self.path = path
        with path.open("rb") as file:
            self.header = file.readline(LONGEST_LINE)
        self.columns = column_names(self.header)
        names = {name.strip('" ') for name in self.columns}
        missing = [name for name in ("ImageID", "LabelName", *FLAGS) if name not in names]
        if missing:
            raise ValueError(f"{path} must have the columns {', '.join(missing)}; remove the file")
        if NOT_PLAIN_BYTES.search(self.header.rstrip(b"\n")):
            raise NotPlainError(f"{path}, line 1: {NO_PLAIN_FIELDS}")
        self.labels = _LabelCodes(label_ids)
        self.memory = _BlockMemory()

    def offsets(self) -> range:
        """Return where the blocks of the file begin."""
        return range(len(self.header), self.path.stat().st_size, BLOCK_BYTES)

    def scan(self, offset: int) -> LineBlock:
        """Return the lines that begin in the BLOCK_BYTES bytes from `offset`.

        Raises:
            NotPlainError: if a field has quotes, blanks or Windows line ends.
            ValueError: if a line is too long, or does not have as many fields as the header.
        """
        padded = self._lines_from(offset)
        text = padded[:-LONGEST_LINE]
        separators = np.flatnonzero(np.less_equal(text, COMMA, out=self.memory.marks[: len(text)]))
        width = len(self.columns)
        if len(separators) % width != 1 or (text[separators[::width]] != LINE_END).any():
            raise self._complaint()
        lengths = np.diff(separators[::width])
        if lengths.max(initial=0) > LONGEST_LINE:
            raise self._too_long()
        fields = _Fields(padded, separators, width)
        images = fields.fingerprints(self.columns.index("ImageID"))
        first_of_run = np.ones(len(images), bool)
        first_of_run[1:] = images[1:] != images[:-1]
        flags = first_of_run * FIRST_OF_RUN
        for bit, name in enumerate(FLAGS):
            flags |= fields.is_one(self.columns.index(name)).view(np.uint8) << np.uint8(bit)
        return LineBlock(
            codes=self.labels.look_up(fields.fingerprints(self.columns.index("LabelName"))),
            flags=flags,
            lengths=lengths.astype(np.uint16),
            runs=images[first_of_run],
        )

    def _lines_from(self, offset: int) -> np.ndarray:
        """Read the whole lines that begin in a block, uint8.

        One line end stands before them, and LONGEST_LINE bytes of anything after them.
        """
        data, text = self.memory.data, self.memory.text
        with self.path.open("rb") as file:
            # From the byte before: if that is a line end, a line begins at `offset` itself.
            file.seek(offset - 1)
            length = file.readinto(memoryview(data)[: BLOCK_BYTES + LONGEST_LINE])
        end = data.find(b"\n", BLOCK_BYTES, length)
        if length < BLOCK_BYTES + LONGEST_LINE and end < 0:
            end = len(data[:length].rstrip(b"\n"))
            data[end] = LINE_END
        begin = data.find(b"\n", 0, max(length, end + 1))
        if begin < 0 or end < 0:
            raise self._too_long()
        return text[begin : end + 1 + LONGEST_LINE]

    def _too_long(self) -> ValueError:
        return ValueError(f"{self.path} has a line of more than {LONGEST_LINE} bytes")

    def _complaint(self) -> ValueError:
        """Return what is wrong with the first bad line; this is slow, but done after a failure."""
        width = len(self.columns)
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                where = f"{self.path}, line {number}"
                if NOT_PLAIN_BYTES.search(line.rstrip(b"\n")):
                    return NotPlainError(f"{where}: {NO_PLAIN_FIELDS}")
                fields = line.count(b",") + 1
                if fields != width:
                    return ValueError(f"{where}: {fields} fields, {width} in the header")
        return ValueError(f"{self.path} has changed while it was read; run this again")


class _BlockMemory(threading.local):
    """The memory of one thread, used for every block: to allocate it takes longer than to read.

    Attributes:
        data: bytes of the file.
        text: the same bytes, (bytes,) uint8.
        marks: (bytes,) bool.
    """

    def __init__(self) -> None:
        self.data = bytearray(BLOCK_BYTES + 1 + 2 * LONGEST_LINE)
        self.text = np.frombuffer(self.data, np.uint8)
        self.marks = np.empty(len(self.data), bool)


class _Fields:
    """Where the fields of some lines lie in their text.

    Attributes:
        before, after: (lines, columns) int64, places of the separators around each field.
        text: (bytes,) uint8, shifted by one: text[place of a separator] is the byte after it.
        pieces: the same, but PIECE bytes at each place.
    """

    def __init__(self, padded: np.ndarray, separators: np.ndarray, width: int) -> None:
        self.before = separators[:-1].reshape(-1, width)
        self.after = separators[1:].reshape(-1, width)
        self.text = padded[1:]
        count = len(self.text) - PIECE + 1
        self.pieces = np.ndarray((count,), f"V{PIECE}", self.text, strides=(1,))

    def is_one(self, column: int) -> np.ndarray:
        """Return whether a column's fields begin with the digit 1, (lines,) bool."""
        return self.text[self.before[:, column]] == ord("1")

    def fingerprints(self, column: int) -> np.ndarray:
        """Return a number for each field of a column, (lines,) uint64; equal text, equal number."""
        before = self.before[:, column]
        span = self.after[:, column] - before
        longest = int(span.max(initial=1)) - 1
        if (span == span[:1]).all():
            span = span[:1]  # image ids are of one length as a rule; one value is broadcast
        sums = np.zeros(len(before), np.uint64)
        for place in range(0, longest, PIECE):
            words = self.pieces[place:][before].view("<u8").reshape(-1, 2)
            for word, start in zip(words.T, (place, place + WORD)):
                factor = np.uint64(pow(MULTIPLIER, start // WORD + 1, 2**64))
                sums += (word & OWN_BITS.take(span - start, mode="clip")) * factor
        return sums


class _LabelCodes:
    """A hash table from fingerprints of labels to their places in a list."""

    def __init__(self, label_ids: Sequence[str]) -> None:
        text = ",".join(["", *label_ids, " " * LONGEST_LINE])
        padded = np.frombuffer(text.encode(), np.uint8)
        known = _Fields(padded, np.flatnonzero(padded == COMMA), 1).fingerprints(0)
        self.known = np.append(known, np.uint64(0))
        # The first multiplier that gives each label a slot of its own.
        self.multiplier = next(
            odd
            for odd in map(np.uint64, count(MULTIPLIER, 2))
            if len(np.unique(_slots(known, odd))) == len(known)
        )
        self.codes = np.full(1 << SLOT_BITS, len(label_ids), np.uint16)
        self.codes[_slots(known, self.multiplier)] = np.arange(len(label_ids))

    def look_up(self, fingerprints: np.ndarray) -> np.ndarray:
        """Return the place of each label in the list, or the list's length, (lines,) uint16."""
        codes = self.codes[_slots(fingerprints, self.multiplier)]
        codes[self.known.take(codes) != fingerprints] = len(self.known) - 1
        return codes


def _slots(fingerprints: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    # NumPy indexes with int64 twice as fast as with uint64.
    return ((fingerprints * multiplier) >> np.uint64(64 - SLOT_BITS)).view(np.int64)
