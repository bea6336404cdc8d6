"""List a folder in one pass, and find files in it however their names are spelled."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath
from typing import Callable, Iterator, Sequence

from vision.datasets.files.values import decode
from vision.datasets.options import REPORT_FILE, TRAINING_ARGUMENTS
from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.files import read_regular

NO_DATA_FOLDERS = ("@eaDir", "__MACOSX")  # copies that other programs keep
# What a check writes: its report, and beside it a portrait of every part.
WRITTEN_BY_CHECKS = {REPORT_FILE, *(f"{part}.png" for part in ("train", "val", "test"))}


class FileListing:
    """Finds the files of some suffixes, in a folder and below it, by name without suffix."""

    def __init__(self, folder: Path, suffixes: Sequence[str]):
        """List the folder, without what is hidden, such as the `._` twins that macOS makes."""
        self.folder = folder
        self.suffixes = tuple(suffixes)
        self._files: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._others: set[str] = set()  # those with a better suffix beside them
        for below, names in _walk(folder):
            prefix = "" if below == "." else f"{below}/"
            for name in sorted(names, key=self._preference):
                stem, suffix = split_suffix(name)
                if suffix.lower() in self.suffixes and not name.startswith("."):
                    if self._files.setdefault(prefix + stem, prefix + name) != prefix + name:
                        self._others.add(prefix + name)
                    self._folded.setdefault(fold_name(prefix + stem), prefix + name)

    def keep(self, wanted: Callable[[str], bool]) -> None:
        """Forget the files whose path below the folder is not wanted."""
        self._files = {stem: file for stem, file in self._files.items() if wanted(file)}
        self._folded = {stem: file for stem, file in self._folded.items() if wanted(file)}

    @property
    def stems(self) -> list[str]:
        """Return the names without suffix, sorted; in folders below as `folder/name`."""
        return sorted(self._files)

    def file_of(self, stem: str) -> str:
        """Return the file of one of the `stems`."""
        return self._files[stem]

    @property
    def files(self) -> list[str]:
        """Return the files that `stems` stand for, sorted."""
        return sorted(self._files.values())

    def find(self, name: str) -> str | None:
        """Return the file, relative to the folder, that `name` means, with or without its suffix.

        An exact match wins. Else case and the two ways to store an accent make no difference.
        Only what was listed can be found, so that no name leads out of the folder.
        """
        if name in self._others:
            return name
        bare = strip_suffix(name, self.suffixes)
        exact = self._files.get(name) or self._files.get(bare)
        return exact or self._folded.get(fold_name(name)) or self._folded.get(fold_name(bare))

    def _preference(self, name: str) -> tuple[int, str]:
        suffix = split_suffix(name)[1].lower()
        known = suffix in self.suffixes
        return (self.suffixes.index(suffix) if known else len(self.suffixes), name)


def _walk(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (path below `folder`, names of files) for it and all folders below, each once.

    Links to folders are followed, as data often lies on another disk, but never in circles. Hidden
    folders are left out, such as .ipynb_checkpoints, and what trainings and checks have written.
    """
    seen = set()
    for top, folders, names in os.walk(folder, followlinks=True):
        found = Path(top).stat()
        of_a_training = Path(top) != folder and TRAINING_ARGUMENTS in names
        if (found.st_dev, found.st_ino) in seen or of_a_training:
            folders.clear()
            continue
        seen.add((found.st_dev, found.st_ino))
        folders[:] = sorted(
            one for one in folders if not one.startswith(".") and one not in NO_DATA_FOLDERS
        )
        if REPORT_FILE in names:  # a check may have been told to write where pictures are
            names = [one for one in names if one not in WRITTEN_BY_CHECKS]
        yield Path(top).relative_to(folder).as_posix(), names


def split_suffix(name: str) -> tuple[str, str]:
    """Return a file name as (name without suffix, suffix with its dot)."""
    stem, dot, end = name.rpartition(".")
    return (stem, dot + end) if dot else (name, "")


def strip_suffix(name: str, suffixes: Sequence[str] = PICTURE_SUFFIXES) -> str:
    """Return a name without its suffix if that is one of `suffixes`, in any case."""
    stem, suffix = split_suffix(name)
    return stem if suffix.lower() in suffixes else name


def find_child(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the first of `names` that is a folder inside `folder`, in any case, or None."""
    if not folder.is_dir():
        return None
    children = {child.name.lower(): child for child in sorted(folder.iterdir())}
    found = (children.get(name.lower()) for name in names)
    return next((child for child in found if child is not None and child.is_dir()), None)


def find_file(folder: Path, name: str) -> Path | None:
    """Return the file of a name inside `folder`, else one of that name in any case, or None."""
    exact = folder / name
    if exact.is_file() or not folder.is_dir():
        return exact if exact.is_file() else None
    wanted = name.lower()
    found = sorted(one for one in folder.iterdir() if one.name.lower() == wanted)
    return next(filter(Path.is_file, found), None)


def read_list(path: Path) -> list[str]:
    """Return the lines of a text file, stripped, without blank ones.

    Raises:
        ValueError: if it is not UTF-8.
    """
    lines = decode(read_regular(path), path).splitlines()
    return [line.strip() for line in lines if line.strip()]


def base_name(path: str) -> str:
    """Return the last part of a path of any operating system."""
    return PurePosixPath(path.replace("\\", "/")).name


def fold_name(name: str) -> str:
    """Return a name as it is compared: in any case, and with accents in either form."""
    return unicodedata.normalize("NFC", name).casefold()
