"""Reading archives that may be damaged, or made to do harm."""

from __future__ import annotations

import contextlib
import errno
import struct
import zipfile
import zlib
from typing import Iterator

# What zipfile raises, besides OSError, for an archive that is not as it should be.
UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    KeyError,  # there is no such member
    RuntimeError,  # it is encrypted, or packed in an unknown way
    ValueError,
)


@contextlib.contextmanager
def damage_as(kind: type[Exception], what: str, advice: str = "") -> Iterator[None]:
    """Turn what is raised for a damaged archive into an error of one kind that names it."""
    try:
        yield
    except UNREADABLE as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise kind(f"{what}: {text}{advice}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the beginning of the file
            raise
        raise kind(f"{what}: it is damaged{advice}") from error
