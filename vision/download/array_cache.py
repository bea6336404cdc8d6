"""Keep arrays that take long to make in a file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Mapping

import numpy as np

from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)


def load_or_make(
    path: Path, key: str, make: Callable[[], Mapping[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Return the named arrays of a file; if its key is another one, make the arrays and the file.

    The file holds one array after another, as `numpy.save` writes them: the key, the names, and
    then the arrays. If the file cannot be read, it is made again.
    """
    try:
        with path.open("rb") as file:
            if str(np.load(file)) == key:
                return {str(name): np.load(file) for name in np.load(file)}
    except FileNotFoundError:
        pass
    except (OSError, ValueError, EOFError) as error:
        logger.warning("%s cannot be used and is made again: %s", path, error)
    arrays = dict(make())
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.save(file, key)
        np.save(file, list(arrays))
        for array in arrays.values():
            np.save(file, array)
    return arrays
