"""Look at a dataset of any format before training: what is in it, and what is wrong with it.

Usage:
    python3 check_dataset.py data/fruit
    python3 check_dataset.py data/a data/b --preview preview --resolution 512
    python3 check_dataset.py data/fruit --write-voc data/fruit_voc

Prints a summary and writes dataset_report.json, with every problem and its file, and histograms
into NAME_check, or into --output. Exit status: 0 the dataset can be used, 1 it cannot (with
--strict: or there is anything to look at), 2 usage.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from vision.utils.cli import lower, parse_options, run_main, set_up_logging


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_data_options(parser.add_argument_group("data"))
    group = parser.add_argument_group("the net that it is for")
    group.add_argument("--net", default="mb1-ssd", help="whose priors to compare (mb1-ssd)")
    group.add_argument("--resolution", type=int, default=300, help="input of the net, pixels (300)")
    group = parser.add_argument_group("what to write")
    group.add_argument(
        "--output", type=Path, help="folder of the report and histograms (NAME_check)"
    )
    group.add_argument("--preview", type=Path, metavar="DIR", help="folder for contact sheets")
    group.add_argument(
        "--preview-pictures", type=int, default=48, help="pictures on the sheets of a part (48)"
    )
    group.add_argument(
        "--write-voc", type=Path, metavar="DIR", help="new folder for a copy in Pascal VOC format"
    )
    group.add_argument(
        "--write-splits", action="store_true", help="write the split as lists into a VOC folder"
    )
    group = parser.add_argument_group("how to end")
    group.add_argument("--strict", action="store_true", help="exit status 1 for any warning too")
    group.add_argument("--log-level", type=lower, default="warning", help="(warning)")
    group.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    args = parse_options(parser, argv)
    args.data = [*args.data, *args.more_data]
    if not args.data:
        parser.error("a dataset folder is needed")
    return args


def add_data_options(group) -> None:
    """Add what to read and how."""
    group.add_argument("data", nargs="*", metavar="DIR", help="dataset folders")
    group.add_argument(
        "--data", "--datasets", dest="more_data", nargs="+", default=[], help="the same"
    )
    group.add_argument(
        "--dataset-type", type=lower, default="auto", help="format of the folders (auto)"
    )
    group.add_argument(
        "--val-split", type=float, default=0.2, help="fraction to hold out if none is stated (0.2)"
    )
    group.add_argument("--seed", type=int, default=0, help="of what is drawn (0)")
    group.add_argument("--classes", default="", metavar="A,B", help="use these classes alone (all)")
    group.add_argument(
        "--class-map", default="", metavar="OLD=NEW,...", help="rename classes, or join them"
    )
    group.add_argument(
        "--negatives", default="keep", help="pictures without objects: keep, drop or N%% (keep)"
    )
    group.add_argument(
        "--exif",
        type=lower,
        default="auto",
        help="whether boxes are turned with the picture: auto, ignore or apply (auto)",
    )
    group.add_argument(
        "--workers", type=int, default=0, help="threads that open pictures (0: one a core)"
    )
    group.add_argument(
        "--cache-dir",
        type=Path,
        help="folder in which to remember the pictures (~/.cache/pytorch-ssd/pictures)",
    )
    group.add_argument("--no-cache", action="store_true", help="open every picture anew")


def main(args: argparse.Namespace) -> int:
    """Read, check, report, and write what is asked for; return the exit status."""
    set_up_logging(args.log_level)
    logging.getLogger("vision.datasets.opening").setLevel("ERROR")  # the report says it all
    from vision.training.data_report import priors_by_resolution

    from vision.datasets.opening import open_datasets
    from vision.datasets.report.inspection import inspect, open_test_part
    from vision.ssd import resolve_net

    pictures, selection = make_checks(args), make_selection(args)
    data = args.data, args.dataset_type
    datasets = open_datasets(*data, selection=selection, allow_unusable=True, pictures=pictures)
    test = open_test_part(*data, datasets, selection, pictures)
    priors = priors_by_resolution(resolve_net(args.net), args.resolution)
    report = inspect(datasets, pictures, priors, args.resolution, test)
    print_report(report)
    write_files(args, report)
    unusable = report.unusable()
    if unusable:
        print(f"not usable: {unusable}")
    strict = args.strict and report.worst() in ("error", "warning")
    return 1 if unusable or strict else 0


def make_checks(args: argparse.Namespace):
    """Return what opens the pictures."""
    from vision.datasets.checks.picture_scan import PictureScanner, default_cache_folder
    from vision.datasets.checks.pictures import PictureChecks

    folder = None if args.no_cache else args.cache_dir or default_cache_folder()
    return PictureChecks(PictureScanner(folder, args.workers), args.exif)


def make_selection(args: argparse.Namespace):
    """Return what is used of the data."""
    from vision.datasets.selection import Selection, parse_class_map, parse_classes, parse_negatives

    return Selection(
        args.val_split,
        args.seed,
        parse_classes(args.classes),
        parse_class_map(args.class_map),
        parse_negatives(args.negatives),
    )


def print_report(report) -> None:
    """Print the summary, what was understood, and the first problems of every kind."""
    for line in report.understood:
        print(line)
    details = report.details()
    if details:
        print("\nproblems")
    for line in details:
        print(line)
    print()
    for line in report.summary():
        print(line)


def write_files(args: argparse.Namespace, report) -> None:
    """Write the report and whatever else the options ask for; say where it is."""
    from vision.datasets.formats.voc_writing import copy_as_voc, require_no_lists, write_lists
    from vision.datasets.report.contact_sheets import write_sheets
    from vision.datasets.report.histograms import write_histograms

    output = args.output or Path(f"{Path(args.data[0]).resolve().name or 'dataset'}_check")
    say("report", report.write(output))
    parts = {name: index for name, index in report.parts.items() if len(index)}
    for name, index in parts.items():
        write_histograms(index, name, output, args.resolution)
        if args.preview:
            sheets = write_sheets(index, name, args.preview, args.preview_pictures, args.seed)
            say("preview", f"{sheets[0]}" + f" to {sheets[-1].name}" * (len(sheets) > 1))
    if args.write_voc:
        copy_as_voc(parts, args.write_voc)
        say("voc", f"{args.write_voc}, with {', '.join(parts)}")
    if args.write_splits:
        require_no_lists(require_voc(args))
        say("splits", write_lists(require_voc(args), split_ids(parts))[0].parent)


def say(word: str, text: object) -> None:
    """Print a line in the manner of the summary."""
    print(f"{word:<10}{text}")


def require_voc(args: argparse.Namespace) -> Path:
    """Return the one VOC folder that lists can be written into.

    Raises:
        ValueError: there are several folders, or it is of another format.
    """
    from vision.datasets.source import Source

    folders = [Path(path) for path in args.data]
    if len(folders) > 1 or Source(folders[0], args.dataset_type).kind != "voc":
        raise ValueError(
            "--write-splits needs one dataset folder in VOC format, as other formats have no lists "
            "of ids; use --write-voc to write a folder that has them"
        )
    return folders[0]


def split_ids(parts) -> dict[str, list[str]]:
    """Return the picture ids of every part."""
    return {name: list(index.image_ids) for name, index in parts.items()}


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
