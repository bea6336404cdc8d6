"""The index of a folder of shards: all annotations, and where in which tar every picture lies.

With it, a picture is read as from a folder, in any order, without reading what lies before it.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import StringTable
from vision.pictures.files import PackedPicture
from vision.utils.files import name_fault, require_regular
from vision.utils.text import printable

INDEX_NAME = "shards.npz"
INDEX_VERSION = 1
PARTS = ("train", "val", "test", "all")
TABLES = ("shards", "class_names", "image_ids", "names")
PLACES: dict[str, type] = {
    "shard_sizes": np.int64,
    "part": np.uint8,
    "shard": np.int32,
    "start": np.int64,
    "size": np.int64,
}
ANNOTATIONS: dict[str, type] = {
    "sizes": np.int32,
    "relative": np.bool_,
    "offsets": np.int64,
    "boxes": np.float32,
    "labels": np.int16,
    "difficult": np.bool_,
    "origins": np.int32,
}


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """N pictures in S shards, in the order of their parts."""

    shards: list[str]  # S names of tar files, below the folder
    shard_sizes: np.ndarray  # (S,) int64 bytes
    part: np.ndarray  # (N,) uint8, position in PARTS
    shard: np.ndarray  # (N,) int32, position in `shards`
    start: np.ndarray  # (N,) int64, first byte of the picture in its shard
    size: np.ndarray  # (N,) int64 bytes
    annotations: AnnotationIndex  # whose paths are the names of the pictures in their shards

    def __post_init__(self) -> None:
        """Check that the arrays fit each other; a file may hold anything."""
        for name in ("part", "shard", "start", "size"):
            _require(getattr(self, name).shape == (len(self.annotations),), f"{name} is too short")
        _require(self.shard_sizes.shape == (len(self.shards),), "not every shard has a size")
        if len(self.annotations):
            _require(int(self.part.max()) < len(PARTS), "there is a part without a name")
            found = int(self.shard.min()) >= 0 and int(self.shard.max()) < len(self.shards)
            _require(found, "a picture lies in a shard that is not listed")
            within = (self.start >= 0) & (self.size >= 0)
            within &= self.start <= self.shard_sizes[self.shard] - self.size
            _require(bool(within.all()), "a picture lies outside of its shard")
        for name in self.shards:
            fault = name_fault(name)
            _require(fault is None, f"the name of a shard, {name[:80]!r}, {fault}")
            _require(name.lower().endswith(".tar"), f"the shard {name[:80]!r} is no .tar")
        offsets, labels = self.annotations.offsets, self.annotations.labels
        _require(_is_ascending(offsets), "pictures have less than no boxes")
        known = not len(labels) or (
            int(labels.min()) >= 1 and int(labels.max()) < len(self.annotations.class_names)
        )
        _require(known, "a box has a class that is not listed")

    def rows_of(self, part: str) -> np.ndarray:
        """Return the rows (K,) int64 of the pictures of one of PARTS."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def picture(self, row: int, root: str | Path) -> PackedPicture:
        """Return where the picture of a row lies, if the shards lie in `root`."""
        name = self.shards[int(self.shard[row])]
        return PackedPicture(
            f"{root}/{name}",
            int(self.start[row]),
            int(self.size[row]),
            self.annotations.paths[row],
        )


def save_index(path: Path, index: ShardIndex, state: str = "") -> None:
    """Write an index to a new file; `state` says of which files it is, where that may change."""
    annotations = index.annotations
    tables = {
        "shards": StringTable.from_strings(index.shards),
        "class_names": StringTable.from_strings(annotations.class_names),
        "image_ids": annotations.image_ids,
        "names": annotations.paths,
    }
    arrays: dict[str, np.ndarray] = {
        "version": np.array(INDEX_VERSION),
        "upright": np.array(annotations.upright),
        "state": np.array(state),
    }
    for name, table in tables.items():
        arrays[f"{name}_text"], arrays[f"{name}_offsets"] = table.blob, table.offsets
    for name, dtype in PLACES.items():
        arrays[name] = getattr(index, name).astype(dtype, copy=False)
    for name, dtype in ANNOTATIONS.items():
        arrays[name] = getattr(annotations, name).astype(dtype, copy=False)
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_index(path: Path, state: str = "") -> ShardIndex:
    """Read an index.

    Raises:
        ValueError: it is none, its parts contradict each other, or it is of another `state`.
    """
    try:
        require_regular(path)
        _require_unpacked(path)
        with np.load(path, allow_pickle=False) as arrays:
            version = arrays["version"]
            if version.shape or version != INDEX_VERSION:
                raise ValueError(f"it is of version {version}, this suite reads {INDEX_VERSION}")
            _require(str(arrays["state"]) == state, "it is of shards that have changed")
            return _from_arrays(arrays)
    except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} cannot be used as an index of shards: {printable(str(error))}; copy it again, "
            "or remove it, to have the shards themselves read"
        ) from None


def _from_arrays(arrays: Mapping[str, np.ndarray]) -> ShardIndex:
    places = {name: arrays[name] for name in PLACES}
    columns = {name: arrays[name] for name in ANNOTATIONS}
    for name, dtype in {**PLACES, **ANNOTATIONS}.items():
        found, wanted = {**places, **columns}[name].dtype, np.dtype(dtype)
        _require(found == wanted, f"{name} must be {wanted}, it is {found}")
    tables = {name: _table(arrays, name) for name in TABLES}
    upright = arrays["upright"]
    _require(upright.shape == () and upright.dtype == bool, "upright must be true or false")
    _require(columns["offsets"].ndim == 1 and len(columns["offsets"]) > 0, "offsets are missing")
    class_names = list(tables["class_names"])
    _require(len(set(class_names)) == len(class_names), "it lists a class twice")
    annotations = AnnotationIndex(
        class_names,
        tables["image_ids"],
        tables["names"],
        upright=bool(upright),
        view_is_stated=not str(arrays["state"]),  # a scan that is remembered knows no view
        **columns,
    )
    return ShardIndex(list(tables["shards"]), annotations=annotations, **places)


def _table(arrays: Mapping[str, np.ndarray], name: str) -> StringTable:
    text, offsets = arrays[f"{name}_text"], arrays[f"{name}_offsets"]
    sound = text.dtype == np.uint8 and offsets.dtype == np.int64
    sound = sound and text.ndim == 1 and offsets.ndim == 1 and len(offsets) > 0
    sound = sound and _is_ascending(offsets) and offsets[-1] == len(text)
    _require(bool(sound), f"{name} are not texts")
    return StringTable(text, offsets)


def _is_ascending(offsets: np.ndarray) -> bool:
    return offsets[0] == 0 and bool((np.diff(offsets) >= 0).all())


def _require_unpacked(path: Path) -> None:
    """Refuse a compressed file: a small one may become larger than the memory."""
    with zipfile.ZipFile(path) as archive:
        packed = [one for one in archive.infolist() if one.compress_type != zipfile.ZIP_STORED]
    _require(not packed, "it is compressed")


def _require(is_so: bool, fault: str) -> None:
    if not is_so:
        raise ValueError(fault)
