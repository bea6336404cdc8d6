"""Look into tar files: which samples they hold, by WebDataset's conventions.

A sample is all files of one name up to the first dot: 0001.jpg with 0001.json or 0001.xml. Names of
pictures may have dots themselves, as other tools make them: a.rf.1.jpg with a.rf.1.json.
"""

from __future__ import annotations

import itertools
import json
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any, Iterable, Iterator, NamedTuple

from vision.datasets.files.listing import base_name, split_suffix
from vision.datasets.files.values import NAN, to_number, to_side, to_text
from vision.datasets.formats.per_picture import AnnotationError
from vision.datasets.formats.voc import parse_annotation
from vision.datasets.index.builder import Record
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.files import require_regular
from vision.utils.text import printable

SAMPLE_ANNOTATIONS = (".json", ".xml")
LARGEST_ANNOTATION = 1 << 24  # bytes
MEMBERS_TO_TRY = 64
BLOCK = 512  # bytes; a tar file is made of such


class PackedSample(NamedTuple):
    """A picture in a tar file, and what is said of it there."""

    key: str  # the name without suffix
    name: str  # of the picture in the tar, "" if there is none
    start: int  # its first byte
    size: int  # bytes
    annotation: tuple[str, bytes] | None  # the name of the file that annotates it, and its bytes


def is_shard(path: Path) -> bool:
    """Return whether a tar file begins with pictures that have an annotation of the same name."""
    try:
        require_regular(path)
        with tarfile.open(path, "r:") as tar:
            members = itertools.islice(tar, MEMBERS_TO_TRY)
            names = [member.name for member in members if member.isreg()]
    except (OSError, ValueError, tarfile.TarError):
        return False
    return any(pair_files(names).values())


def read_samples(path: Path) -> Iterator[PackedSample]:
    """Yield the pictures of a tar file in their order; only headers and annotations are read.

    Annotations whose picture is missing come last.

    Raises:
        ValueError: the file is damaged, cut short or compressed.
    """
    pictures: dict[str, tarfile.TarInfo] = {}
    annotations: dict[str, bytes] = {}
    last = "its beginning"
    try:
        require_regular(path)
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                last = f"'{printable(member.name)}'"
                suffix = _suffix(member.name)
                if not member.isreg() or member.issparse():
                    continue
                if suffix in PICTURE_SUFFIXES:
                    pictures.setdefault(member.name, member)
                elif suffix in SAMPLE_ANNOTATIONS and member.size <= LARGEST_ANNOTATION:
                    annotations[member.name] = _content(tar, member)
    except (ValueError, EOFError, tarfile.TarError) as error:
        raise ValueError(
            f"{path} is no sound tar file: {printable(str(error))}, after {last}; copy it again "
            "(a compressed one must be unpacked to a plain .tar)"
        ) from None
    yield from _samples(pictures, annotations)


def pair_files(names: Iterable[str]) -> dict[str, str | None]:
    """Return the pictures among the files of a tar, each with the file that annotates it, or None.

    That has the same name without suffix, or is the only one of the sample of an only picture.
    Other pictures of a sample, such as 0001.seg.png beside 0001.jpg, are no pictures of the data.
    """
    pictures: dict[str, str] = {}
    annotations: dict[str, str] = {}  # by their name without suffix, as the pictures
    for name in names:
        stem, suffix = split_suffix(name)[0], _suffix(name)
        if suffix in SAMPLE_ANNOTATIONS:
            annotations[stem] = name
        elif suffix in PICTURE_SUFFIXES:
            known = pictures.setdefault(stem, name)
            pictures[stem] = min(known, name, key=_preference)
    counts = Counter(map(_key, pictures))
    of_sample: dict[str, list[str]] = {}
    for stem, name in annotations.items():
        of_sample.setdefault(_key(stem), []).append(name)
    pairs: dict[str, str | None] = {}
    for stem, name in pictures.items():
        key = _key(stem)
        partner = annotations.get(stem)
        if partner is None and (stem == key or counts[key] == 1):
            left = [annotations[key]] if key in annotations else of_sample.get(key, [])
            partner = left[0] if len(left) == 1 else None
        if partner or stem == key or key not in pictures:
            pairs[name] = partner
    return pairs


def _samples(
    pictures: dict[str, tarfile.TarInfo], annotations: dict[str, bytes]
) -> Iterator[PackedSample]:
    """Yield pictures, given by name, with their annotations, then annotations without picture."""
    pairs = pair_files([*pictures, *annotations])
    plain = {split_suffix(name)[0] for name in pairs}
    for name, partner in pairs.items():
        stem, member = split_suffix(name)[0], pictures[name]
        of_another = _key(stem) != stem and _key(stem) in plain
        if of_another and partner and not _is_record(partner, annotations[partner]):
            continue  # 0001.seg.json says something else of 0001.jpg
        annotation = (partner, annotations[partner]) if partner else None
        yield PackedSample(stem, name, member.offset_data, member.size, annotation)
    used = set(pairs.values())
    for name, data in annotations.items():
        stem = split_suffix(name)[0]
        if name not in used and _key(stem) not in plain and _is_record(name, data):
            yield PackedSample(stem, "", 0, 0, (name, data))


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


def _is_record(name: str, data: bytes) -> bool:
    try:
        read_record(name, data)
    except AnnotationError:
        return False
    return True


def _suffix(name: str) -> str:
    """Return the suffix of a file in lower case, "" of a hidden one."""
    return "" if base_name(name).startswith(".") else split_suffix(name)[1].lower()


def _key(stem: str) -> str:
    """Return the name of a sample: up to the first dot behind the folders."""
    folder, slash, name = stem.rpartition("/")
    return folder + slash + name.partition(".")[0]


def _preference(name: str) -> int:
    return PICTURE_SUFFIXES.index(_suffix(name))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""
