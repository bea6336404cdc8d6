"""Read CSV tables in blocks: fast by pandas as long as they are sound, then row by row."""

from __future__ import annotations

import codecs
import csv
import itertools
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, NamedTuple, Sequence, TextIO

import numpy as np

from vision.datasets.files.folders import file_has, read_head
from vision.datasets.files.values import encoding_of, to_number
from vision.utils.files import require_regular
from vision.utils.text import printable

logger = logging.getLogger(__name__)

TABLE_ROWS_AT_ONCE = 250_000
DELIMITERS = ",;\t"
ROWS_TO_SNIFF = 100


class TableBlock(NamedTuple):
    """The columns of K rows of a table."""

    texts: list[np.ndarray]  # for each text column (K,) str
    numbers: np.ndarray  # (K, number columns) float32; nan where there is no number
    lines: np.ndarray  # (K,) int32, line numbers in the file


def delimiter_of(line: str) -> str:
    """Return what divides the cells of a table, by its first line: a comma, semicolon or tab."""
    return max(DELIMITERS, key=line.count)


@contextmanager
def open_table(path: Path) -> Iterator[TextIO]:
    """Open a table of UTF-8, or of UTF-16 as spreadsheets save it.

    Raises:
        ValueError: what is read of it is neither, with the line.
    """
    require_regular(path)
    with path.open("rb") as head:
        encoding = encoding_of(head.read(4))
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield file
    except UnicodeDecodeError:
        # Excel's plain CSV is in the code of its country, where one byte is a letter with accent.
        line = _line_of_other_code(path, encoding)
        raise ValueError(
            f'{path}:{line}: must be UTF-8 text; save it as "CSV UTF-8", not as plain CSV'
        ) from None


def _line_of_other_code(path: Path, encoding: str) -> int:
    """Return the number of the first line that is not in an encoding; the last if it breaks off."""
    decoder = codecs.getincrementaldecoder(encoding)()
    last = 1
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            last = number
            try:
                decoder.decode(line)
            except UnicodeDecodeError:
                break
    return last


def delimiter_in(file: TextIO) -> str:
    """Return the delimiter of an open table, and go back to its beginning."""
    delimiter = delimiter_of(file.readline())
    file.seek(0)
    return delimiter


def first_row(path: Path) -> list[str]:
    """Return the cells of the first line of a file, to find out what table it is; [] if none."""
    data = read_head(path)
    lines = data.decode(encoding_of(data), "replace").splitlines()[:1]
    try:
        return next(csv.reader(lines, delimiter=delimiter_of("".join(lines))), [])
    except csv.Error:
        return []


