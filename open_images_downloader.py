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
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from vision.download.addresses import (
    OPEN_IMAGES_BUCKET,
    OPEN_IMAGES_RELEASES,
    OPEN_IMAGES_SPLITS,
    OPEN_IMAGES_URL,
    S3_URL,
    cache_folder,
)
from vision.utils.cli import parse_options, run_main, set_up_logging

if TYPE_CHECKING:
    from vision.download.choice.class_names import ClassTable
    from vision.download.open_images.dataset import OpenImagesSplit
    from vision.download.transfer.retry import RetryPolicy

logger = logging.getLogger(__name__)

# Options, as attributes, and the flag of a box that each names.
EXCLUDABLE = {
    "exclude_group_of": "IsGroupOf",
    "exclude_occluded": "IsOccluded",
    "exclude_truncated": "IsTruncated",
}


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument_group("classes").add_argument
    add("--class-names", help="names split by commas; case, blanks and _ do not count")
    add("--list-classes", nargs="?", const="", metavar="PATTERN", help="list names and exit")
    add("--version", choices=OPEN_IMAGES_RELEASES, default="v4", help="release (default: v4)")

    add = parser.add_argument_group("folders").add_argument
    add("--data", "--root", type=Path, default=Path("data"), help="where to write (default: data)")
    add(
        "--cache-dir",
        type=Path,
        default=cache_folder("open_images"),
        help="where the annotation files of Open Images stay (default: %(default)s)",
    )
    add(
        "--format",
        choices=("open_images", "voc"),
        default="open_images",
        help="voc writes a VOC folder beside, DATA-voc (default: open_images)",
    )

    add = parser.add_argument_group("choice of pictures").add_argument
    add("--stats-only", action="store_true", help="count what would be downloaded, and exit")
    add("--max-images", type=int, default=0, help="at most so many, in proportion (default: all)")
    add(
        "--max-annotations-per-class",
        type=int,
        default=0,
        help="at most so many boxes of a class, by leaving out pictures (default: all)",
    )
    add("--seed", type=int, default=0, help="seed of the choice (default: 0)")
    add("--include-depiction", action="store_true", help="take drawings and toys for objects too")
    add(
        "--remove-overlapped",
        action="store_true",
        help="remove single boxes that a group box of their class covers by 90 percent",
    )
    for name, flag in EXCLUDABLE.items():
        option = "--" + name.replace("_", "-")
        add(option, action="store_true", help=f"no pictures with a box that is marked {flag}")
    add(
        "--min-box-size",
        type=float,
        default=0.0,
        metavar="FRACTION",
        help="no pictures with a box side below this fraction of the picture's (default: 0)",
    )
    add("--filter-file", type=Path, help="file of ImageIDs to leave out, one a line")

    add = parser.add_argument_group("transfer").add_argument
    add("--num-workers", "--workers", type=int, default=10, help="pictures at once (default: 10)")
    add("--retry", type=int, default=10, help="attempts for each file (default: 10)")
    add("--timeout", type=float, default=20.0, help="seconds without an answer (default: 20)")
    add(
        "--annotations-url",
        default=os.environ.get("OPEN_IMAGES_ANNOTATIONS_URL", OPEN_IMAGES_URL),
        help="mirror of the annotation files (default: %(default)s)",
    )
    add(
        "--endpoint-url",
        default=os.environ.get("OPEN_IMAGES_ENDPOINT_URL", S3_URL),
        help="S3 server with the pictures (default: %(default)s)",
    )
    add("--debug", action="store_true", help="show the traceback of a failure")

    args = parse_options(parser, argv)
    if args.class_names is None and args.list_classes is None:
        parser.error('name classes, as in --class-names "Apple,Banana", or see --list-classes')
    if min(args.max_images, args.max_annotations_per_class) < 0:
        parser.error("--max-images and --max-annotations-per-class must be 0 (no limit) or more")
    if min(args.num_workers, args.retry) < 1 or args.timeout <= 0:
        parser.error("--num-workers, --retry and --timeout must be more than 0")
    if not 0 <= args.min_box_size < 1:
        parser.error(f"--min-box-size must be from 0 to below 1, got {args.min_box_size}")
    return args


def main(args: argparse.Namespace) -> int:
    """Settle the classes, find their boxes, choose, count, and get the pictures."""
    set_up_logging()
    from vision.download.choice.class_names import (
        OPEN_IMAGES_CLASSES,
        read_class_table,
        split_names,
    )
    from vision.download.choice.splits import (
        limit_splits,
        log_available,
        log_limits,
        statistics_block,
    )
    from vision.download.transfer.retry import RetryPolicy

    table = read_class_table(OPEN_IMAGES_CLASSES)
    if args.list_classes is not None:
        print("\n".join(table.search(args.list_classes)))
        return 0
    class_names = table.resolve(split_names(args.class_names))
    policy = RetryPolicy(attempts=args.retry, timeout=args.timeout)

    available = []
    for name in OPEN_IMAGES_SPLITS:
        available.append(read_annotations(args, name, table, class_names, policy))
        log_available(available[-1])
    limits = (args.max_images, args.max_annotations_per_class)
    chosen = limit_splits(available, *limits, args.seed)
    log_limits(available, chosen)
    print(f"\n{statistics_block(chosen, class_names)}\n", flush=True)
    if args.stats_only:
        return 0
    return download(args, chosen, table, class_names, policy)


def read_annotations(
    args: argparse.Namespace,
    split: str,
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> OpenImagesSplit:
    """Return the wanted boxes of a split."""
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
    address = OPEN_IMAGES_RELEASES[args.version][split]
    path = args.cache_dir / args.version / f"{split}-annotations-bbox.csv"
    fetch_once(args.annotations_url, address, path, policy)
    logger.info("Read annotation file %s", path)
    return read_open_images_split(split, path, table, class_names, filters)


def download(
    args: argparse.Namespace,
    splits: Sequence[OpenImagesSplit],
    table: ClassTable,
    class_names: Sequence[str],
    policy: RetryPolicy,
) -> int:
    """Get the pictures; then write the files that name those which are there."""
    from vision.download.gather import conclude, gather_splits
    from vision.download.open_images.dataset import (
        labelled_pictures,
        write_class_descriptions,
        write_open_images_split,
        write_readme,
    )
    from vision.download.transfer.lock import locked
    from vision.download.transfer.s3 import open_bucket
    from vision.download.voc import voc_folder, write_voc

    open_sources = partial(open_bucket, OPEN_IMAGES_BUCKET, args.endpoint_url, policy)
    with locked(args.data):
        splits, report = gather_splits(splits, open_sources, args.data, policy, args.num_workers)
        for split in splits:
            write_open_images_split(args.data, split, class_names)
        write_class_descriptions(args.data, table)
        write_readme(args.data, args.version)
        if args.format == "voc":
            labelled = {s.name: labelled_pictures(s, args.data, class_names) for s in splits}
            write_voc(voc_folder(args.data), labelled, class_names)
    return conclude(report)


if __name__ == "__main__":
    arguments = parse_args()
    sys.exit(run_main(main, arguments))
