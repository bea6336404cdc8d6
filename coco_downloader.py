"""Download pictures and boxes of chosen classes from COCO 2017.

Usage:
    python3 coco_downloader.py --class-names "apple,banana" --data data/coco-fruit --stats-only
    python3 coco_downloader.py --class-names "apple,banana" --data data/coco-fruit
    python3 coco_downloader.py --list-classes ball

It writes under --data: train2017/ and val2017/ with the pictures, for each of them
annotations/instances_SPLIT2017.json, and missing.txt where pictures could not be had. The JSON
files name whole pictures only; what ended early goes on with the same command. COCO's own archives
(0.25 GB of annotations; with --archives 19 GB of pictures) stay in --cache-dir for the next time.
Exit status: 0 complete, 1 not complete, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from vision.download.addresses import (
    COCO_ANNOTATIONS,
    COCO_ARCHIVES,
    COCO_SPLITS,
    COCO_URL,
    cache_folder,
)
from vision.utils.cli import parse_options, run_main, set_up_logging

if TYPE_CHECKING:
    from vision.download.choice.class_names import ClassTable
    from vision.download.coco.dataset import ArchiveSource, CocoSplit, WebSource
    from vision.download.transfer.retry import RetryPolicy


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument_group("classes").add_argument
    add("--class-names", help="names split by commas; case, blanks and _ do not count")
    add("--list-classes", nargs="?", const="", metavar="PATTERN", help="list names and exit")

    add = parser.add_argument_group("folders").add_argument
    add("--data", "--root", type=Path, default=Path("data/coco"), help="where to write")
    add("--cache-dir", type=Path, default=cache_folder("coco"), help="where COCO's archives stay")
    add("--format", choices=("coco", "voc"), default="coco", help="voc: a folder DATA-voc beside")

    add = parser.add_argument_group("choice of pictures").add_argument
    add("--stats-only", action="store_true", help="count what would be downloaded, and exit")
    add("--max-images", type=int, default=0, help="at most so many, in proportion")
    add(
        "--max-annotations-per-class",
        type=int,
        default=0,
        help="at most so many boxes of a class, by leaving out pictures",
    )
    add("--seed", type=int, default=0, help="seed of the choice")
    add("--exclude-crowd", action="store_true", help="no pictures with a box that marks a group")

    add = parser.add_argument_group("transfer").add_argument
    add("--archives", action="store_true", help="fetch whole archives, then unpack what is chosen")
    add("--num-workers", "--workers", type=int, default=10, help="pictures at once")
    add("--retry", type=int, default=10, help="attempts for each file")
    add("--timeout", type=float, default=20.0, help="seconds without an answer")
    url = os.environ.get("COCO_URL", COCO_URL)
    add("--url", default=url, help="COCO's server, or a mirror of it")
    add("--debug", action="store_true", help="show the traceback of a failure")

    args = parse_options(parser, argv)
    if args.class_names is None and args.list_classes is None:
        parser.error('name classes, as in --class-names "apple,banana", or see --list-classes')
    if min(args.max_images, args.max_annotations_per_class) < 0:
        parser.error("--max-images and --max-annotations-per-class must be 0 (no limit) or more")
    if min(args.num_workers, args.retry) < 1 or args.timeout <= 0:
        parser.error("--num-workers, --retry and --timeout must be more than 0")
    return args


def main(args: argparse.Namespace) -> int:
    """Settle the classes, find their boxes, choose, count, and get the pictures."""
    set_up_logging()
    from vision.download.choice.class_names import COCO_CLASSES, read_class_table, split_names
    from vision.download.choice.splits import (
        limit_splits,
        log_available,
        log_limits,
        statistics_block,
    )
    from vision.download.coco.dataset import read_coco_split
    from vision.download.transfer.cached_file import fetch_once
    from vision.download.transfer.retry import RetryPolicy

    table = read_class_table(COCO_CLASSES)
    if args.list_classes is not None:
        print("\n".join(table.search(args.list_classes)))
        return 0
    class_names = table.resolve(split_names(args.class_names))
    policy = RetryPolicy(attempts=args.retry, timeout=args.timeout)

    fetch_once(args.url, COCO_ANNOTATIONS, args.cache_dir / Path(COCO_ANNOTATIONS).name, policy)
    available = []
    for name in COCO_SPLITS:
        split = read_coco_split(name, args.cache_dir, table, class_names, args.exclude_crowd)
        available.append(split)
        log_available(split)
    limits = (args.max_images, args.max_annotations_per_class)
    chosen = limit_splits(available, *limits, args.seed)
    log_limits(available, chosen)
    print(f"\n{statistics_block(chosen, class_names)}\n", flush=True)
    if args.stats_only:
        return 0
    return download(args, chosen, table, class_names, policy)


def download(
    args: argparse.Namespace,
    splits: Sequence[CocoSplit],
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> int:
    """Get the pictures; then write the files that name those which are there."""
    from vision.download.coco.dataset import labelled_pictures, write_coco_split
    from vision.download.gather import conclude, gather_splits
    from vision.download.transfer.lock import locked
    from vision.download.voc import voc_folder, write_voc

    opener = open_archives if args.archives else open_web
    with locked(args.data):
        splits, report = gather_splits(
            splits, partial(opener, args, policy), args.data, policy, args.num_workers
        )
        for split in splits:
            write_coco_split(args.data, split, table, class_names)
        if args.format == "voc":
            labelled = {s.name: labelled_pictures(s, args.data, class_names) for s in splits}
            write_voc(voc_folder(args.data), labelled, class_names)
    return conclude(report)


def open_web(args: argparse.Namespace, policy: RetryPolicy, count: int) -> list[WebSource]:
    """Return sources that ask for each picture by its address."""
    from vision.download.coco.dataset import WebSource

    return [WebSource(args.url, policy)] * count


def open_archives(args: argparse.Namespace, policy: RetryPolicy, count: int) -> list[ArchiveSource]:
    """Fetch the archives of pictures; return sources that read out of them."""
    from vision.download.coco.dataset import ArchiveSource
    from vision.download.transfer.cached_file import fetch_once

    archives = {
        f"{name}2017": fetch_once(args.url, address, args.cache_dir / Path(address).name, policy)
        for name, address in COCO_ARCHIVES.items()
    }
    return [ArchiveSource(archives)] * count


if __name__ == "__main__":
    arguments = parse_args()
    sys.exit(run_main(main, arguments))
