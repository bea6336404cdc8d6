"""The bytes of a picture, whether it is a file of its own or lies among others in a tar shard.

A picture in a shard has an address in place of a path: SHARD.tar@START+SIZE/NAME. It says all that
is needed to read the picture, so every process can, and it ends in a name as a path does. The shard
may also lie in a bucket, as s3://bucket/SHARD.tar.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

from vision.pictures.bucket import object_state, read_object_range
from vision.utils.buckets import bucket_and_key
from vision.utils.files import read_regular, require_regular

PACKED_ADDRESS = re.compile(r"(.+?\.tar)@(\d{1,18})\+(\d{1,18})/(.+)", re.DOTALL | re.IGNORECASE)


class PackedPicture(NamedTuple):
    """Where a picture lies in a shard: `size` bytes, from byte `start` on."""

    shard: str  # path of the tar file
    start: int
    size: int
    name: str  # of the picture in the tar file

    @property
    def address(self) -> str:
        """Return what stands for the picture where others have a path."""
        return f"{self.shard}@{self.start}+{self.size}/{self.name}"

    def read(self, start: int, size: int) -> bytes:
        """Return up to `size` bytes of the picture, from its byte `start` on.

        Raises:
            OSError: the shard cannot be read.
            ValueError: it is not a file, or ends before the picture does.
        """
        first, last = self.start + start, self.start + min(start + size, self.size)
        data = _read_range(self.shard, first, max(last - first, 0))
        if len(data) < last - first:
            raise ValueError(
                f"{self.shard} ends before byte {last:,}, where '{self.name}' ends; the file is "
                "cut short, copy or download it again"
            )
        return data


def packed_picture(path: str | Path) -> PackedPicture | None:
    """Return where a picture lies in a shard, None if it is a file of its own."""
    match = PACKED_ADDRESS.fullmatch(os.fspath(path))
    if match is None:
        return None
    return PackedPicture(match[1], int(match[2]), int(match[3]), match[4])


def read_bytes(path: str | Path) -> bytes:
    """Return all bytes of a picture.

    Raises:
        OSError: there is no such file, or it cannot be read.
        ValueError: it is not a file, or its shard is cut short.
    """
    packed = packed_picture(path)
    return read_regular(path) if packed is None else packed.read(0, packed.size)


def read_some_bytes(path: str | Path, start: int, size: int) -> bytes:
    """Return up to `size` bytes of a picture from byte `start` on; raise as `read_bytes` does."""
    packed = packed_picture(path)
    if packed is not None:
        return packed.read(start, size)
    return _read_range(os.fspath(path), start, size)


def count_bytes(path: str | Path) -> int:
    """Return the size of a picture in bytes.

    Raises:
        OSError: there is no such file.
    """
    packed = packed_picture(path)
    return Path(path).stat().st_size if packed is None else packed.size


def state_of(path: str | Path) -> str:
    """Return what changes when a picture does: size and time of its file, or of its shard.

    Raises:
        OSError: there is no such file.
    """
    packed = packed_picture(path)
    file = path if packed is None else packed.shard
    if bucket_and_key(file):
        return " ".join(map(str, object_state(os.fspath(file))))
    status = Path(file).stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def copy_picture(path: str | Path, target: Path) -> None:
    """Write the bytes of a picture to a file of its own; raise as `read_bytes` does."""
    if packed_picture(path) is None:
        shutil.copyfile(path, target)
    else:
        target.write_bytes(read_bytes(path))


def _read_range(path: str, start: int, size: int) -> bytes:
    if bucket_and_key(path):
        return read_object_range(path, start, size)
    require_regular(path)
    with Path(path).open("rb") as file:
        file.seek(start)
        return file.read(size)
