"""Open every picture once, in parallel, and remember what was found until the file changes."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence, Union

import numpy as np

from vision.datasets.index.arrays import StringTable, blocks
from vision.datasets.remembered import (
    cache_file,
    file_key,
    load_arrays,
    save_arrays,
    short_hash,
)
from vision.pictures.files import count_bytes, packed_picture, read_bytes
from vision.pictures.headers import FORMATS, KINDS_OF_PIXELS
from vision.utils.buckets import bucket_and_key

Paths = Union[Sequence[str], StringTable]

LARGEST_PICTURE_FILE = 1 << 30  # bytes
RECORD = np.dtype(
    [
        ("key", "<u8"),  # of path, file size and time
        ("width", "<i4"),  # as stored; 0 where the picture cannot be used
        ("height", "<i4"),
        ("content", "<u8"),  # equal for equal files
        ("orientation", "u1"),  # EXIF
        ("format", "u1"),  # position in FORMATS
        ("pixels", "u1"),  # position in KINDS_OF_PIXELS
    ]
)
CACHE_VERSION = 2  # a cache file of another version is not read
PICTURES_AT_ONCE = 2048


@dataclass(frozen=True, eq=False)
class PictureFacts:
    """What was found out about N pictures."""

    records: np.ndarray  # (N,) RECORD
    faults: dict[int, str]  # by position in `records`: why a picture cannot be used

    @property
    def sizes(self) -> np.ndarray:
        """Return width and height (N, 2) int32 as stored; 0 if the picture cannot be used."""
        return np.stack([self.records["width"], self.records["height"]], axis=1)


@dataclass
class PictureScanner:
    """Opens pictures, and remembers what was found in one cache file a dataset folder."""

    cache_folder: Path | None = None  # None: remember nothing
    workers: int = 0  # number of threads; 0: one a core
    progress: bool = True  # draw a progress bar on a terminal
    opened: int = field(default=0, init=False)  # number of pictures that were not in the cache
    _records: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=RECORD), init=False)

    def scan(self, root: str | Path, paths: Paths) -> PictureFacts:
        """Return what is known of the pictures of a dataset folder; open those that are new.

        A file is known if its path, size and time are those of an earlier scan.

        Args:
            root: the dataset folder, which has a cache file of its own.
            paths: N picture files.
        """
        path = cache_file(self.cache_folder, "pictures", root)
        known, faults = _load(path)
        keys = np.fromiter((file_key(one) for one in paths), dtype=np.uint64, count=len(paths))
        unknown = np.flatnonzero(~np.isin(keys, known["key"]))
        if len(unknown):
            found, new_faults = self._open([paths[row] for row in unknown.tolist()], keys[unknown])
            self.opened += len(unknown)
            known = _join(known, found)
            faults.update(new_faults)
            if path is not None:
                _save(path, known, faults)
        records = known[np.searchsorted(known["key"], keys)] if len(keys) else known[:0]
        self._records = _join(self._records, records)
        unusable = np.flatnonzero(records["width"] == 0)
        return PictureFacts(records, {int(row): faults[int(keys[row])] for row in unusable})

    def contents(self, paths: Paths) -> np.ndarray:
        """Return a number (N,) uint64 for each of the pictures scanned, equal for equal files."""
        keys = np.fromiter((file_key(one) for one in paths), dtype=np.uint64, count=len(paths))
        places = np.searchsorted(self._records["key"], keys)
        found = np.append(self._records["key"], 0)[places] == keys
        # A picture that was not scanned, or has changed since, gets a number of its own.
        contents = keys.copy()
        contents[found] = self._records["content"][places[found]]
        return contents

    def _open(self, paths: list[str], keys: np.ndarray) -> tuple[np.ndarray, dict[int, str]]:
        from tqdm import tqdm

        records, faults = np.zeros(len(paths), dtype=RECORD), {}
        records["key"] = keys
        bar = tqdm(
            desc="Checking pictures",
            total=len(paths),
            unit=" images",
            disable=None if self.progress else True,
        )
        with bar, ThreadPoolExecutor(self.workers or os.cpu_count() or 1) as pool:
            for start, stop in blocks(len(paths), PICTURES_AT_ONCE):
                results = pool.map(look_at, paths[start:stop])
                for row, (record, fault) in enumerate(results, start):
                    records[row] = (keys[row], *record)
                    if fault:
                        faults[int(keys[row])] = fault
                    bar.update()
        return records, faults


def _join(records: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return all records, each once, sorted by key."""
    joined = np.concatenate([records, others])
    return joined[np.unique(joined["key"], return_index=True)[1]]


def look_at(path: str) -> tuple[tuple, str]:
    """Open a picture; return the fields of its RECORD after the key, and its fault or ""."""
    from vision.pictures.reading import EncodedPicture, PictureError

    nothing = (0, 0, 0, 1, 0, 0)
    try:
        data = _read(path)
        picture = EncodedPicture.of(data, path, upright=False)
        header = picture.header
        picture.decode(max(picture.reductions))
    except PictureError as error:
        return nothing, str(error).replace(f"the picture {path}", "the picture").replace(path, "it")
    except OSError as error:
        packed = packed_picture(path)
        if packed and bucket_and_key(packed.shard):
            raise  # the network may be back tomorrow, but a fault would be remembered
        return nothing, f"the picture cannot be read: {error.strerror}"
    except ValueError as error:
        return nothing, str(error)
    content = short_hash(data)
    places = FORMATS.index(header.format), KINDS_OF_PIXELS.index(header.pixels)
    return (picture.width, picture.height, content, header.orientation, *places), ""


def _read(path: str) -> bytes:
    """Return the bytes of a picture; refuse pipes and devices, whose bytes may never end."""
    packed = packed_picture(path)
    if packed is None and not stat.S_ISREG(Path(path).stat().st_mode):
        raise ValueError("the picture is not a regular file")
    size = count_bytes(path)
    if size > LARGEST_PICTURE_FILE:
        raise ValueError(
            f"the picture has {size:,} bytes; at most {LARGEST_PICTURE_FILE:,} are read"
        )
    return read_bytes(path)


def _load(path: Path | None) -> tuple[np.ndarray, dict[int, str]]:
    """Return the records of an earlier scan, sorted by key, and the faults by key."""
    arrays = load_arrays(path, CACHE_VERSION, RECORD)
    try:
        messages = StringTable(arrays["blob"], arrays["offsets"])
        return arrays["records"], dict(zip(arrays["fault_keys"].tolist(), messages))
    except KeyError:
        return np.zeros(0, dtype=RECORD), {}


def _save(path: Path, records: np.ndarray, faults: dict[int, str]) -> None:
    messages = StringTable.from_strings(faults.values())
    fault_keys = np.array(list(faults), dtype=np.uint64)
    save_arrays(
        path,
        CACHE_VERSION,
        records=records,
        fault_keys=fault_keys,
        blob=messages.blob,
        offsets=messages.offsets,
    )
