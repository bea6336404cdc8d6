"""What lies in a folder, found in one pass, however the file names are spelled."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Sequence

# In the order of preference for an id that has several; any of them in any case.
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")


class FileListing:
    """The files of some suffixes in a folder and below it, to be found by name without suffix."""

    def __init__(self, folder: Path, suffixes: Sequence[str]):
        """Walk the folder once; hidden files, and the `._` twins that macOS makes, do not count."""
        self.folder = folder
        self._suffixes = tuple(suffixes)
        self._files: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        for top, folders, names in os.walk(self.folder):
            folders.sort()
            below = Path(top).relative_to(self.folder).as_posix()
            prefix = "" if below == "." else f"{below}/"
            for name in sorted(names, key=self._preference):
                stem, suffix = split_suffix(name)
                if suffix.lower() in self._suffixes and not name.startswith("."):
                    self._files.setdefault(prefix + stem, prefix + name)
                    self._folded.setdefault(_fold(prefix + stem), prefix + name)

    @property
    def stems(self) -> list[str]:
        """Return the names without suffix, sorted; those in folders below as `folder/name`."""
        return sorted(self._files)

    @property
    def files(self) -> list[str]:
        """Return the files that `stems` stand for, sorted."""
        return sorted(self._files.values())

    def find(self, name: str) -> str | None:
        """Return the file, relative to the folder, that `name` means with or without its suffix.

        An exact match wins; then upper and lower case, and the two spellings of an accent, are one.
        Only what was listed can be found, so that no name leads out of the folder.
        """
        bare = strip_suffix(name, self._suffixes)
        for files, key in (
            (self._files, name),
            (self._files, bare),
            (self._folded, _fold(name)),
            (self._folded, _fold(bare)),
        ):
            if key in files:
                return files[key]
        return None

    def _preference(self, name: str) -> tuple[int, str]:
        suffix = split_suffix(name)[1].lower()
        known = suffix in self._suffixes
        return (self._suffixes.index(suffix) if known else len(self._suffixes), name)


def split_suffix(name: str) -> tuple[str, str]:
    """Return a file name as (name without suffix, suffix with its dot)."""
    stem, dot, end = name.rpartition(".")
    return (stem, dot + end) if dot else (name, "")


def strip_suffix(name: str, suffixes: Sequence[str] = PICTURE_SUFFIXES) -> str:
    """Return a name without its suffix, if that is one of `suffixes` in any case."""
    stem, suffix = split_suffix(name)
    return stem if suffix.lower() in suffixes else name


def find_child(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of `names` that is a folder in `folder`, in any case, or None."""
    if not folder.is_dir():
        return None
    children = {child.name.lower(): child for child in sorted(folder.iterdir())}
    found = (children.get(name.lower()) for name in names)
    return next((child for child in found if child is not None and child.is_dir()), None)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text file that are not blank, without blanks around them.

    Raises:
        ValueError: if it is not UTF-8.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: must be UTF-8 text; save it as UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def base_name(path: str) -> str:
    """Return the last part of a path as a tool on any system wrote it."""
    return PurePosixPath(path.replace("\\", "/")).name


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
