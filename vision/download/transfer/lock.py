"""Let one run at a time work in a folder."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Iterator

from vision.utils.files import make_folder, remove_empty

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make a folder and hold a lock on it; if another run holds it, wait.

    A folder that was made here, and in which the block has left nothing, is removed again. The lock
    ends with the process, however that ends, and leaves no file. On Windows, and in network folders
    that cannot be locked, there is no lock.
    """
    handle, made = _make_and_lock(folder)
    try:
        yield
    finally:
        remove_empty(made)  # before another run can have the lock
        if handle is not None:
            os.close(handle)


def _make_and_lock(folder: Path) -> tuple[int | None, list[Path]]:
    """Return the open, locked folder, None where there are no locks, and the folders made."""
    made = make_folder(folder)
    try:
        import fcntl
    except ImportError:
        return None, made
    while True:
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.warning("Waiting for another run that works in %s", folder)
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            logger.debug("%s cannot be locked: %s", folder, error)
        if folder.exists() and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle, made
        # The run that had the lock has removed the folder.
        os.close(handle)
        made = make_folder(folder)
