"""An index of an Open Images annotation file: what stands on each of its lines.

The training file has 14.6 million lines in 1.1 GB. The index keeps five bytes of each: the class,
the flags, whether a new picture begins, and the length, which leads to the line itself. It is
made in one pass over blocks of bytes, without a Python object a line, and kept beside the file.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Sequence

import numpy as np

from vision.download.array_cache import load_or_make
from vision.download.open_images.line_scanner import (
    FIRST_OF_RUN,
    LineBlock,
    LineScanner,
    NotPlainError,
)
from vision.download.open_images.plain_copy import has_plain_copy, make_plain_copy, plain_path

BOX_INDEX_FORMAT = 2
MOST_SCAN_THREADS = 4  # each needs 20 MB, and more would not read a disk faster
LINE_ARRAYS = {"codes": np.uint16, "flags": np.uint8, "lengths": np.uint16}


@dataclass(frozen=True, eq=False)
class BoxIndex:
    """What stands on each line of one annotation file.

    A run is a stretch of lines of one picture. Most pictures have one run.

    Attributes:
        path: the annotation file.
        header: (bytes,) uint8, its first line, with the line end.
        codes: (lines,) uint16, place of the label in the list given, or that list's length.
        flags: (lines,) uint8, bits of `line_scanner.FLAGS`, and FIRST_OF_RUN.
        lengths: (lines,) uint16, bytes, with the line end.
        runs: (runs,) uint64, fingerprint of the picture of each run.
    """

    path: Path
    header: np.ndarray
    codes: np.ndarray
    flags: np.ndarray
    lengths: np.ndarray
    runs: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)


def open_index(path: Path, label_ids: Sequence[str]) -> BoxIndex:
    """Return the index of an annotation file; it is made once and kept in a file beside it.

    If the file has quotes, blanks or Windows line ends, the index is that of a plain copy of it.

    Raises:
        ValueError: as in `build_arrays` and `make_plain_copy`.
    """
    try:
        return _open_plain(plain_path(path) if has_plain_copy(path) else path, label_ids)
    except NotPlainError:
        make_plain_copy(path)
        return _open_plain(plain_path(path), label_ids)


def _open_plain(path: Path, label_ids: Sequence[str]) -> BoxIndex:
    key = f"{BOX_INDEX_FORMAT} {path.stat().st_size} {' '.join(label_ids)}"
    kept = path.with_suffix(".index")
    return BoxIndex(path, **load_or_make(kept, key, partial(build_arrays, path, label_ids)))


def build_arrays(path: Path, label_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Read an annotation file once and return the arrays of its index.

    Raises:
        ValueError: if a column is missing, or a line does not have as many fields as the header.
    """
    scanner = LineScanner(path, label_ids)
    with ThreadPoolExecutor(min(MOST_SCAN_THREADS, os.cpu_count() or 1)) as pool:
        blocks = list(pool.map(scanner.scan, scanner.offsets()))
    runs = _join_runs(blocks)
    columns = {name: [getattr(block, name) for block in blocks] for name in LINE_ARRAYS}
    blocks.clear()
    return {
        "header": np.frombuffer(scanner.header, np.uint8),
        "runs": runs,
        # Popped: while one column is joined, no other is in memory twice.
        **{
            name: np.concatenate([np.empty(0, dtype), *columns.pop(name)])
            for name, dtype in LINE_ARRAYS.items()
        },
    }


def _join_runs(blocks: Sequence[LineBlock]) -> np.ndarray:
    """Join the runs that the end of a block cuts in two; return the fingerprints of all runs.

    The flags of the blocks are changed to fit.
    """
    parts = [np.empty(0, np.uint64)]
    last = None
    for block in blocks:
        if len(block.runs):
            continues = last == block.runs[0]
            if continues:
                block.flags[0] &= ~FIRST_OF_RUN
            parts.append(block.runs[int(continues) :])
            last = block.runs[-1]
    return np.concatenate(parts)
