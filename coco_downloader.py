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
from typing import TYPE_CHECKING, Callable, Sequence

from vision.download.addresses import COCO_ANNOTATIONS, COCO_SPLITS
from vision.download.options import CocoOptions, choose_options
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.options import add_options

if TYPE_CHECKING:
    from vision.download.choice.class_names import ClassTable
    from vision.download.coco.dataset import CocoSplit
    from vision.download.transfer.pictures import PictureStore
    from vision.download.transfer.retry import RetryPolicy


def parse_args(argv: Sequence[str] | None = None) -> CocoOptions:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], argument_default=argparse.SUPPRESS
    )
    add_options(parser, CocoOptions)
    typed = parse_options(parser, argv, CocoOptions)
    try:
        return choose_options(CocoOptions, os.environ, vars(typed))
    except ValueError as error:
        parser.error(str(error))


def main(args: CocoOptions) -> int:
    """Find the classes and their boxes, choose pictures, count, and get the pictures."""
    set_up_logging(args.log_level)
    from vision.download.choice.class_names import COCO_CLASSES, read_class_table
    from vision.download.choice.splits import limit_splits, log_available, statistics_block
    from vision.download.coco.dataset import read_coco_split
    from vision.download.transfer.cached_file import fetch_once
    from vision.download.transfer.retry import RetryPolicy
    from vision.download.voc_beside import require_voc_as_written
    from vision.utils.files import require_place

    table = read_class_table(COCO_CLASSES)
    if args.list_classes is not None:
        print("\n".join(table.search(args.list_classes)))
        return 0
    class_names = table.resolve(args.class_names)
    if not args.stats_only:
        require_place(args.data, is_folder=True)
        if args.format == "voc":
            require_voc_as_written(args.data)
    policy = RetryPolicy(attempts=args.retry, timeout=args.timeout)
    archive = args.cache_dir / COCO_ANNOTATIONS.split("/")[-1]
    fetch_once(args.url, COCO_ANNOTATIONS, archive, policy)
    available = []
    for name in COCO_SPLITS:
        available.append(read_coco_split(name, archive, table, class_names, args.exclude_crowd))
        log_available(available[-1])
    chosen = limit_splits(available, args)
    print(f"\n{statistics_block(chosen, class_names)}\n", flush=True)
    return 0 if args.stats_only else download(args, chosen, table, class_names, policy)


def download(
    args: CocoOptions,
    splits: Sequence[CocoSplit],
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> int:
    """Get the pictures; then write the files that name those which are there."""
    from vision.download.coco.dataset import write_coco
    from vision.download.coco.sources import open_archives, open_web
    from vision.download.gather import conclude, gather_splits
    from vision.download.transfer.lock import locked
    from vision.download.voc_beside import write_voc_beside

    open_sources: Callable[[int], Sequence[PictureStore]] = partial(open_web, args.url, policy)
    if args.archives:
        open_sources = partial(open_archives, args.cache_dir, args.url, policy)
    with locked(args.data):
        splits, report = gather_splits(splits, open_sources, args.data, policy, args.num_workers)
        write_coco(args.data, splits, table, class_names)
        if args.format == "voc":
            write_voc_beside(args.data, splits, class_names)
    return conclude(report)


if __name__ == "__main__":
    arguments = parse_args()
    sys.exit(run_main(main, arguments))
