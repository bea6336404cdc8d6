"""Arrays that are costly to make, kept in a file."""

from __future__ import annotations

import logging
import zipfile
from pathlib import Path
from typing import Callable, Mapping

import numpy as np

from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)


def load_or_make(
    path: Path, key: str, make: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the named arrays in a file; make them and the file if it has not that key.

    A file that cannot be read, for whatever reason, is made again.
    """
    try:
        with np.load(path) as file:
            if str(file["key"]) == key:
                return {name: file[name] for name in file.files if name != "key"}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        logger.warning("%s cannot be used and is made again: %s", path, error)
    arrays = dict(make())
    with atomic_write(path) as temporary:
        np.savez(temporary, key=key, **arrays)
    return arrays
