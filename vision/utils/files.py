"""Write files that are either whole or absent, and keep names from data inside their folder."""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

LONGEST_PART = 255  # bytes that common file systems take for a name between two slashes
LONGEST_NAME = 1024  # bytes of a whole name
# What a name from data must not have, and how to say so.
LEADING_ELSEWHERE = (
    (re.compile(r"^$"), "is empty"),
    (re.compile(r"[\x00-\x1f\x7f]"), "has control characters"),
    (re.compile(r"^/"), "begins at the root"),
    (re.compile(r"^[A-Za-z]:"), "begins with a drive"),
    (re.compile(r"\\"), "has a backslash"),
    (re.compile(r"(^|/)\.{0,2}(/|$)"), "has a part that is empty, '.' or '..'"),
)
# Files that Windows takes for devices, whatever suffix they have, and characters that it refuses.
WINDOWS_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d) *(\..*)?", re.IGNORECASE)
WINDOWS_REFUSES = re.compile(r"""[<>:"|?*]|[ .]$""")
DISK_ERRORS = {errno.ENOSPC, errno.EIO, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def path_inside(folder: str | Path, name: str) -> Path:
    """Return the path of a name inside a folder; refuse a name that leads anywhere else.

    Every name that comes from data has to pass here before a file of that name is read, written or
    removed. It may contain folders, with "/" between them. Links are followed: the end must be
    inside the folder too.

    Raises:
        ValueError: with the name, and why it is refused.
    """
    fault = name_fault(name)
    if fault is None:
        path = Path(folder, name)
        # Without a folder in the name only its end can be a link.
        if not ("/" in name or path.is_symlink()):
            return path
        end = os.path.realpath(path)
        if Path(os.path.realpath(folder)) in Path(end).parents:
            return path
        fault = f"leads to {end}, through a link"
    shown = name[:80] if isinstance(name, str) else name
    raise ValueError(f"{shown!r} must be the name of a file inside {folder}, but it {fault}")


def name_fault(name: str, windows: bool = os.name == "nt") -> str | None:
    """Return why a name from data cannot be that of a file inside a folder, None if it can.

    Drive letters and backslashes are refused everywhere, as the data may have been made to be read
    on Windows; what only Windows cannot store is refused only there.
    """
    if not isinstance(name, str):
        return "is no text"
    try:
        parts = [os.fsencode(part) for part in name.split("/")]
    except UnicodeEncodeError:
        return "has characters that no file name can have"
    for pattern, fault in LEADING_ELSEWHERE:
        if pattern.search(name):
            return fault
    if max(map(len, parts)) > LONGEST_PART or sum(map(len, parts)) > LONGEST_NAME:
        return f"is longer than {LONGEST_PART} bytes"
    for part in name.split("/") if windows else ():
        if WINDOWS_DEVICES.fullmatch(part) or WINDOWS_REFUSES.search(part):
            return f"has the part {part!r}, which Windows cannot store"
    return None


@contextmanager
def naming_file(path: str | Path) -> Iterator[None]:
    """Add a file's name to an error of its disk; Python leaves the name out where a write fails."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_ERRORS and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; rename it into place after the block.

    A reader, or the next run after a power cut, finds the old file or the new one, never half of
    it. The folder is made where it is missing. If the block raises, the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{path.suffix}")
    try:
        with naming_file(path):
            yield temporary
            with temporary.open("rb+") as file:
                # Without this a power cut may leave an empty file under the final name.
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        if temporary.exists():
            temporary.unlink()
