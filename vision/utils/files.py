"""Writing files so that they are either whole or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import stat
from pathlib import Path
from typing import Iterator

TEMPORARY = re.compile(r"\..+\.(\d+)\.part(\.[^.]*)?")  # the name of a file that is being written
LITTLE = 1 << 20  # bytes of a disk that is full


class DiskFullError(OSError):
    """A file that was not written because the disk is full."""


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; rename it into place after the block.

    A reader, or the next run after a power cut, finds the old file or the new one, never half of
    it. The folder is made where it is missing. If the block raises, the temporary file is removed.

    Raises:
        DiskFullError: naming `path`, if there is no room for it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            # Without this a power cut may leave an empty file under the final name.
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch tells of a full disk by a RuntimeError
        if _is_full(error, path.parent):
            raise DiskFullError(
                f"{path} was not written: no space left on the disk of {path.parent.absolute()}; "
                "make room there, or name another folder"
            ) from None
        raise
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return shutil.disk_usage(folder).free < LITTLE


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove what `atomic_write` has left in a folder in processes that were killed; return it.

    Files of processes that still run stay.
    """
    removed = []
    for path in folder.glob(".*.part*"):
        match = TEMPORARY.fullmatch(path.name)
        if match and not path.is_dir() and not _is_running(int(match.group(1))):
            path.unlink()
            removed.append(path)
    return removed


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere the question would end the process
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def require_regular(path: str | Path) -> None:
    """Check that there is a file to open, before it is opened: a named pipe would wait for ever.

    Raises:
        FileNotFoundError: if there is nothing.
        ValueError: if it is a folder, a pipe, a device or a socket.
    """
    mode = Path(path).stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        kind = kinds.get(stat.S_IFMT(mode), "a device")
        raise ValueError(f"{path} must be a file, it is {kind}")
