"""Measure the annotation index at the size of Open Images' whole training set.

    python benchmarks/annotation_index.py
    python benchmarks/annotation_index.py --pictures 100000 --boxes 860000

Writes a random table of boxes into a temporary folder (1.2 GB, deleted afterwards), reads and
checks it as training does, and prints one table. There are no pictures to open. Goals: 60 s,
600 MB, and 20 MB for each further worker.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from compared import Compared, hand_on

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, SpawnContext

    from vision.datasets.index.annotation_index import AnnotationIndex

PICTURES, BOXES, CLASSES = 1_743_042, 14_610_229, 601
NAME = "sub-train-annotations-bbox.csv"
HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated\n"
ROW = b"0000000000000000,xclick,/m/0000,1,0.000000,0.000000,0.000000,0.000000,0,1\n"
ROWS_AT_ONCE = 500_000
MEGABYTE = 1e6


class Row(NamedTuple):
    """One line of the table."""

    name: str
    value: float
    unit: str
    limit: float | None


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--pictures", type=int, default=PICTURES, help="pictures in the table")
    parser.add_argument("--boxes", type=int, default=BOXES, help="rows of the table")
    return parser.parse_args(argv)


def measure(pictures: int = PICTURES, boxes: int = BOXES) -> list[Row]:
    """Write a table, read it, give it to a worker; return the rows of the result."""
    import torch  # noqa: F401, now, or its size would count as the index's

    from vision.datasets.checks.boxes import check_annotations
    from vision.datasets.checks.problems import Problems
    from vision.datasets.formats.open_images import read_boxes

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / NAME
        writer = multiprocessing.Process(target=write_table, args=(path, pictures, boxes))
        writer.start()  # a process of its own, so that the memory for writing does not count
        writer.join()
        if writer.exitcode:
            raise OSError(f"the table could not be written; is there room in {folder}?")
        size = path.stat().st_size
        before, start, used = _peak(), time.monotonic(), time.process_time()
        table = read_boxes(path)
        index = table.build(f"{folder}/train/{image_id}.jpg" for image_id in table.rows)
        del table
        index = check_annotations(index, _place, Problems())
        seconds, used = time.monotonic() - start, time.process_time() - used
        peak = _peak() - before
    if (len(index), index.num_boxes) != (pictures, boxes):
        raise ValueError(
            f"wrote {pictures} pictures and {boxes} boxes, read {len(index)} and {index.num_boxes}"
        )
    return [
        Row("table", size / MEGABYTE, "MB", None),
        Row("read and checked in", seconds, "s", 60),
        Row("of processor time", used, "s", None),  # less depends on what else the machine does
        Row("index", held(index) / MEGABYTE, "MB", 600),
        Row("peak while reading", peak / MEGABYTE, "MB", None),
        *(
            Row(f"each {kind}ed worker", _worker(index, kind) / MEGABYTE, "MB", 20)
            for kind in KINDS
        ),
    ]


def write_table(path: Path, pictures: int, boxes: int, seed: int = 0) -> None:
    """Write a table of `boxes` rows for `pictures` pictures, each with one row or more.

    All rows have the same length, so that whole blocks can be filled in as arrays of bytes.
    """
    rng = np.random.default_rng(seed)
    rows = np.append(np.arange(pictures), rng.integers(0, pictures, boxes - pictures))
    rows.sort()
    scramble = np.uint64(0x9E3779B97F4A7C15)  # odd, so that different numbers stay different
    with path.open("wb") as file:
        file.write(HEADER.encode())
        for start in range(0, boxes, ROWS_AT_ONCE):
            some = rows[start : start + ROWS_AT_ONCE].astype(np.uint64)
            block = np.tile(np.frombuffer(ROW, dtype=np.uint8), (len(some), 1))
            block[:, :16] = _digits(some * scramble, 16, 16)
            block[:, 27:31] = _digits(rng.integers(0, CLASSES, len(some)), 10, 4)
            corners = np.sort(rng.integers(0, 500_000, (len(some), 2, 2)), axis=2)
            corners[..., 1] += 400_000  # no box is without size
            for column, value in zip((34, 43, 52, 61), corners.reshape(-1, 4).T):
                block[:, column + 2 : column + 8] = _digits(value, 10, 6)
            file.write(block.tobytes())


def held(index: AnnotationIndex) -> int:
    """Return the bytes of all arrays of an index."""
    tables = (index.image_ids, index.paths)
    arrays = [index.sizes, index.relative, index.offsets, index.boxes, index.labels]
    arrays += [index.difficult, index.origins]
    arrays += [array for table in tables for array in (table.blob, table.offsets)]
    return sum(array.nbytes for array in arrays)


def print_table(rows: list[Row]) -> None:
    """Print the rows under a heading."""
    print(f"{'annotation index':<24}{'':>10}{'':>4}{'limit':>8}")
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:g}"
        print(f"{row.name:<24}{row.value:>10.1f} {row.unit:<3}{limit:>8}")


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    rows = measure(args.pictures, args.boxes)
    print_table(rows)
    hand_on(
        [
            Compared(
                f"annotation index, {args.boxes:,} boxes: {row.name}",
                f"{row.value:.1f} {row.unit}",
                f"{row.limit:g} {row.unit}",
                row.value / row.limit,
                "at most 1",
            )
            for row in rows
            if row.limit is not None
        ]
    )


KINDS = ("fork", "spawn")


def _worker(index: AnnotationIndex, kind: str) -> float:
    """Return the private memory, in bytes, of one more worker that goes through the whole index."""
    context: ForkContext | SpawnContext = (
        multiprocessing.get_context("fork")
        if kind == "fork"
        else multiprocessing.get_context("spawn")
    )
    results = context.SimpleQueue()
    private = []
    for data in (None, index):
        worker = context.Process(target=_go_through, args=(data, results))
        worker.start()
        private.append(results.get())
        worker.join()
    return private[1] - private[0]


def _go_through(index: AnnotationIndex | None, results) -> None:
    """Touch every page of the arrays, make some annotations, and send the private memory."""
    import torch  # noqa: F401, as any worker does, with an index or without

    import vision.datasets.index.annotation_index  # noqa: F401

    if index is not None:
        for array in (index.boxes, index.labels, index.offsets, index.paths.blob):
            array.sum(dtype=np.float64)
        for row in range(0, len(index), max(len(index) // 10_000, 1)):
            index[row]
    results.put(_private_bytes())


def _private_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _digits(values: np.ndarray, base: int, count: int) -> np.ndarray:
    """Return the last `count` digits of the values (K,) as letters, (K, count) uint8."""
    letters = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
    digits = np.empty((len(values), count), dtype=np.uint8)
    values = values.astype(np.uint64)
    for column in range(count - 1, -1, -1):
        digits[:, column] = letters[(values % np.uint64(base)).astype(np.intp)]
        values //= np.uint64(base)
    return digits


def _place(image_id: str, origin: int) -> tuple[str, int | None, str]:
    return NAME, origin, ""


def _peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(parse_args())
