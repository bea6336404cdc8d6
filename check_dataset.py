"""Look at a dataset of any format before training: what is in it, and what is wrong with it.

Usage:
    python3 check_dataset.py data/fruit
    python3 check_dataset.py data/a data/b --preview sheets --resolution 512
    python3 check_dataset.py data/fruit --write-voc data/fruit_voc
    python3 check_dataset.py data/fruit --write-shards data/fruit_shards

Prints what was understood and every kind of problem with its first cases. Writes
dataset_report.json, which has all of them, and a portrait of every part (classes, box sizes, box
places) into NAME_check, or into --output. Nothing in the dataset is changed. Exit status: 0 the
dataset can be used, 1 it cannot (with --strict: or there is a warning), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, Mapping, Sequence

from vision.datasets.options import DataOptions
from vision.utils.cli import parse_options, run_main, set_up_logging
from vision.utils.options import (
    INPUT_SIDES,
    LogOptions,
    Options,
    Whole,
    add_options,
    option,
    path_or_none,
    switch,
    text,
)

if TYPE_CHECKING:
    from vision.datasets.checks.pictures import PictureChecks
    from vision.datasets.index.annotation_index import AnnotationIndex


@dataclass(frozen=True)
class PictureOptions(Options):
    """How pictures are opened."""

    workers: int = option(
        0, kind=Whole(0, 256), metavar="THREADS", help="threads that open pictures; 0: one a core"
    )
    cache_dir: Path | None = option(
        None,
        kind=path_or_none,
        metavar="DIR",
        help="remember here what the pictures are, so that the next check opens only new ones "
        "(default: ~/.cache/pytorch-ssd/pictures)",
    )
    no_cache: bool = switch(help="open every picture, and remember nothing")

    def checks(self, exif: str) -> PictureChecks:
        """Return what opens the pictures."""
        from vision.datasets.checks.picture_scan import PictureScanner
        from vision.datasets.checks.pictures import PictureChecks
        from vision.datasets.remembered import default_cache_folder

        folder = None if self.no_cache else self.cache_dir or default_cache_folder()
        return PictureChecks(PictureScanner(folder, self.workers), exif)


@dataclass(frozen=True)
class PriorOptions(Options):
    """The net to train, whose priors are compared with the boxes."""

    net: str = option("mb1-ssd", kind=text, help="a net from docs/nets.md")
    resolution: int = option(
        300, kind=INPUT_SIDES, metavar="PIXELS", help="side of the net's input"
    )


@dataclass(frozen=True)
class OutputOptions(Options):
    """What is written, and how the check ends."""

    output: Path | None = option(
        None,
        kind=path_or_none,
        metavar="DIR",
        help="folder for the report and the portraits (default: NAME_check in this folder, where "
        "NAME is that of the dataset)",
    )
    preview: Path | None = option(
        None, kind=path_or_none, metavar="DIR", help="draw pictures with their boxes on sheets here"
    )
    preview_pictures: int = option(
        48, kind=Whole(1), metavar="PICTURES", help="pictures of each part on the sheets"
    )
    write_voc: Path | None = option(
        None,
        kind=path_or_none,
        metavar="DIR",
        help="copy the dataset into this new folder, in Pascal VOC format",
    )
    write_shards: Path | None = option(
        None,
        kind=path_or_none,
        metavar="DIR",
        help="copy the dataset into this new folder, as tar shards in WebDataset's conventions",
    )
    shard_size: int = option(
        256, kind=Whole(1, 1_000_000), metavar="MB", help="size of a shard, in millions of bytes"
    )
    write_splits: bool = switch(
        help="write the drawn split into the dataset, a VOC folder without lists"
    )
    strict: bool = switch(help="exit with status 1 for warnings too")


@dataclass(frozen=True)
class CheckOptions(LogOptions, OutputOptions, PriorOptions, PictureOptions, DataOptions):
    """All options of check_dataset.py."""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options; those that are not typed are not set."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "data", nargs="*", metavar="DIR", default=[],
        help="dataset folders; or a data.yaml, a COCO .json, CVAT's .xml, a folder of labels",
    )  # fmt: skip
    parser.add_argument(
        "--data", "--datasets", dest="more_data", nargs="+", metavar="DIR", help="the same",
        action="extend", default=[],
    )  # fmt: skip
    add_options(parser, CheckOptions)
    args = parse_options(parser, argv, CheckOptions)
    args.data = [*args.data, *args.more_data]
    if not args.data:
        parser.error("a dataset folder is needed")
    return args


def main(args: argparse.Namespace) -> int:
    """Read, check, report, and write what is asked for; return the exit status."""
    options = CheckOptions.of(vars(args))
    set_up_logging(options.log_level)
    logging.getLogger("vision.datasets.opening").setLevel("ERROR")  # the report says it all
    from vision.datasets.opening import open_datasets
    from vision.datasets.options import REPORT_FILE
    from vision.datasets.report.report import inspect, open_test_part
    from vision.ssd import resolve_net
    from vision.ssd.prior_search import priors_by_resolution
    from vision.utils.files import write_together

    first = Path(args.data[0]).resolve()
    name = first.stem if first.is_file() else first.name
    output = options.output or Path(f"{name or 'dataset'}_check")
    require_room(args.data, options, output)
    pictures, selection = options.checks(options.exif), options.selection()
    data = args.data, options.dataset_type
    priors = priors_by_resolution(resolve_net(options.net), options.resolution)
    datasets = open_datasets(*data, selection=selection, allow_unusable=True, pictures=pictures)
    test = open_test_part(*data, datasets, selection, pictures)
    report = inspect(datasets, pictures, priors, options.resolution, test)
    for line in report.lines():
        print(line)

    parts = {part: index for part, index in report.parts.items() if len(index)}
    with write_together() as place:
        written = [f"wrote {output / REPORT_FILE}"]
        report.write(place(output / REPORT_FILE))
        written += write_portraits(parts, output, options, place)
        written += write_copies(args.data, parts, options)
    print("", *written, sep="\n")
    unusable = report.unusable()
    if unusable:
        print(f"not usable: {unusable}")
    strict = options.strict and report.worst() in ("error", "warning")
    return 1 if unusable or strict else 0


def require_room(data: Sequence[str], options: CheckOptions, output: Path) -> None:
    """Refuse, before anything is read, what could not be written in the end.

    Raises:
        OSError: a folder may not be written to.
        ValueError: a folder cannot be made, has something in it, would become a part of the
            dataset, or no lists belong into it.
    """
    from vision.datasets.checked_folder import CheckedFolder
    from vision.datasets.formats.voc_writing import require_new_folder, require_no_lists
    from vision.utils.files import require_place

    require_place(output, is_folder=True)
    new = {"--preview": options.preview, "--write-voc": options.write_voc}
    for name, folder in {**new, "--write-shards": options.write_shards}.items():
        within = [one for one in data if folder and is_inside(folder, one)]
        if within:
            raise ValueError(
                f"{name} {folder} lies in the dataset {within[0]}, and its pictures would be a "
                "part of it from then on; name a folder outside"
            )
    if options.preview:
        require_place(options.preview, is_folder=True)
    for folder in (options.write_voc, options.write_shards):
        if folder:
            require_new_folder(folder)
    if options.write_splits:
        if len(data) > 1 or CheckedFolder(data[0], options.dataset_type).kind != "voc":
            raise ValueError(
                "--write-splits needs one dataset folder in VOC format, as other formats have no "
                "lists of ids; use --write-voc to write a folder that has them"
            )
        require_no_lists(data[0])


def is_inside(folder: Path, data: str) -> bool:
    """Say whether a folder lies in that of a dataset, or is it."""
    root = Path(data).resolve()
    root = root.parent if root.is_file() else root
    return root in (folder.resolve(), *folder.resolve().parents)


def write_portraits(
    parts: Mapping[str, AnnotationIndex],
    output: Path,
    options: CheckOptions,
    place: Callable[[str | Path], Path],
) -> Iterator[str]:
    """Draw every part, and pictures of it where asked; yield lines that say where."""
    from vision.datasets.report.contact_sheets import write_sheets
    from vision.datasets.report.portrait import write_portrait

    for part, index in parts.items():
        path = output / f"{part}.png"
        write_portrait(index, place(path), options.resolution)
        yield f"wrote {path}"
        if options.preview:
            pictures, seed = options.preview_pictures, options.seed
            sheets = write_sheets(index, part, options.preview, pictures, seed, place)
            yield f"wrote {sheets[0]}" + f" to {sheets[-1].name}" * (len(sheets) > 1)


def write_copies(
    data: Sequence[str], parts: Mapping[str, AnnotationIndex], options: CheckOptions
) -> Iterator[str]:
    """Write the folders or the lists that the options ask for; yield lines that say where."""
    from vision.datasets.formats.shards.writing import MEGABYTE, write_shards
    from vision.datasets.formats.voc_writing import copy_as_voc, write_lists

    if options.write_voc:
        copy_as_voc(parts, options.write_voc)
        yield f"wrote {options.write_voc} in VOC format, with {', '.join(parts)}"
    if options.write_shards:
        shards = write_shards(parts, options.write_shards, options.shard_size * MEGABYTE)
        yield f"wrote {len(shards):,} shards to {options.write_shards}, with {', '.join(parts)}"
    if options.write_splits:
        lists = {part: list(index.image_ids) for part, index in parts.items()}
        yield f"wrote {write_lists(data[0], lists)[0].parent}"


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
