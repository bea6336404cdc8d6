"""Measure choosing classes from Open Images' annotation file, against the way of the older scripts.

    python3 benchmarks/choose_classes.py
    python3 benchmarks/choose_classes.py --lines 1000000 --folder /tmp

Writes a file of 14.6 million lines (1.2 GB) in a temporary folder and prints one table. Each way
runs in a process of its own, in turns, and has the file in the page cache. `seconds` are of the
best round, `faster` is the median over the rounds, `cpu s` counts all cores and the start of the
process, `peak MB` is its memory. The older scripts read the file whole with pandas, join the names
of the classes, and go through the groups. Goals: 8 times faster than that, under 300 MB, and
statistics from the index in under 2 s.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from operator import itemgetter
from pathlib import Path
from typing import Callable, Sequence

from compared import Compared, hand_on

ROOT = Path(__file__).resolve().parents[1]
OLDER = "older scripts' way"
LINES = 14_610_229  # as in the training file
FRUIT = ["Apple", "Orange", "Banana", "Strawberry", "Grape", "Pear", "Pineapple", "Watermelon"]
HEADER = (
    "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,"
    "IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside\n"
)
BLOCK = 200_000  # lines; the file repeats them with other ids
BOXES_PER_PICTURE = 8


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--lines", type=int, default=LINES, help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where there is room (default: temporary)")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Write the file and measure every way; with --way, only go that way."""
    sys.path.insert(0, str(ROOT))
    if args.way:
        WAYS[args.way](args.file)
        return
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        file = Path(folder) / "train-annotations-bbox.csv"
        write_annotations(file, args.lines)
        rows: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(args.rounds):
            for way in WAYS:
                rows[way].append(measure(way, file))
        show(file, args.lines, rows)


def write_annotations(path: Path, lines: int) -> None:
    """Write an annotation file with the class frequencies of a long tail."""
    import numpy as np

    rng = np.random.default_rng(0)
    text = np.frombuffer("".join(draw_lines(rng)).encode(), np.uint8).copy()
    starts = np.concatenate([[0], np.flatnonzero(text == ord("\n")) + 1])
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    with path.open("wb") as file:
        file.write(HEADER.encode())
        for first in range(0, lines, BLOCK):
            ids = (first + np.arange(BLOCK)) // BOXES_PER_PICTURE
            for place in range(16):
                text[starts[:-1] + place] = digits[(ids >> (4 * (15 - place))) & 15]
            file.write(text[: starts[min(BLOCK, lines - first)]].tobytes())


def draw_lines(rng) -> list[str]:
    """Return BLOCK lines with zeros in place of the ids."""
    import numpy as np

    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table

    ids = rng.permutation(read_class_table(OPEN_IMAGES_CLASSES).ids)
    frequency = 1 / np.arange(1, len(ids) + 1)
    labels = rng.choice(ids, BLOCK, p=frequency / frequency.sum())
    corners = np.sort(rng.random((BLOCK, 2, 2)), axis=2).reshape(BLOCK, 4)
    flags = rng.random((BLOCK, 5)) < (0.66, 0.25, 0.06, 0.05, 0.01)
    sources = rng.choice(["xclick", "activemil"], BLOCK, p=[0.9, 0.1])
    form = "0" * 16 + ",%s,%s,1,%.6f,%.6f,%.6f,%.6f,%d,%d,%d,%d,%d\n"
    return [
        form % (source, label, *box, *marks)
        for source, label, box, marks in zip(sources, labels, corners, flags)
    ]


def measure(way: str, file: Path) -> dict[str, float]:
    """Run one way in a process of its own; return the numbers that it prints."""
    command = [sys.executable, __file__, "--way", way, "--file", str(file)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def say(begin: float, boxes: int) -> None:
    """Print seconds since `begin`, those of all cores, peak memory in MB, and number of boxes."""
    import resource

    seconds, usage = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF)
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, "boxes": boxes}))


def read_whole(file: Path) -> None:
    """Read the file whole with pandas and keep the lines of the classes."""
    import pandas

    ids = list(fruit_ids().values())
    begin = time.perf_counter()
    table = pandas.read_csv(file)
    table = table.loc[(table["IsDepiction"] == 0) & table["LabelName"].isin(ids)]
    say(begin, len(table))


def read_join_group(file: Path) -> None:
    """Do as the older scripts: read the file whole, join the names and go through the groups."""
    import pandas

    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table

    classes = read_class_table(OPEN_IMAGES_CLASSES)
    begin = time.perf_counter()
    names = pandas.DataFrame({"LabelName": classes.ids, "ClassName": classes.names})
    table = pandas.read_csv(file).merge(names, on="LabelName")
    table = table.loc[table["IsDepiction"] == 0]
    groups = [group for name, group in table.groupby("ClassName") if name in FRUIT]
    say(begin, len(pandas.concat(groups)))


def without_index(file: Path) -> None:
    """Index the file and choose."""
    file.with_suffix(".index").unlink(missing_ok=True)
    from_index(file)


def from_index(file: Path) -> None:
    """Choose from the index that is there."""
    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table
    from vision.download.open_images.dataset import Filters, read_open_images_split

    table = read_class_table(OPEN_IMAGES_CLASSES)
    begin = time.perf_counter()
    split = read_open_images_split("train", file, table, FRUIT, Filters())
    say(begin, len(split.boxes))


def all_from_index(file: Path) -> None:
    """Count pictures and boxes of all 601 classes from the index."""
    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table
    from vision.download.choice.splits import statistics_block
    from vision.download.open_images.dataset import Filters, read_open_images_split

    table = read_class_table(OPEN_IMAGES_CLASSES)
    begin = time.perf_counter()
    split = read_open_images_split("train", file, table, table.names, Filters())
    statistics_block([split], table.names)
    say(begin, len(split.boxes))


def fruit_ids() -> dict[str, str]:
    """Return the label ids of the classes that are chosen, by name."""
    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table

    table = read_class_table(OPEN_IMAGES_CLASSES)
    return {name: table.id_of(name) for name in FRUIT}


def show(file: Path, lines: int, rows: dict[str, list[dict[str, float]]]) -> None:
    """Print the table: the best round of each way, and how much faster it is than the older one."""
    reference = [run["seconds"] for run in rows[OLDER]]
    print(f"{lines:,} lines, {file.stat().st_size / 1e9:.2f} GB, {len(reference)} rounds")
    print(f"{'way':28}{'seconds':>9}{'faster':>9}{'cpu s':>9}{'peak MB':>9}{'boxes':>12}")
    compared = []
    row = "{:28}{seconds:9.2f}{:8.1f}x{cpu:9.2f}{peak:9.0f}{boxes:12,}"
    for way, runs in rows.items():
        ratios = [theirs / run["seconds"] for theirs, run in zip(reference, runs)]
        best = min(runs, key=itemgetter("seconds"))
        ratio = statistics.median(ratios)
        print(row.format(way, ratio, **best))
        if way in GOALS:
            ours, theirs = f"{best['seconds']:.2f} s", f"{OLDER}, {min(reference):.2f} s"
            compared.append(Compared(f"choosing, {way}", ours, theirs, ratio, GOALS[way]))
    hand_on(compared)


WAYS: dict[str, Callable[[Path], None]] = {
    "pandas, read whole": read_whole,
    OLDER: read_join_group,
    "8 classes, index made": without_index,
    "8 classes, index there": from_index,
    "601 classes, index there": all_from_index,
}

GOALS = {"8 classes, index made": "at least 8"}


if __name__ == "__main__":
    main(parse_args())