def numbered_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of each row of a table that is not empty, the header too.

    Raises:
        ValueError: it cannot be divided into rows, or is not UTF-8; with the line. So is a cell
            with a line break: of a quote that is not closed, all lines up to the next are its cell.
    """
    with open_table(path) as file:
        reader = csv.reader(file, delimiter=delimiter_in(file))
        line = 1
        try:
            for row in reader:
                if reader.line_num > line:
                    raise csv.Error("a cell holds a line break")
                if row:
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise ValueError(
                f"{path}:{line}: not CSV: {error}; close the quote that is open there, or take the "
                "line break out of the cell"
            ) from None


def read_column_names(path: Path) -> list[str]:
    """Return the column names of a CSV file.

    Raises:
        ValueError: if the file is empty, or not UTF-8.
    """
    header = [name.strip() for _, row in itertools.islice(numbered_rows(path), 1) for name in row]
    if not any(header):
        raise ValueError(f"{path} must begin with a line of column names, it is empty")
    return header


def read_blocks(path: Path, texts: Sequence[str], numbers: Sequence[str]) -> Iterator[TableBlock]:
    """Yield the named columns of a CSV file, whose numbers have decimal points or commas.

    Raises:
        ValueError: if a column is missing, or the file cannot be divided into rows or is not UTF-8.
    """
    header = read_column_names(path)
    missing = [name for name in (*texts, *numbers) if name not in header]
    if missing:
        raise ValueError(
            f"{path} must have the columns {', '.join((*texts, *numbers))}; "
            f"{', '.join(missing)} not found among {printable(', '.join(header))}"
        )
    text_columns = [header.index(name) for name in texts]
    number_columns = [header.index(name) for name in numbers]
    done = 0
    try:
        for block in _read_quickly(path, text_columns, number_columns, len(header)):
            done += len(block.lines)
            yield block
    except ValueError as error:
        logger.info("%s: reading on row by row, as %s", path, error)
        yield from _read_slowly(path, text_columns, number_columns, done)


def _read_quickly(
    path: Path, texts: list[int], numbers: list[int], columns: int
) -> Iterator[TableBlock]:
    """Yield blocks by pandas; it raises ValueError at the first cell that is not a number."""
    import pandas

    if _has_uneven_quotes(path):
        raise ValueError("a quote may not be closed")  # pandas would take lines for one cell
    # Columns are named by their place, as a name may occur twice; as text, as pandas wants it.
    text_names, number_names = (
        [str(column) for column in texts],
        [str(column) for column in numbers],
    )
    with open_table(path) as file:
        encoding, delimiter = file.encoding, delimiter_in(file)
    reader = pandas.read_csv(
        path,
        sep=delimiter,
        encoding=encoding,
        header=0,
        names=[str(column) for column in range(columns)],
        index_col=False,
        usecols=[*text_names, *number_names],
        dtype={**dict.fromkeys(text_names, str), **dict.fromkeys(number_names, np.float64)},
        keep_default_na=False,  # NA and None may be names of classes
        na_values={name: [""] for name in number_names},
        decimal="," if _has_decimal_commas(path, numbers) else ".",
        chunksize=TABLE_ROWS_AT_ONCE,
    )
    done = 0
    with reader:
        for frame in reader:
            yield TableBlock(
                [frame[name].to_numpy(dtype=object) for name in text_names],
                _to_float32(frame[number_names].to_numpy()),
                np.arange(done + 2, done + 2 + len(frame), dtype=np.int32),  # line 1 is the header
            )
            done += len(frame)


def _read_slowly(
    path: Path, texts: list[int], numbers: list[int], skip: int
) -> Iterator[TableBlock]:
    """Yield blocks from row `skip` on; a missing cell, or one that is not a number, becomes nan."""
    rows = itertools.islice(numbered_rows(path), skip + 1, None)
    while True:
        block = [(row, line) for line, row in itertools.islice(rows, TABLE_ROWS_AT_ONCE)]
        if not block:
            return
        yield _to_block(block, texts, numbers)


def _to_block(rows: list, texts: list[int], numbers: list[int]) -> TableBlock:
    def cell(row: list[str], column: int) -> str:
        return row[column] if column < len(row) else ""

    values = [[to_number(cell(row, column)) for column in numbers] for row, _ in rows]
    return TableBlock(
        [np.array([cell(row, column) for row, _ in rows], dtype=object) for column in texts],
        _to_float32(np.array(values, dtype=np.float64)),
        np.array([line for _, line in rows], dtype=np.int32),
    )


def _to_float32(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large becomes inf, which the checks report
        return values.astype(np.float32)


def _has_decimal_commas(path: Path, numbers: list[int]) -> bool:
    rows = itertools.islice(numbered_rows(path), 1, ROWS_TO_SNIFF)
    try:
        return any("," in row[n] for _, row in rows for n in numbers if n < len(row))
    except ValueError:  # reported when the rows are read
        return False


def _has_uneven_quotes(path: Path) -> bool:
    """Return whether a line has an odd number of quotes, so that a cell may hold a line break."""
    if not file_has(path, b'"'):
        return False
    with path.open("rb") as file:
        return any(line.count(b'"') % 2 for line in file)
