"""The options of the downloaders: what both take, and what each takes besides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, TypeVar
from urllib.parse import urlsplit

from vision.download.addresses import (
    COCO_URL,
    OPEN_IMAGES_RELEASES,
    OPEN_IMAGES_URL,
    S3_URL,
    cache_folder,
)
from vision.utils.options import (
    LogOptions,
    Number,
    OneOf,
    Whole,
    option,
    path,
    path_or_none,
    switch,
    text,
)

# What both datasets say of options whose defaults differ.
FOLDER_NAMES = ("--data", "--root", "--path")
FOLDER_HELP = "folder to write to"
CACHE_HELP = "folder in which the published files stay for the next dataset"
FORMAT_HELP = "voc: write a VOC folder, DATA-voc, as well"

# Options that a variable of the environment can set, too.
ENVIRONMENT = {
    "annotations_url": "OPEN_IMAGES_ANNOTATIONS_URL",
    "endpoint_url": "OPEN_IMAGES_ENDPOINT_URL",
    "url": "COCO_URL",
}


def web_address(value: Any) -> str:
    """Read the address of a server, or of a folder on it.

    Raises:
        ValueError: if it is none.
    """
    try:
        parts = urlsplit(text(value))
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a host or a port that is none
        usable = False
    if not usable or not value.isprintable() or " " in value:
        raise ValueError(f"must be an address that begins with https:// or http://, got {value}")
    return value


@dataclass(frozen=True)
class TransferOptions(LogOptions):
    """Transfer."""

    num_workers: int = option(
        10,
        "--num-workers",
        "--workers",
        kind=Whole(1, 256),
        metavar="N",
        help="download N pictures at a time",
    )
    retry: int = option(
        10,
        kind=Whole(1, 1000),
        metavar="N",
        help="give a file up after N attempts in a row that brought nothing",
    )
    timeout: float = option(
        20.0,
        kind=Number(above=0, highest=3600),
        metavar="SECONDS",
        help="an attempt has failed after this time without an answer",
    )


@dataclass(frozen=True)
class LimitOptions(LogOptions):
    """Choice of pictures."""

    stats_only: bool = switch(help="count what would be downloaded, and exit")
    max_images: int = option(
        0,
        kind=Whole(0),
        metavar="N",
        help="take at most N pictures; splits and classes keep their proportions; 0: all",
    )
    max_annotations_per_class: int = option(
        0,
        kind=Whole(0),
        metavar="N",
        help="leave out pictures until no class has more than N boxes; 0: none",
    )
    seed: int = option(0, kind=Whole(0), metavar="N", help="another seed makes another choice")


@dataclass(frozen=True)
class ClassOptions(LogOptions):
    """Classes."""

    class_names: str = option(
        "",
        kind=text,
        nargs=",",
        metavar="NAMES",
        help="names with commas between them, as in 'Apple,Banana', or all; capitals, blanks and "
        "_ make no difference",
    )
    list_classes: str | None = option(
        None,
        kind=text,
        nargs="?",
        const="",
        metavar="PATTERN",
        help="list the class names that contain PATTERN, and exit; without it, all",
    )


DownloadOptions = TypeVar("DownloadOptions", bound=ClassOptions)


@dataclass(frozen=True)
class OpenImagesOptions(TransferOptions, LimitOptions, ClassOptions):
    """Open Images."""

    version: str = option("v4", kind=OneOf(*OPEN_IMAGES_RELEASES), help="release of Open Images")
    data: Path = option(Path("data"), *FOLDER_NAMES, kind=path, metavar="FOLDER", help=FOLDER_HELP)
    cache_dir: Path = option(
        cache_folder("open_images"), kind=path, metavar="FOLDER", help=CACHE_HELP
    )
    format: str = option("open_images", kind=OneOf("open_images", "voc"), help=FORMAT_HELP)
    include_depiction: bool = switch(help="take drawings and toys for objects too")
    remove_overlapped: bool = switch(
        help="remove single boxes that a group box of their class covers by 90 %"
    )
    exclude_group_of: bool = switch(help="leave out pictures with a box that marks a group")
    exclude_occluded: bool = switch(help="leave out pictures with a box marked as occluded")
    exclude_truncated: bool = switch(help="leave out pictures with a box marked as truncated")
    min_box_size: float = option(
        0.0,
        kind=Number(0, below=1),
        metavar="FRACTION",
        help="leave out pictures with a box side below this fraction of the picture's side",
    )
    filter_file: Path | None = option(
        None,
        kind=path_or_none,
        metavar="FILE",
        help="leave out the pictures that this file names, one ImageID a line",
    )
    annotations_url: str = option(
        OPEN_IMAGES_URL,
        kind=web_address,
        help="server with the annotation files (or OPEN_IMAGES_ANNOTATIONS_URL)",
    )
    endpoint_url: str = option(
        S3_URL,
        kind=web_address,
        help="S3 server with the pictures (or OPEN_IMAGES_ENDPOINT_URL)",
    )


@dataclass(frozen=True)
class CocoOptions(TransferOptions, LimitOptions, ClassOptions):
    """COCO."""

    data: Path = option(
        Path("data/coco"), *FOLDER_NAMES, kind=path, metavar="FOLDER", help=FOLDER_HELP
    )
    cache_dir: Path = option(cache_folder("coco"), kind=path, metavar="FOLDER", help=CACHE_HELP)
    format: str = option("coco", kind=OneOf("coco", "voc"), help=FORMAT_HELP)
    exclude_crowd: bool = switch(help="leave out pictures with a box that marks a group")
    archives: bool = switch(help="fetch COCO's whole archives, and unpack what is chosen")
    url: str = option(COCO_URL, kind=web_address, help="COCO's server or a mirror (or COCO_URL)")


def choose_options(
    kind: type[DownloadOptions], environment: Mapping[str, str], typed: Mapping[str, Any]
) -> DownloadOptions:
    """Return what was typed, else what the environment says, else the defaults.

    Raises:
        ValueError: if a value cannot be used, or no class is named.
    """
    set_there = {name: environment.get(where) for name, where in ENVIRONMENT.items()}
    options = kind.of({name: value for name, value in set_there.items() if value}, typed)
    if not options.class_names and options.list_classes is None:
        raise ValueError('name classes, as in --class-names "Apple,Banana", or see --list-classes')
    return options
