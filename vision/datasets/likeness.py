"""Find pictures that are the same file, or that look like frames of one video."""

from __future__ import annotations

import re
from typing import Callable, Iterable, Sequence

import numpy as np

from vision.datasets.checks.problems import Problems
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.remembered import short_hash
from vision.datasets.thumbnails import thumbnails_of
from vision.pictures.files import count_bytes, read_bytes, read_some_bytes

Thumbnails = Callable[[Sequence[str]], np.ndarray]  # paths -> (N, 8, 8, 3), as `thumbnails_of`

CELL_DIFFERS = 24  # of 255; less is noise and compression
MAY_DIFFER = 0.1  # share of the cells that may differ between two frames, as something moved
MOST_THUMBNAILS = 20_000  # above this number of pictures only names are compared
SAMPLE_BYTES = 4096  # bytes from the middle of a file, which tell most files of one size apart


def find_groups(index: AnnotationIndex, thumbnails: Thumbnails = thumbnails_of) -> np.ndarray:
    """Return the number of its group for every picture, (N,).

    Pictures are sorted by name, frame_9 before frame_10. Neighbours that look alike are in one
    group, and so are the variants that Roboflow makes of one picture and calls `picture.rf.HASH`.
    """
    ids = list(index.image_ids)
    order = sorted(range(len(ids)), key=lambda row: _natural_key(ids[row]))
    joined = np.array(
        [_source_of(ids[a]) == _source_of(ids[b]) for a, b in zip(order, order[1:])], dtype=bool
    )
    if 1 < len(ids) <= MOST_THUMBNAILS:
        paths = list(index.paths)
        cells = thumbnails([paths[row] for row in order])
        joined |= _alike(cells[:-1], cells[1:])
    groups = np.zeros(len(ids), dtype=np.int64)
    groups[order] = np.concatenate([[0], np.cumsum(~joined)])[: len(ids)]
    return groups


def same_content(paths: Iterable[str], others: Iterable[str]) -> np.ndarray:
    """Return which of the N files have the same bytes as one of the others, (N,) bool.

    Compares sizes, then a few bytes, and whole files only where those are equal. A file that cannot
    be read is the same as no other.
    """
    mine, theirs = dict(enumerate(paths)), dict(enumerate(others))
    count = len(mine)
    for key_of in (_size, _sample_hash, _content_hash):
        keys, others_keys = _keys(mine, key_of), _keys(theirs, key_of)
        common = set(keys.values()) & set(others_keys.values()) - {None}
        mine = {row: path for row, path in mine.items() if keys[row] in common}
        theirs = {row: path for row, path in theirs.items() if others_keys[row] in common}
    shared = np.zeros(count, dtype=bool)
    shared[list(mine)] = True
    return shared


def report_copies(index: AnnotationIndex, contents: np.ndarray, problems: Problems) -> None:
    """Report every picture of an index whose file has the same bytes as an earlier one.

    Args:
        contents: (N,) of `PictureScanner.contents`, equal for equal files.
    """
    order = np.argsort(contents, kind="stable")
    same = np.append(False, contents[order][1:] == contents[order][:-1])

    def describe(place: int) -> tuple[str, str, int | None]:
        path, twin = (index.paths[int(order[one])] for one in (place, place - 1))
        return f"is the same file as {twin}", path, None

    problems.add_each("picture stored twice", np.flatnonzero(same[: len(index)]).tolist(), describe)


def report_tested(
    paths: Sequence[str],
    used: Sequence[str],
    contents_of: Callable[[Sequence[str]], np.ndarray],
    kind: str,
    problems: Problems,
) -> None:
    """Report the pictures to test on that are used otherwise too, in place or as copies.

    Args:
        paths: of the pictures to test on.
        used: paths of those that are trained on, or validated on.
        contents_of: `PictureScanner.contents`.
        kind: of KINDS.
    """
    twins = dict(zip(contents_of(used).tolist(), used))
    shared = [
        (path, twins[content])
        for path, content in zip(paths, contents_of(paths).tolist())
        if content in twins
    ]
    problems.add_each(kind, shared, _describe_tested)


def _describe_tested(pair: tuple[str, str]) -> tuple[str, str, int | None]:
    path, twin = pair
    return "is in both parts" if path == twin else f"is the same file as {twin}", path, None


def _keys(paths: dict[int, str], key_of: Callable) -> dict[int, object]:
    """Return `key_of(path)` for every file, None if it cannot be read."""
    keys: dict[int, object] = {}
    for row, path in paths.items():
        try:
            keys[row] = key_of(path)
        except (OSError, ValueError):  # a pipe is the same as nothing
            keys[row] = None
    return keys


def _size(path: str) -> int:
    return count_bytes(path)


def _sample_hash(path: str) -> tuple[int, int]:
    size = count_bytes(path)
    return size, short_hash(read_some_bytes(path, size // 2, SAMPLE_BYTES))


def _content_hash(path: str) -> int:
    return short_hash(read_bytes(path))


def _natural_key(name: str) -> list:
    """Return a key by which frame_9 comes before frame_10."""
    words = re.split(r"([0-9]+)", name)
    return [int(word) if number % 2 else word for number, word in enumerate(words)]


def _source_of(name: str) -> str:
    return name.split(".rf.")[0]


def _alike(thumbnails: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which of the pairs (K, 8, 8, 3) look alike, (K,) bool."""
    differs = np.abs(thumbnails - others).max(axis=3) > CELL_DIFFERS
    read = (thumbnails >= 0).all(axis=(1, 2, 3)) & (others >= 0).all(axis=(1, 2, 3))
    return read & (differs.mean(axis=(1, 2)) <= MAY_DIFFER)
