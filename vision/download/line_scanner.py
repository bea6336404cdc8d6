"""Reads lines of an annotation file by the million: blocks of bytes in, columns of numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Sequence

import numpy as np

# A bit for each, in this order, in the flags of a line.
FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
FIRST_OF_RUN = np.uint8(1 << 7)
BLOCK = 2 << 20  # bytes
LONGEST_LINE = 1 << 15  # bytes

# Nothing in these files but the comma and the line end is as small as the comma.
COMMA, LINE_END = ord(","), ord("\n")
WORD = 8  # bytes
SLOT_BITS = 18
# Odd numbers with many bits: multiplying by one loses nothing modulo 2**64.
MULTIPLIERS = np.array(
    [0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xD6E8FEB86659FD93, 0xA0761D6478BD642F],
    dtype=np.uint64,
)
LONGEST_NAME = WORD * len(MULTIPLIERS)  # bytes of an image or label id
FIRST_BYTES = np.array([256**n - 1 for n in range(WORD + 1)], dtype=np.uint64)


def column_names(header: bytes) -> list[str]:
    """Return the names of the columns in the first line of a file."""
    return header.decode("utf-8-sig").strip().split(",")


@dataclass(frozen=True, eq=False)
class LineBlock:
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
        ValueError: if the file has not the columns of Open Images.
    """

    def __init__(self, path: Path, label_ids: Sequence[str]) -> None:
        self.path = path
        with path.open("rb") as file:
            self.header = file.readline(LONGEST_LINE)
        self.columns = column_names(self.header)
        missing = [name for name in ("ImageID", "LabelName", *FLAGS) if name not in self.columns]
        if missing:
            raise ValueError(f"{path} must have the columns {', '.join(missing)}; remove the file")
        self.labels = _LabelCodes(label_ids)

    def offsets(self) -> range:
        """Return where the blocks of the file begin."""
        return range(len(self.header), self.path.stat().st_size, BLOCK)

    def scan(self, offset: int) -> LineBlock:
        """Return the lines that begin in the BLOCK bytes from `offset`.

        Raises:
            ValueError: if a line has not as many fields as the header.
        """
        padded = self._lines_from(offset)
        separators = np.flatnonzero(padded[:-LONGEST_NAME] <= COMMA)
        width = len(self.columns)
        if len(separators) % width != 1 or (padded[separators[::width]] != LINE_END).any():
            raise ValueError(self._complaint())
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
            lengths=np.diff(separators[::width]).astype(np.uint16),
            runs=images[first_of_run],
        )

    def _lines_from(self, offset: int) -> np.ndarray:
        """Read the whole lines that begin in a block, uint8.

        Before them is the line end that precedes them, after them LONGEST_NAME bytes of anything.
        """
        with self.path.open("rb") as file:
            # With the byte before: where that is a line end, a line begins at `offset` itself.
            file.seek(offset - 1)
            data = file.read(BLOCK + LONGEST_LINE)
        end = data.find(b"\n", BLOCK)
        if len(data) < BLOCK + LONGEST_LINE and end < 0:
            data = data.rstrip(b"\n") + b"\n"
            end = len(data) - 1
        begin = data.find(b"\n")
        if begin < 0 or end < 0:
            raise ValueError(f"{self.path} has a line of more than {LONGEST_LINE} bytes")
        if end + LONGEST_NAME >= len(data):
            data += bytes(LONGEST_NAME)
        return np.frombuffer(data, np.uint8)[begin : end + 1 + LONGEST_NAME]

    def _complaint(self) -> str:
        """Say which line of the file is the first bad one; slow, and only needed for that."""
        width = len(self.columns)
        with self.path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.count(b",") != width - 1:
                    fields = line.count(b",") + 1
                    return f"{self.path}, line {number}: {fields} fields, {width} in the header"
        return f"{self.path} must have fields without blanks, quotes and Windows line ends"


class _Fields:
    """Where the fields of some lines lie in their text.

    Attributes:
        before, after: (lines, columns) int64, places of the separators around each field.
        text: (bytes,) uint8; at the place before a field is the field's first byte.
        words: the same, with eight bytes as one number, (bytes,) uint64.
    """

    def __init__(self, padded: np.ndarray, separators: np.ndarray, width: int) -> None:
        self.before = separators[:-1].reshape(-1, width)
        self.after = separators[1:].reshape(-1, width)
        self.text = padded[1:]
        self.words = np.ndarray((len(self.text) - WORD + 1,), "<u8", self.text, strides=(1,))

    def is_one(self, column: int) -> np.ndarray:
        """Return whether a column's fields begin with the digit 1, (lines,) bool."""
        return self.text[self.before[:, column]] == ord("1")

    def fingerprints(self, column: int) -> np.ndarray:
        """Return a number for each field of a column, (lines,) uint64; equal text, equal number.

        Of a field longer than LONGEST_NAME, the bytes beyond count no more.
        """
        before = self.before[:, column]
        length = self.after[:, column] - before - 1
        if (length == length[:1]).all():
            length = length[:1]  # as a rule, for image ids: what follows is broadcast
        sums = np.zeros(len(before), np.uint64)
        for place in range(0, min(int(length.max(initial=0)), LONGEST_NAME), WORD):
            kept = FIRST_BYTES[np.clip(length - place, 0, WORD)]
            sums += (self.words[place:][before] & kept) * MULTIPLIERS[place // WORD]
        return sums


class _LabelCodes:
    """A table from fingerprints of labels to their places in a list, without a search."""

    def __init__(self, label_ids: Sequence[str]) -> None:
        text = ",".join(["", *label_ids, " " * LONGEST_NAME]).encode()
        padded = np.frombuffer(text, np.uint8)
        known = _Fields(padded, np.flatnonzero(padded == COMMA), 1).fingerprints(0)
        self.known = np.append(known, np.uint64(0))
        # The first multiplier, (1,) uint64, that gives each label a slot of its own.
        self.multiplier = next(
            odd
            for odd in (MULTIPLIERS[:1] * np.uint64(n) for n in count(1, 2))
            if len(np.unique(_slots(known, odd))) == len(known)
        )
        self.codes = np.full(1 << SLOT_BITS, len(label_ids), np.uint16)
        self.codes[_slots(known, self.multiplier)] = np.arange(len(label_ids))

    def look_up(self, fingerprints: np.ndarray) -> np.ndarray:
        """Return the place of each label in the list, or the list's length, (lines,) uint16."""
        codes = self.codes[_slots(fingerprints, self.multiplier)]
        codes[self.known[codes] != fingerprints] = len(self.known) - 1
        return codes


def _slots(fingerprints: np.ndarray, multiplier: np.ndarray) -> np.ndarray:
    return (fingerprints * multiplier) >> np.uint64(64 - SLOT_BITS)
