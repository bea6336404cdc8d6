"""What was found out about the files of a dataset, kept in a cache file until they change."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from vision.pictures.files import state_of
from vision.utils.buckets import full_path
from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)


def default_cache_folder() -> Path:
    """Return the usual folder of the cache files, beside those of the downloads."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "pytorch-ssd" / "pictures"


def cache_file(folder: Path | None, kind: str, root: str | Path) -> Path | None:
    """Return the file of one kind of facts about a dataset folder; None where none are kept."""
    if folder is None:
        return None
    resolved = os.fsencode(full_path(root))
    return Path(folder) / f"{kind}-{hashlib.blake2b(resolved, digest_size=6).hexdigest()}.npz"


def short_hash(data: bytes) -> int:
    """Return a number below 2**64 that differs, in practice, if the bytes differ."""
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def file_key(path: str) -> int:
    """Return a number for a file that changes when its path, size or time does."""
    try:
        state = state_of(path)
    except (OSError, ValueError):  # a null byte in a path is a ValueError
        state = "missing"
    data = path.encode("utf-8", "surrogatepass") + b"\0" + state.encode()
    return short_hash(data)


def load_arrays(path: Path | None, version: int, records: np.dtype) -> dict[str, np.ndarray]:
    """Return the arrays of a cache file; {} if there is none of this version and kind of records.

    Args:
        path: where `save_arrays` has put them.
        version: what they were saved as.
        records: of the array of that name.
    """
    if path is None or not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        fits = int(arrays.pop("version")) == version and arrays["records"].dtype == records
        return arrays if fits else {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.info("%s is not readable (%s); the pictures are opened again", path, error)
        return {}


def save_arrays(path: Path, version: int, **arrays: Any) -> None:
    """Write NumPy arrays, of which one is `records`; where that fails, warn and go on."""
    try:
        with atomic_write(path) as temporary:
            np.savez(temporary, version=np.int64(version), **arrays)
    except OSError as error:
        logger.warning("cannot remember the pictures in %s: %s", path, error.strerror)
