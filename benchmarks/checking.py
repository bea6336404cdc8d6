"""Measure how fast pictures are checked, and how the search for those that look alike grows.

Usage:
    python3 benchmarks/checking.py
    python3 benchmarks/checking.py --large 100 --small 2000

A picture is checked by decoding it, as small as its format allows, so that damage is found: that
decoding alone, on as many threads, is the least that it can take. The files are in memory here, as
they were just written. What has to be waited for elsewhere is the reading: so the goal is to check
faster than an SD card of the usual kind (UHS-I) gives the bytes. The search for pictures that look
alike runs over a tenth of the small ones, and over all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Sequence

from compared import Compared, hand_on
from large_data import LARGE_SIZE, ROOT, SMALL_SIZE, draw_dataset

LARGE, SMALL = 300, 10_000  # pictures
SD_CARD = 104.0  # MB/s, the most that UHS-I carries
SHARE = 10  # the search runs over one picture of so many, and over all
MOST_GROWTH = 1.26  # of the time, against that of the work


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", type=int, default=LARGE, help="of 4000 x 3000 pixels")
    parser.add_argument("--small", type=int, default=SMALL, help="of 320 x 240 pixels")
    return parser.parse_args(argv)


def pictures_of(data: Path) -> list[str]:
    """Return the picture files of a dataset that was drawn."""
    return sorted(map(str, (data / "JPEGImages").iterdir()))


def seconds_to_decode(paths: Sequence[str]) -> float:
    """Return how long it takes to decode the pictures as small as can be, on all cores."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        began = time.perf_counter()
        list(pool.map(decode, paths))
        return time.perf_counter() - began


def decode(path: str) -> None:
    """Decode a picture at an eighth of its size."""
    import cv2
    import numpy as np

    cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_REDUCED_COLOR_8)


def seconds_to_check(paths: Sequence[str], folder: Path) -> float:
    """Return how long it takes to look at pictures that no cache knows."""
    from vision.datasets.checks.picture_scan import PictureScanner

    began = time.perf_counter()
    PictureScanner(progress=False).scan(folder, paths)
    return time.perf_counter() - began


def seconds_to_group(data: Path, share: int) -> float:
    """Return how long it takes to look for pictures that look alike in one of `share`."""
    import numpy as np

    from vision.datasets.likeness import find_groups
    from vision.datasets.opening import open_datasets

    index = open_datasets([data]).train
    some = index.select(np.arange(0, len(index), share))
    began = time.perf_counter()
    find_groups(some)
    return time.perf_counter() - began


def main(args: argparse.Namespace) -> int:
    """Measure and print; return how many goals were missed."""
    rows, missed = [], 0
    with tempfile.TemporaryDirectory() as name:
        for kind, count, size in (
            ("large", args.large, LARGE_SIZE),
            ("small", args.small, SMALL_SIZE),
        ):
            data = draw_dataset(Path(name) / kind, count, size)
            paths = pictures_of(data)
            megabytes = sum(Path(path).stat().st_size for path in paths) / 1e6
            least, checked = seconds_to_decode(paths), seconds_to_check(paths, data)
            what = "{:,} pictures of {} x {} pixels".format(count, *size)
            print(f"{what}, {megabytes:.0f} MB")
            print(f"  decoded at an eighth {least:.2f} s, {megabytes / least:.0f} MB/s")
            print(f"  checked {checked:.2f} s, {megabytes / checked:.0f} MB/s")
            ratio = megabytes / checked / SD_CARD
            ours, limit = f"{megabytes / checked:.0f} MB/s", f"an SD card, {SD_CARD:.0f} MB/s"
            rows.append(Compared(f"checking {what}", ours, limit, ratio, "at least 1"))
            missed += ratio < 1
        few, many = seconds_to_group(data, SHARE), seconds_to_group(data, 1)
    print(
        f"search for pictures that look alike: {few:.2f} s, of {SHARE} times as many {many:.2f} s"
    )
    growth, goal = many / few / SHARE, f"at most {MOST_GROWTH:g}"
    what, limit = f"search for likeness, {SHARE} times the pictures", f"{SHARE:.1f} times the work"
    rows.append(Compared(what, f"{many / few:.1f} times", limit, growth, goal))
    hand_on(rows)
    return missed + (growth > MOST_GROWTH)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(parse_args()))
