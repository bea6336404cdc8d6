"""Make the index of shards that have none, as other tools write none: by going through the tars."""

from __future__ import annotations

import hashlib
import logging
import os
from array import array
from pathlib import Path
from typing import NamedTuple, Sequence

import numpy as np

from vision.datasets.files.folders import all_files, part_of_name, part_of_path
from vision.datasets.formats.per_picture import AnnotationError
from vision.datasets.formats.shards.index_file import PARTS, ShardIndex, load_index, save_index
from vision.datasets.formats.shards.tar_files import PackedSample, read_record, read_samples
from vision.datasets.index.arrays import as_array
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.remembered import default_cache_folder
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)

READ_SO = b"names with dots"  # what the last change made of samples; older scans are done again
REMEMBERED = 10_000  # pictures; fewer are scanned again within a second


class LostSample(NamedTuple):
    """A sample that could not be taken into the index."""

    part: str
    kind: str  # of problem
    message: str
    file: str  # shard and name


class Scan(NamedTuple):
    """What was found in the shards of a folder."""

    shards: ShardIndex
    lost: list[LostSample]
    notes: list[str]


def scan_shards(root: Path) -> Scan:
    """Return what all shards of a folder hold, from an earlier scan if they are the same still.

    The name of a shard (train-0001.tar), or of its folder, states its part.

    Raises:
        ValueError: a shard is damaged.
    """
    parts, notes = _parts_of(root)
    state = _state_of([path for paths in parts.values() for path in paths])
    cached = _cache_path(root)
    if cached.is_file():
        try:
            return Scan(load_index(cached, state), [], notes)
        except ValueError as error:
            logger.info("%s", error)
    shards = _Shards(root)
    for part, paths in parts.items():
        for path in paths:
            shards.add(path, part)
    index = shards.build()
    if len(index.part) >= REMEMBERED and not shards.lost:  # those would not be reported again
        try:
            with atomic_write(cached) as temporary:
                save_index(temporary, index, state)
        except OSError as error:
            logger.warning("cannot remember the shards of %s: %s", root, error)
    return Scan(index, shards.lost, notes)


def _parts_of(root: Path) -> tuple[dict[str, list[Path]], list[str]]:
    """Return the shards by part; those that state none are for training if no others are."""
    found: dict[str, list[Path]] = {}
    for path in all_files(root, ".tar"):
        part = part_of_name(path.stem) or part_of_path(path.relative_to(root).as_posix()) or "all"
        found.setdefault(part, []).append(path)
    notes: list[str] = []
    if "all" in found and len(found) > 1:
        left = found.pop("all")
        if "train" in found:
            notes.append(
                f"{left[0].name} and {len(left) - 1} more are not used, as other shards are called "
                "by their part"
            )
        else:
            found["train"] = left
    return {part: found[part] for part in PARTS if part in found}, notes


class _Shards:
    """Collects the samples of shards, one shard after the other."""

    def __init__(self, root: Path):
        self.root = root
        self.lost: list[LostSample] = []
        self._builder = IndexBuilder()
        self._ids: set[str] = set()
        self._names: list[str] = []
        self._sizes: list[int] = []
        self._places = {"part": array("B"), "shard": array("i"), "start": array("q")}
        self._places["size"] = array("q")

    def add(self, path: Path, part: str) -> None:
        """Add all samples of a shard."""
        name = path.relative_to(self.root).as_posix()
        self._names.append(name)
        self._sizes.append(path.stat().st_size)
        for sample in read_samples(path):
            if not self._add_sample(sample, name, part):
                continue
            values = (PARTS.index(part), len(self._names) - 1, sample.start, sample.size)
            for column, value in zip(self._places.values(), values):
                column.append(value)

    def build(self) -> ShardIndex:
        """Return the index of all shards added."""
        kinds = {"part": np.uint8, "shard": np.int32, "start": np.int64, "size": np.int64}
        columns = {name: as_array(self._places[name], kind) for name, kind in kinds.items()}
        sizes = np.array(self._sizes, dtype=np.int64)
        return ShardIndex(self._names, sizes, annotations=self._builder.build(), **columns)

    def _add_sample(self, sample: PackedSample, shard: str, part: str) -> bool:
        place = f"{shard}/{sample.name}"
        if sample.annotation is None:
            message = f"'{sample.key}' has no .json or .xml beside it"
            self.lost.append(LostSample(part, "annotation missing", message, place))
            return False
        name, data = sample.annotation
        if not sample.name:
            message = f"'{sample.key}' has no picture beside it"
            self.lost.append(LostSample(part, "picture missing", message, f"{shard}/{name}"))
            return False
        try:
            record = read_record(name, data)
        except AnnotationError as error:
            place = f"{shard}/{name}"
            self.lost.append(LostSample(part, "annotation broken", str(error), place))
            return False
        stated = record.filename if name.lower().endswith(".json") else ""
        self._builder.add_record(self._new_id(stated or sample.key, shard), sample.name, record)
        return True

    def _new_id(self, image_id: str, shard: str) -> str:
        """Return an id that no sample before has: other tools count from 0 in every shard."""
        if image_id in self._ids:
            image_id = f"{shard[: -len('.tar')]}/{image_id}"
        self._ids.add(image_id)
        return image_id


def _state_of(shards: Sequence[Path]) -> str:
    """Return what changes when one of the shards does."""
    digest = hashlib.blake2b(READ_SO, digest_size=12)
    for path in shards:
        status = path.stat()
        line = f"{path}\0{status.st_size} {status.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _cache_path(root: Path) -> Path:
    """Return where the scan of a folder is remembered."""
    name = hashlib.blake2b(os.fsencode(os.path.realpath(root)), digest_size=6).hexdigest()
    return default_cache_folder().parent / "shards" / f"shards-{name}.npz"
