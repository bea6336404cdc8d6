"""Look into tar files: which samples they hold, by WebDataset's conventions.

A sample is all files of one name up to the first dot: 0001.jpg with 0001.json or 0001.xml.
"""

from __future__ import annotations

import itertools
import json
import re
import tarfile
from pathlib import Path
from typing import Any, Iterator, NamedTuple

from vision.datasets.files.values import NAN, to_number, to_side, to_text
from vision.datasets.formats.per_picture import AnnotationError
from vision.datasets.formats.voc import parse_annotation
from vision.datasets.index.builder import Record
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.files import require_regular
from vision.utils.text import printable

SAMPLE_FILE = re.compile(r"((?:.*/)?[^/.]+)\.([^/]+)", re.DOTALL)
SAMPLE_ANNOTATIONS = (".json", ".xml")
LARGEST_ANNOTATION = 1 << 24  # bytes
MEMBERS_TO_TRY = 64
BLOCK = 512  # bytes; a tar file is made of such


class PackedSample(NamedTuple):
    """A picture in a tar file, and what is said of it there."""

    key: str  # the name up to the first dot
    name: str  # of the picture in the tar
    start: int  # its first byte
    size: int  # bytes
    annotation: tuple[str, bytes] | None  # the name of the file that annotates it, and its bytes


def is_shard(path: Path) -> bool:
    """Return whether a tar file begins with pictures that have an annotation of the same name."""
    try:
        require_regular(path)
        with tarfile.open(path, "r:") as tar:
            members = itertools.islice(tar, MEMBERS_TO_TRY)
            names = [_split(member.name) for member in members if member.isreg()]
    except (OSError, ValueError, tarfile.TarError):
        return False
    annotated = {key for key, suffix in names if suffix in SAMPLE_ANNOTATIONS}
    return any(key in annotated for key, suffix in names if suffix in PICTURE_SUFFIXES)


def read_samples(path: Path) -> Iterator[PackedSample]:
    """Yield the pictures of a tar file in their order; only headers and annotations are read.

    Raises:
        ValueError: the file is damaged, cut short or compressed.
    """
    pictures: dict[str, tarfile.TarInfo] = {}
    annotations: dict[str, tuple[str, bytes]] = {}
    last = "its beginning"
    try:
        require_regular(path)
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                last = f"'{printable(member.name)}'"
                key, suffix = _split(member.name)
                if not member.isreg() or member.issparse():
                    continue
                if suffix in PICTURE_SUFFIXES:
                    known = pictures.setdefault(key, member)
                    if _preference(suffix) < _preference(_split(known.name)[1]):
                        pictures[key] = member
                elif suffix in SAMPLE_ANNOTATIONS and member.size <= LARGEST_ANNOTATION:
                    annotations[key] = member.name, _content(tar, member)
    except (ValueError, EOFError, tarfile.TarError) as error:
        raise ValueError(
            f"{path} is no sound tar file: {printable(str(error))}, after {last}; copy it again "
            "(a compressed one must be unpacked to a plain .tar)"
        ) from None
    for key, member in pictures.items():
        yield PackedSample(key, member.name, member.offset_data, member.size, annotations.get(key))


def has_picture_at(path: Path, start: int, size: int, name: str) -> bool:
    """Return whether the header before byte `start` of a tar is of a file of that name and size."""
    if start < BLOCK:
        return False
    with path.open("rb") as file:
        file.seek(start - BLOCK)
        header = file.read(BLOCK)
    try:
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    # A longer name, or one with accents, stands in a header of its own before this one.
    plain = name.isascii() and len(name) < 100
    return member.size == size and (member.name == name or not plain)


def read_record(name: str, data: bytes) -> Record:
    """Return what the .json or .xml of a sample says.

    Raises:
        AnnotationError: it says nothing of the kind.
    """
    if name.lower().endswith(".xml"):
        return parse_annotation(data)
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"not JSON: {printable(str(error))}") from None
    boxes = content.get("boxes") if isinstance(content, dict) else None
    labels = content.get("labels") if isinstance(content, dict) else None
    if not isinstance(boxes, list) or not isinstance(labels, list) or len(boxes) != len(labels):
        raise AnnotationError("must have the lists 'boxes' and 'labels', of one length")
    flags = content.get("difficult")
    if not isinstance(flags, list) or len(flags) != len(boxes):
        flags = [False] * len(boxes)
    return Record(
        to_text(content.get("image_id")),
        (to_side(content.get("width")), to_side(content.get("height"))),
        [_corners(box) for box in boxes],
        [to_text(label) for label in labels],
        [flag is True or flag == 1 for flag in flags],
    )


def _corners(box: Any) -> tuple[float, ...]:
    if not isinstance(box, list) or len(box) != 4:
        return (NAN,) * 4
    return tuple(map(to_number, box))


def _split(name: str) -> tuple[str, str]:
    """Return a name as (key, suffix in lower case), ("", "") if it is none of a sample."""
    match = SAMPLE_FILE.fullmatch(name)
    return (match[1], f".{match[2].lower()}") if match else ("", "")


def _preference(suffix: str) -> int:
    return PICTURE_SUFFIXES.index(suffix)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
