"""Say what a folder looks like that is no dataset of a known format, and what to do with it."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from vision.datasets.files.folders import ANNOTATION_SUFFIXES, file_has, read_head
from vision.datasets.files.listing import FileListing
from vision.datasets.files.values import encoding_of
from vision.pictures.suffixes import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES

LAYOUTS_PAGE = "docs/datasets.md shows every layout that is read"
FILES_TO_LOOK_AT = 20
FOLDERS_SHOWN, SUFFIXES_SHOWN = 8, 5


class Likeness(NamedTuple):
    """How the files of another tool are told, and what to do with them."""

    name: str
    files: tuple[str, ...]  # patterns of paths below the folder
    keys: tuple[bytes, ...]  # that all stand in one of these files; none: the file is enough
    advice: str


LOOKS_LIKE = (
    Likeness("an archive", ("*.zip", "*.tar", "*.tgz", "*.tar.gz", "*.rar", "*.7z"), (),
             "unpack it"),
    Likeness("Supervisely", ("ann/*.json", "*/ann/*.json", "*/*/ann/*.json"), (b'"classTitle"',),
             "export as COCO, with the app 'Export to COCO' of its ecosystem"),
    Likeness("Label Studio's own JSON", ("*.json",), (b'"from_name"', b'"to_name"'),
             "export as COCO or YOLO"),
    Likeness("Labelbox", ("*.json", "*.ndjson"), (b'"data_row"',), "export as COCO"),
    Likeness("Labelbox", ("*.json",), (b'"Labeled Data"',), "export as COCO"),
    Likeness("Datumaro", ("annotations/*.json", "*.json"), (b'"items"', b'"categories"'),
             "convert it with `datum convert -f coco`"),
    Likeness("BDD100K", ("*.json", "labels/*.json"), (b'"box2d"',),
             "convert it to COCO with its own to_coco script"),
    Likeness("Cityscapes", ("gtFine/*/*/*.json", "*/*/*_polygons.json"), (b'"imgHeight"',),
             "convert it to COCO with cityscapesScripts or mmdetection"),
    Likeness("TFRecord", ("*.tfrecord", "*.tfrecords", "*.record", "*/*.tfrecord"), (),
             "export it again as VOC or COCO from where it was made"),
    Likeness("Parquet of Hugging Face", ("*.parquet", "data/*.parquet"), (),
             "write it out as COCO, with its pictures as files"),
)  # fmt: skip


def contents_of(root: Path) -> list[str]:
    """Return what lies in a folder, in words: its first folders, and files by their suffix."""
    entries = sorted(root.iterdir())
    folders = [entry.name for entry in entries if entry.is_dir()]
    suffixes = Counter(entry.suffix or "no suffix" for entry in entries if not entry.is_dir())
    found = [f"{name}/" for name in folders[:FOLDERS_SHOWN]]
    found += ["..."] * (len(folders) > FOLDERS_SHOWN)
    common = suffixes.most_common(SUFFIXES_SHOWN)
    return found + [f"{count:,} file{'s' * (count > 1)} {suffix}" for suffix, count in common]


def is_utf16(path: Path) -> bool:
    """Return whether a file of annotations is UTF-16, which only tables and VOC's XML may be."""
    return path.suffix.lower() != ".csv" and encoding_of(read_head(path, 4)) == "utf-16"


def looks_like(root: Path) -> str:
    """Return what a folder looks like and what to do, without a full stop."""
    for likeness in LOOKS_LIKE:
        paths = itertools.chain.from_iterable(root.glob(pattern) for pattern in likeness.files)
        for path in itertools.islice(paths, FILES_TO_LOOK_AT):
            if file_has(path, *likeness.keys):
                return f"It looks like {likeness.name}: {likeness.advice}"
    pictures = FileListing(root, (*PICTURE_SUFFIXES, *UNREADABLE_SUFFIXES)).files
    if not pictures:
        return "There are no pictures in it: check the path"
    texts = FileListing(root, ANNOTATION_SUFFIXES).files
    coded = next((one for one in texts[:FILES_TO_LOOK_AT] if is_utf16(root / one)), None)
    if coded:
        return f"{coded} is UTF-16 text, which is not read here: save it and its like as UTF-8"
    if texts:
        others = f" and {len(texts) - 1:,} more" if len(texts) > 1 else ""
        return (
            f"It has {len(pictures):,} pictures, but no boxes in a format that is read here. If "
            f"{texts[0]}{others} have them, export them as COCO or VOC; else mark the objects first"
        )
    return (
        f"It has {len(pictures):,} pictures, but no boxes: mark the objects first, for example "
        "with labelImg, CVAT or Label Studio"
    )
