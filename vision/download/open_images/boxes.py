"""The boxes of chosen classes: columns from the index, and their lines where those are needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np

from vision.download.open_images.box_index import BoxIndex
from vision.download.open_images.line_scanner import FIRST_OF_RUN, FLAGS, column_names
from vision.utils.files import atomic_write

STEP = 1 << 16  # lines; as none has more than 2**15 bytes, together they have less than 2**32
DTYPES = {
    "starts": np.int64,
    "lengths": np.uint16,
    "classes": np.int16,
    "pictures": np.int32,
    "flags": np.uint8,
}


@dataclass(frozen=True, eq=False)
class Boxes:
    """Some lines of one annotation file, in its order.

    Attributes:
        starts: (N,) int64, where in the file each line begins.
        lengths: (N,) uint16, bytes of each line.
        classes: (N,) int16, place of the class among the chosen ones.
        pictures: (N,) int32, number of the picture, which is the number of its first run.
        flags: (N,) uint8, bits of `line_scanner.FLAGS`.
    """

    starts: np.ndarray
    lengths: np.ndarray
    classes: np.ndarray
    pictures: np.ndarray
    flags: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, keep: np.ndarray) -> Boxes:
        """Return the boxes that a mask (N,) bool or an array of places selects."""
        return Boxes(**{name: getattr(self, name)[keep] for name in DTYPES})

    def has(self, flag: str) -> np.ndarray:
        """Return which boxes have a flag of `line_scanner.FLAGS`, (N,) bool."""
        return self.flags & _bit(flag) > 0


def select_boxes(index: BoxIndex, codes: Sequence[int], without: Sequence[str] = ()) -> Boxes:
    """Return the boxes of some classes, except those that have one of the flags `without`.

    `codes` are places in the list of labels that the index was made with.
    """
    place = np.full(2**16, -1, np.int16)
    place[list(codes)] = np.arange(len(codes))
    wanted = place >= 0
    unwanted = np.bitwise_or.reduce(np.array([_bit(flag) for flag in without], np.uint8))
    columns = {name: [np.empty(0, dtype)] for name, dtype in DTYPES.items()}
    start, run = len(index.header), -1
    for first in range(0, len(index), STEP):
        step = slice(first, first + STEP)
        labels, flags, lengths = index.codes[step], index.flags[step], index.lengths[step]
        keep = np.flatnonzero(wanted.take(labels) & (flags & unwanted == 0))
        ends = np.cumsum(lengths, dtype=np.uint32)
        runs = np.cumsum(flags >= FIRST_OF_RUN, dtype=np.int32)
        columns["starts"].append(start + (ends[keep] - lengths[keep]).astype(np.int64))
        columns["lengths"].append(lengths[keep])
        columns["classes"].append(place[labels[keep]])
        columns["pictures"].append(run + runs[keep])
        columns["flags"].append(flags[keep])
        start, run = start + int(ends[-1]), run + int(runs[-1])
    # Popped: while one column is joined, no other is in memory twice.
    boxes = Boxes(**{name: np.concatenate(columns.pop(name)) for name in DTYPES})
    _join_runs(boxes.pictures, index.runs)
    return boxes


def _join_runs(pictures: np.ndarray, fingerprints: np.ndarray) -> None:
    """Give all boxes of a picture one number, that of its first run, in place.

    Args:
        pictures: (N,) int32, number of each box's run, ascending.
        fingerprints: (runs,) uint64, of the picture of each run.
    """
    begins = np.diff(pictures, prepend=np.int32(-1)) > 0
    runs = pictures[begins]
    ordered = np.sort(fingerprints[runs])
    if (ordered[1:] == ordered[:-1]).any():
        _, first, same = np.unique(fingerprints[runs], return_index=True, return_inverse=True)
        pictures[:] = runs[first][same][np.cumsum(begins) - 1]


def read_box_lines(path: Path, boxes: Boxes) -> Iterator[bytes]:
    """Yield the line of each box, without the line end."""
    with path.open("rb") as file:
        for start, length in zip(boxes.starts.tolist(), boxes.lengths.tolist()):
            file.seek(start)
            yield file.read(length).rstrip(b"\n")


def read_coordinates(index: BoxIndex, boxes: Boxes) -> np.ndarray:
    """Return the boxes as (N, 4) float64 xyxy, fractions of their pictures.

    Raises:
        ValueError: if one of them is no number.
    """
    coordinates = np.empty((len(boxes), 4))
    for row, fields in enumerate(_read_fields(index, boxes, ("XMin", "YMin", "XMax", "YMax"))):
        try:
            coordinates[row] = [float(field) for field in fields]
        except ValueError as error:
            raise ValueError(f"{index.path}, where it has {fields}: {error}") from error
    return coordinates


def read_image_ids(index: BoxIndex, boxes: Boxes) -> dict[int, str]:
    """Return the ImageID of each picture number, in the order of the file."""
    numbers, first = np.unique(boxes.pictures, return_index=True)
    order = np.argsort(first)
    fields = _read_fields(index, boxes[first[order]], ("ImageID",))
    return {int(number): image_id for number, (image_id,) in zip(numbers[order], fields)}


def _read_fields(index: BoxIndex, boxes: Boxes, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the fields of some columns from the line of each box."""
    header = column_names(index.header.tobytes())
    columns = [header.index(name) for name in names if name in header]
    for line in read_box_lines(index.path, boxes):
        fields = line.split(b",")
        if len(columns) < len(names) or len(fields) != len(header):
            raise ValueError(
                f"{index.path}, the line {line[:80].decode(errors='replace')!r}: "
                f"must have {len(header)} fields, among them {', '.join(names)}; remove the file"
            )
        yield [fields[column].decode(errors="replace") for column in columns]


def write_boxes(path: Path, index: BoxIndex, boxes: Boxes, class_names: Sequence[str]) -> None:
    """Write boxes as an annotation file with one column more, ClassName."""
    suffixes = [f",{name}\n".encode() for name in class_names]
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        file.write(index.header.tobytes().rstrip(b"\r\n") + b",ClassName\n")
        for place, line in zip(boxes.classes.tolist(), read_box_lines(index.path, boxes)):
            file.write(line + suffixes[place])


def _bit(flag: str) -> np.uint8:
    return np.uint8(1 << FLAGS.index(flag))
