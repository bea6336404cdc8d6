"""Tell parts by the names of files and folders, and find annotation files where people put them."""

from __future__ import annotations

import codecs
import functools
import itertools
import mmap
import os
import re
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Sequence, Tuple, TypeVar, Union

from vision.pictures.suffixes import PICTURE_SUFFIXES

Suffixes = Union[str, Tuple[str, ...]]
Listed = TypeVar("Listed")

PART_WORDS = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation"),
    "test": ("test", "testing"),
}
PART_OF_WORD = {word: part for part, words in PART_WORDS.items() for word in words}
ANNOTATION_FOLDER = re.compile(
    "annotations|labels|label_2|data|images|image_2|jpegimages|obj_.*data"
)
ANNOTATION_SUFFIXES = (".json", ".xml", ".csv", ".txt", ".tar")
FILES_TO_TRY = 50  # that are not empty
FILES_TO_PASS_OVER = 20_000  # to find them; most pictures may show nothing of interest
LEAST_BYTES = 3  # of a file that says anything; a line break alone does not
FOLDERS_TO_TRY = 50  # of other names
FOLDERS_TO_WALK = 1000


def part_of_name(name: str) -> str | None:
    """Return the part that a name states, as `instances_train2017.json` or `valid`, or None."""
    words = re.findall("[a-z]+", name.lower())
    return next((PART_OF_WORD[word] for word in words if word in PART_OF_WORD), None)


def part_of_path(path: str) -> str | None:
    """Return the part that a folder on a relative path states, or None."""
    for folder in path.split("/")[:-1]:
        part = PART_OF_WORD.get(folder.lower().rstrip("0123456789"))
        if part:
            return part
    return None


def annotation_folders(root: Path) -> Iterator[Path]:
    """Yield the folders that may hold annotations: the root, and two levels of usual names."""
    yield root
    for folder in _annotation_subfolders(root):
        yield folder
        yield from _annotation_subfolders(folder)


def some_files(root: Path, suffix: Suffixes, anywhere: bool = False) -> Iterator[Path]:
    """Yield first files with a suffix from each of the `annotation_folders`, not empty ones.

    They come in any order.

    Args:
        anywhere: look into the other folders in `root` too, as there may be one for each class.
    """
    folders = annotation_folders(root)
    if anywhere:
        others = itertools.islice(folders_in(root), FOLDERS_TO_TRY)
        folders = iter(dict.fromkeys(itertools.chain(folders, others)))
    for folder in folders:
        for one in (suffix,) if isinstance(suffix, str) else suffix:
            yield from (folder / name for name in _first_names(folder, one))


def _first_names(folder: Path, suffix: str) -> Sequence[str]:
    """Return FILES_TO_TRY names of files in a folder that end in a suffix and are not empty.

    Every format asks, so a folder is listed once for all usual suffixes.
    """
    if suffix not in ANNOTATION_SUFFIXES:
        return _list_names(folder, (suffix,))[suffix]
    return _listed_once(_list_names, folder, ANNOTATION_SUFFIXES)[suffix]


def _listed_once(list_folder: Callable[..., Listed], folder: Path, *arguments: object) -> Listed:
    """Return `list_folder(folder, ...)`, of a folder that has not changed for a second only once.

    There may be a million pictures in it.
    """
    changed = folder.stat().st_mtime_ns
    if time.time_ns() - changed < 1_000_000_000:
        return list_folder(folder, *arguments)
    return _remembered(list_folder, folder, changed, *arguments)


@functools.lru_cache(maxsize=256)
def _remembered(
    list_folder: Callable[..., Listed], folder: Path, changed: int, *arguments: object
) -> Listed:
    return list_folder(folder, *arguments)


def _list_names(folder: Path, suffixes: tuple[str, ...]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {suffix: [] for suffix in suffixes}
    passed = dict.fromkeys(suffixes, 0)
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name.lower()
            if name.endswith(suffixes) and not name.startswith("."):
                suffix = next(suffix for suffix in suffixes if name.endswith(suffix))
                if len(names[suffix]) < FILES_TO_TRY and passed[suffix] < FILES_TO_PASS_OVER:
                    if _says_something(entry):
                        names[suffix].append(entry.name)
                    else:
                        passed[suffix] += 1
    return names


def _says_something(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.stat().st_size >= LEAST_BYTES
    except OSError:  # a link to nothing
        return False


def all_files(root: Path, suffix: Suffixes) -> list[Path]:
    """Return all files with a suffix from the `annotation_folders`, sorted within each."""
    return [
        entry
        for folder in annotation_folders(root)
        for entry in sorted(folder.iterdir())
        if entry.name.lower().endswith(suffix) and not entry.name.startswith(".")
    ]


def read_head(path: Path, size: int = 4096) -> bytes:
    """Return the first bytes of a file, without a mark of UTF-8; none if it is not a file."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        head = file.read(size)
    return head[len(codecs.BOM_UTF8) :] if head.startswith(codecs.BOM_UTF8) else head


def has_pictures(root: Path) -> bool:
    """Return whether there is a picture in a folder or below it; look at some folders only."""
    walk = itertools.islice(os.walk(root, followlinks=True), FOLDERS_TO_WALK)
    return any(name.lower().endswith(PICTURE_SUFFIXES) for _, _, names in walk for name in names)


def file_has(path: Path, *keys: bytes) -> bool:
    """Return whether all the keys stand anywhere in a file; False if it is not a file."""
    with _content(path) as data:
        return all(data.find(key) >= 0 for key in keys)


def file_matches(path: Path, pattern: re.Pattern[bytes]) -> bool:
    """Return whether a pattern is anywhere in a file; False if it is not a file."""
    with _content(path) as data:
        return pattern.search(data) is not None


@contextmanager
def _content(path: Path) -> Iterator[mmap.mmap | bytes]:
    """Yield the bytes of a file, which are read as they are looked at; none if it is not a file."""
    if not path.is_file() or not path.stat().st_size:
        yield b""
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted, without hidden ones."""
    return list(_listed_once(_list_folders, folder))


def _list_folders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        # For a link to itself, Path.is_dir() is False, while DirEntry.is_dir() raises.
        return sorted(
            Path(entry.path)
            for entry in entries
            if not entry.name.startswith(".")
            and (Path(entry.path) if entry.is_symlink() else entry).is_dir()
        )


def _annotation_subfolders(folder: Path) -> list[Path]:
    return [
        one
        for one in folders_in(folder)
        if ANNOTATION_FOLDER.fullmatch(one.name.lower()) or part_of_path(f"{one.name}/")
    ]
