"""Write a dataset as tar shards in WebDataset's conventions, with the index beside them."""

from __future__ import annotations

import io
import json
import re
import tarfile
from array import array
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import AbstractSet, Mapping

import numpy as np

from vision.datasets.files.class_lists import class_list_lines
from vision.datasets.files.listing import base_name, split_suffix
from vision.datasets.formats.shards.index_file import INDEX_NAME, PARTS, ShardIndex, save_index
from vision.datasets.formats.shards.tar_files import BLOCK
from vision.datasets.formats.voc_writing import require_new_folder, safe_name
from vision.datasets.index.annotation_index import AnnotationIndex, concatenate
from vision.datasets.index.arrays import StringTable, as_array
from vision.pictures.files import read_bytes
from vision.structures import Annotation
from vision.utils.files import naming_file, write_together

MEGABYTE = 1_000_000


def write_shards(
    parts: Mapping[str, AnnotationIndex], folder: str | Path, shard_bytes: int
) -> list[str]:
    """Write indices of one class list as shards into a new or empty folder; return their names.

    The picture files go in as they are. A shard ends with the picture that makes it as large as
    `shard_bytes`. All files appear together: a killed run leaves no half of a dataset.

    Args:
        parts: by part: any of "train", "val" and "test".

    Raises:
        ValueError: there is something in the folder.
        OSError: a picture cannot be read, or a shard cannot be written.
    """
    require_new_folder(folder)
    folder = Path(folder)
    class_names = next(iter(parts.values())).class_names
    counts = Counter(image_id for index in parts.values() for image_id in index.image_ids)
    shards = _NewShards(shard_bytes, {one for one, count in counts.items() if count > 1})
    with write_together() as place:
        for part, index in parts.items():
            row = number = 0
            while row < len(index):
                path = folder / f"{part}-{number:06d}.tar"
                row = shards.write(path, place(path), index, row)
                number += 1
        labels = "".join(f"{line}\n" for line in class_list_lines(class_names))
        place(folder / "labels.txt").write_text(labels, encoding="utf-8")
        save_index(place(folder / INDEX_NAME), shards.index(parts))
    return shards.names


class _NewShards:
    """Puts samples into shards, and remembers where they are."""

    def __init__(self, shard_bytes: int, ambiguous: AbstractSet[str]) -> None:
        """Write shards of about `shard_bytes`; pictures whose ids are `ambiguous` get new ones."""
        self.names: list[str] = []
        self._shard_bytes, self._ambiguous = shard_bytes, ambiguous
        self._ids: list[str] = []
        self._sizes = array("q")
        self._taken: set[str] = set()
        self._pictures: list[str] = []
        self._shard = array("i")
        self._start, self._size = array("q"), array("q")

    def write(self, path: Path, temporary: Path, index: AnnotationIndex, row: int) -> int:
        """Write a shard to `temporary` with the pictures from a row on; return the row after it."""
        with naming_file(path), tarfile.open(
            temporary, "w", format=tarfile.GNU_FORMAT, encoding="utf-8"
        ) as tar:
            while row < len(index) and tar.offset < self._shard_bytes:
                self._add(tar, index, row)
                row += 1
        self._sizes.append(temporary.stat().st_size)
        self.names.append(path.name)
        return row

    def _add(self, tar: tarfile.TarFile, index: AnnotationIndex, row: int) -> None:
        """Add the picture of a row, and beside it what is marked on it."""
        annotation = index[row]
        key, suffix = self._name(annotation)
        if annotation.image_id in self._ambiguous:  # as two folders have a picture of that name
            annotation = replace(annotation, image_id=key)
        self._ids.append(annotation.image_id)
        data = read_bytes(annotation.path)
        self._start.append(_put(tar, key + suffix, data))
        self._size.append(len(data))
        self._shard.append(len(self.names))
        self._pictures.append(key + suffix)
        _put(tar, f"{key}.json", _to_json(annotation, index, index.sizes[row].tolist()))

    def index(self, parts: Mapping[str, AnnotationIndex]) -> ShardIndex:
        """Return the index of all shards."""
        indices = list(parts.values())
        joined = concatenate(indices, indices[0].class_names)
        codes = np.array([PARTS.index(part) for part in parts], dtype=np.uint8)
        return ShardIndex(
            self.names,
            as_array(self._sizes, np.int64),
            np.repeat(codes, [len(index) for index in indices]),
            as_array(self._shard, np.int32),
            as_array(self._start, np.int64),
            as_array(self._size, np.int64),
            replace(
                joined,
                image_ids=StringTable.from_strings(self._ids),
                paths=StringTable.from_strings(self._pictures),
            ),
        )

    def _name(self, annotation: Annotation) -> tuple[str, str]:
        """Return a key that no other sample has, without dots, and the suffix of the picture."""
        stem, suffix = split_suffix(base_name(annotation.path))
        key = safe_name(re.sub(r"\.", "_", stem), self._taken)
        return key, suffix.lower()


def _put(tar: tarfile.TarFile, name: str, data: bytes) -> int:
    """Add a file to a tar; return the position of its first byte."""
    member = tarfile.TarInfo(name)  # without time and owner, so that equal data give equal shards
    member.size = len(data)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(data))
    return tar.offset - -(-len(data) // BLOCK) * BLOCK


def _to_json(annotation: Annotation, index: AnnotationIndex, size: list[int]) -> bytes:
    """Return what is said of a picture, with corners in pixels counted from 0."""
    width, height = size
    boxes = annotation.boxes
    if annotation.relative:
        boxes = annotation.boxes_in_pixels(width, height)
    content = {
        "image_id": annotation.image_id,
        "width": width,
        "height": height,
        "boxes": boxes.tolist(),
        "labels": [index.class_names[label] for label in annotation.labels],
        "difficult": annotation.difficult.tolist(),
    }
    return json.dumps(content, ensure_ascii=True).encode("ascii")
