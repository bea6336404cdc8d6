"""Download pictures and boxes of chosen classes from Open Images.

Usage:
    python3 open_images_downloader.py --class-names "Apple,Banana" --data data/fruit --stats-only
    python3 open_images_downloader.py --class-names "Apple,Banana" --data data/fruit
    python3 open_images_downloader.py --list-classes fruit

It writes under --data: train/, validation/ and test/ with the pictures, for each of them
sub-SPLIT-annotations-bbox.csv, class-descriptions-boxable.csv, and missing.txt where pictures could
not be had. The CSV files name whole pictures only; what ended early goes on with the same command.
The annotation files of Open Images (1.4 GB) stay in --cache-dir for the next dataset.
Exit status: 0 complete, 1 not complete, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Sequence

from vision.download.addresses import (
    OPEN_IMAGES_BUCKET,
    OPEN_IMAGES_RELEASES,
    OPEN_IMAGES_SPLITS,
)
from vision.download.options import OpenImagesOptions, choose_options
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.options import add_options

if TYPE_CHECKING:
    from vision.download.choice.class_names import ClassTable
    from vision.download.open_images.dataset import OpenImagesSplit
    from vision.download.transfer.retry import RetryPolicy

logger = logging.getLogger(__name__)

# Options, and the flag of a box that each names.
EXCLUDABLE = {
    "exclude_group_of": "IsGroupOf",
    "exclude_occluded": "IsOccluded",
    "exclude_truncated": "IsTruncated",
}


def parse_args(argv: Sequence[str] | None = None) -> OpenImagesOptions:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], argument_default=argparse.SUPPRESS
    )
    add_options(parser, OpenImagesOptions)
    typed = parse_options(parser, argv, OpenImagesOptions)
    try:
        return choose_options(OpenImagesOptions, os.environ, vars(typed))
    except ValueError as error:
        parser.error(str(error))


def main(args: OpenImagesOptions) -> int:
    """Find the classes and their boxes, choose pictures, count, and get the pictures."""
    set_up_logging(args.log_level)
    from vision.download.choice.class_names import OPEN_IMAGES_CLASSES, read_class_table
    from vision.download.choice.splits import limit_splits, log_available, statistics_block
    from vision.download.transfer.retry import RetryPolicy
    from vision.download.voc_beside import require_voc_as_written
    from vision.utils.files import require_place

    table = read_class_table(OPEN_IMAGES_CLASSES)
    if args.list_classes is not None:
        print("\n".join(table.search(args.list_classes)))
        return 0
    class_names = table.resolve(args.class_names)
    if not args.stats_only:
        require_place(args.data, is_folder=True)
        if args.format == "voc":
            require_voc_as_written(args.data)
    policy = RetryPolicy(attempts=args.retry, timeout=args.timeout)
    available = []
    for name in OPEN_IMAGES_SPLITS:
        available.append(read_annotations(args, name, table, class_names, policy))
        log_available(available[-1])
    chosen = limit_splits(available, args)
    print(f"\n{statistics_block(chosen, class_names)}\n", flush=True)
    return 0 if args.stats_only else download(args, chosen, table, class_names, policy)


def read_annotations(
    args: OpenImagesOptions,
    split: str,
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> OpenImagesSplit:
    """Return the boxes of a split that the options ask for."""
    from vision.download.open_images.dataset import (
        Filters,
        read_image_list,
        read_open_images_split,
    )
    from vision.download.transfer.cached_file import fetch_once

    filters = Filters(
        depictions=args.include_depiction,
        overlapped=not args.remove_overlapped,
        excluded_flags=tuple(flag for name, flag in EXCLUDABLE.items() if getattr(args, name)),
        min_box_size=args.min_box_size,
        excluded_images=read_image_list(args.filter_file) if args.filter_file else frozenset(),
    )
    path = args.cache_dir / args.version / f"{split}-annotations-bbox.csv"
    fetch_once(args.annotations_url, OPEN_IMAGES_RELEASES[args.version][split], path, policy)
    logger.info("Read annotation file %s", path)
    return read_open_images_split(split, path, table, class_names, filters)


def download(
    args: OpenImagesOptions,
    splits: Sequence[OpenImagesSplit],
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> int:
    """Get the pictures; then write the files that name those which are there."""
    from vision.download.gather import conclude, gather_splits
    from vision.download.open_images.dataset import write_open_images
    from vision.download.transfer.lock import locked
    from vision.download.transfer.s3 import open_bucket
    from vision.download.voc_beside import write_voc_beside

    open_sources = partial(open_bucket, OPEN_IMAGES_BUCKET, args.endpoint_url, policy)
    with locked(args.data):
        splits, report = gather_splits(splits, open_sources, args.data, policy, args.num_workers)
        write_open_images(args.data, splits, table, class_names, args.version)
        if args.format == "voc":
            write_voc_beside(args.data, splits, class_names)
    return conclude(report)


if __name__ == "__main__":
    arguments = parse_args()
    sys.exit(run_main(main, arguments))
