"""Check annotations of any format: repair boxes, look up classes, report what is wrong."""

from __future__ import annotations

from functools import partial
from typing import Callable, Iterator, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from vision.datasets.checks.problems import KINDS, Problems
from vision.datasets.files.listing import fold_name
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.datasets.index.arrays import blocks
from vision.utils.labels import IGNORED_PIXELS, is_background
from vision.utils.text import did_you_mean

# From (image id, origin) to the file of an object, its line or None, and what to call it or "".
Place = Callable[[str, int], Tuple[str, Optional[int], str]]

# Larger coordinates are pixels. Fractions may be a little above 1, in boxes that leave the picture.
BEYOND_FRACTIONS = 4
# Some boxes are marked carelessly. Where so many and such a share have to be repaired, it is likely
# that all are in another form, as width and height in place of the second corner.
MANY_BOXES, LARGE_SHARE = 5, 0.1
MOST_HINTS = 20  # at a nearer name; each takes as long as there are names
FAR_BEYOND = 0.05  # of the picture's side


class _Question(NamedTuple):
    share: float  # of all boxes, those that must be odd
    words: str


QUESTIONS = {
    # Who drags from right to left, and tools that write the second corner first, make reversed
    # boxes too. Of sizes in place of corners some are reversed on one axis only, if they are small.
    "box reversed": _Question(
        0.01,
        "have their corners the wrong way round; do they have width and height where x2 and y2 are "
        "expected?",
    ),
    "box beyond the edge": _Question(
        LARGE_SHARE,
        "reach beyond the edge, many of them far; do they have x2 and y2 where width and height "
        "are expected, or were they marked on a larger picture?",
    ),
}


class _Fault(NamedTuple):
    kind: str  # of KINDS
    found: np.ndarray  # (K,) bool, the boxes that have it
    message: str  # with {0:g} and so on for their values
    values: np.ndarray  # (K, any number)
    odd: np.ndarray | None = None  # (K,) bool, those that a box of another form would be


class _OddBoxes:
    """Counts the boxes that would be as they are if all were in another form than the format's."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}  # by kind: found, odd ones, and the first of them

    def add(self, fault: _Fault, first: int) -> None:
        """Count the boxes of a block that begins with the box `first`."""
        if fault.odd is not None and fault.odd.any():
            counts = self._counts.setdefault(fault.kind, [0, 0, first + int(fault.odd.argmax())])
            counts[0] += int(fault.found.sum())
            counts[1] += int(fault.odd.sum())

    def report(self, index: AnnotationIndex, place: Place, problems: Problems) -> None:
        """Ask about the form of the boxes where a large share of them is odd."""
        for kind, (found, odd, first) in self._counts.items():
            share, words = QUESTIONS[kind]
            total = index.num_boxes
            if found >= max(MANY_BOXES, LARGE_SHARE * total) and odd >= share * total:
                image_id = index.image_ids[index.row_of(first)]
                file, line, _ = place(image_id, int(index.origins[first]))
                message = f"{found:,} of {total:,} boxes {words}"
                problems.add("boxes in another form", message, file, line, count=found)


def check_annotations(
    index: AnnotationIndex,
    place: Place,
    problems: Problems,
    pictures: Callable[[AnnotationIndex, Problems], AnnotationIndex] | None = None,
) -> AnnotationIndex:
    """Return what can be used of an index as it was read; works in place on its boxes and sizes.

    Args:
        pictures: opens every picture and makes sizes and boxes those of the stored picture, as
            `PictureChecks` does. Without it, only sizes that are not stated are read from files.
    """
    index = correct_units(index, place, problems)
    index = (pictures or fill_sizes)(index, problems)
    return repair_boxes(index, place, problems)


def correct_units(index: AnnotationIndex, place: Place, problems: Problems) -> AnnotationIndex:
    """Correct and report pictures whose boxes are fractions instead of pixels, or the reverse.

    Works in place on `index.relative`. All boxes of a picture are judged together. They are
    fractions if all coordinates are from 0 to 1 and not all are whole, and pixels if most boxes
    have a coordinate above BEYOND_FRACTIONS.
    """

    def _first_box(row: int) -> tuple[str, str, int | None]:
        box = int(index.offsets[row])
        file, line, _ = place(index.image_ids[row], int(index.origins[box]))
        numbers = ", ".join(f"{value:g}" for value in index.boxes[box])
        return f"'{index.image_ids[row]}' has boxes such as {numbers}", file, line

    wrong = np.zeros(len(index), dtype=bool)
    for start, stop in blocks(len(index)):
        first, last = index.offsets[start], index.offsets[stop]
        rows = np.repeat(np.arange(stop - start), np.diff(index.offsets[start : stop + 1]))
        boxes = index.boxes[first:last]
        with np.errstate(invalid="ignore"):
            large = (boxes > BEYOND_FRACTIONS).any(axis=1)
            small = ((boxes >= 0) & (boxes <= 1)).all(axis=1)
            split = (boxes % 1 != 0).any(axis=1)
        counts, num_large, num_small, num_split = (
            np.bincount(rows[chosen], minlength=stop - start)
            for chosen in (slice(None), large, small, small & split)
        )
        as_pixels = index.relative[start:stop] & (2 * num_large > counts)
        as_fractions = ~index.relative[start:stop] & (num_small == counts) & (num_split > 0)
        wrong[start:stop] = as_pixels | as_fractions
    for relative, kind in (
        (True, "boxes in pixels, not fractions"),
        (False, "boxes in fractions, not pixels"),
    ):
        problems.add_each(kind, np.flatnonzero(wrong & (index.relative == relative)), _first_box)
    index.relative[wrong] ^= True
    return index


def fill_sizes(index: AnnotationIndex, problems: Problems) -> AnnotationIndex:
    """Read the size of each picture whose boxes are in pixels and whose annotation states none.

    Works in place on `index.sizes`. Pictures that cannot be read are reported and left out.
    """
    from vision.pictures.reading import PictureError, read_picture_size

    readable = np.ones(len(index), dtype=bool)
    unknown = np.flatnonzero((index.sizes <= 0).any(axis=1) & ~index.relative)
    for row in unknown.tolist():
        try:
            index.sizes[row] = read_picture_size(index.paths[row])
        except PictureError as error:
            readable[row] = False
            problems.add("picture unreadable", str(error))
    return index if readable.all() else index.select(readable)


def repair_boxes(index: AnnotationIndex, place: Place, problems: Problems) -> AnnotationIndex:
    """Swap reversed corners, clip to the picture, leave out boxes without size; report each case.

    Works in place on `index.boxes`: those of Open Images would not fit into memory twice.
    """
    kept = np.ones(index.num_boxes, dtype=bool)
    odd_boxes = _OddBoxes()
    limits = np.where(index.relative[:, None], np.float32(1), index.sizes.astype(np.float32))
    limits[limits == 0] = np.inf
    for start, stop in blocks(len(index)):
        first, last = index.offsets[start], index.offsets[stop]
        pictures = np.repeat(np.arange(start, stop), np.diff(index.offsets[start : stop + 1]))
        relative = index.relative[pictures]
        for fault in _repair(index.boxes[first:last], limits[pictures], relative):
            odd_boxes.add(fault, first)
            positions = np.flatnonzero(fault.found)
            problems.add_each(fault.kind, positions, partial(_describe, index, place, fault, first))
            if KINDS[fault.kind].loses == "box":
                kept[first + positions] = False
        repeated = first + _repeated(index, first, last, pictures, kept)
        problems.add_each("box marked twice", repeated, partial(_describe_box, index, place))
        kept[repeated] = False
    odd_boxes.report(index, place, problems)
    return index.keep_boxes(kept)


def _repair(boxes: np.ndarray, limits: np.ndarray, relative: np.ndarray) -> Iterator[_Fault]:
    """Repair boxes (K, 4) in place and yield the faults.

    Args:
        limits: (K, 2) width and height of the pictures; 1 where `relative` (K,) is true.
    """
    numbers = np.isfinite(boxes).all(axis=1)
    boxes[~numbers] = 0
    corners_1, corners_2 = boxes[:, :2].copy(), boxes[:, 2:].copy()
    boxes[:, :2] = np.minimum(corners_1, corners_2)
    boxes[:, 2:] = np.maximum(corners_1, corners_2)
    with np.errstate(over="ignore"):
        sizes = boxes[:, 2:] - boxes[:, :2]
        clipped = np.clip(boxes, 0, np.hstack([limits, limits]))
        overhangs = np.abs(clipped - boxes)
        far = (overhangs[:, :2] > FAR_BEYOND * limits) | (overhangs[:, 2:] > FAR_BEYOND * limits)
    overhang = overhangs.max(axis=1, initial=0)
    boxes[:] = clipped

    smallest = np.where(relative, np.finfo(np.float32).tiny, np.float32(1))[:, None]
    flat = numbers & (sizes < smallest).any(axis=1)
    outside = numbers & ~flat & (boxes[:, 2:] - boxes[:, :2] < smallest).any(axis=1)
    beyond = numbers & ~flat & ~outside & (overhang > np.where(relative, 1e-3, 1))
    turned_x, turned_y = (corners_2 < corners_1).T
    turned = turned_x | turned_y
    yield _Fault("box without numbers", ~numbers, "has no coordinates, or not numbers", sizes)
    yield _Fault(
        "box reversed", turned, "has its corners the wrong way round", sizes, turned_x != turned_y
    )
    yield _Fault("box without size", flat, "is {0:g} x {1:g}", sizes)
    yield _Fault("box outside the picture", outside, "lies outside of {0:g} x {1:g}", limits)
    yield _Fault(
        "box beyond the edge",
        beyond,
        "reaches {0:g} too far",
        overhang[:, None],
        beyond & far.any(axis=1),
    )


def _repeated(
    index: AnnotationIndex, first: int, last: int, pictures: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Return which of the boxes first to last repeat picture, class and corners of another."""
    rows = np.flatnonzero(kept[first:last])
    if not len(rows):
        return rows
    keys = np.empty((len(rows), 6), dtype=np.int32)
    keys[:, 0], keys[:, 1] = pictures[rows], index.labels[first:last][rows]
    keys[:, 2:] = index.boxes[first:last][rows].view(np.int32)
    # Mix each row of six into one number: to sort rows takes ten times as long.
    odd = np.uint64(0x9E3779B97F4A7C15)
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in keys.T:
        mixed = (mixed ^ column.astype(np.uint64)) * odd
        mixed ^= mixed >> np.uint64(29)
    order = np.argsort(mixed, kind="stable")
    same = np.append(False, mixed[order][1:] == mixed[order][:-1])
    return np.sort(rows[order][same])


def _describe(
    index: AnnotationIndex, place: Place, fault: _Fault, first: int, position: int
) -> tuple[str, str, int | None]:
    words = fault.message.format(*fault.values[position])
    return _describe_box(index, place, first + position, words)


def _describe_box(
    index: AnnotationIndex, place: Place, box: int, words: str = "is marked more than once"
) -> tuple[str, str, int | None]:
    row = index.row_of(box)
    file, line, prefix = place(index.image_ids[row], int(index.origins[box]))
    return f"{prefix}'{index.class_names[index.labels[box]]}' {words}", file, line


def report_unknown_classes(
    index: AnnotationIndex, class_names: Sequence[str], place: Place, problems: Problems
) -> None:
    """Report every class that is not in the list, once, with its number of boxes."""
    counts = np.bincount(index.labels, minlength=len(index.class_names))
    known = set(class_names[1:])
    is_unknown = np.array([name not in known for name in index.class_names])
    is_unknown[0] = False  # the place of BACKGROUND
    boxes = np.flatnonzero(is_unknown[index.labels])
    labels, firsts = np.unique(index.labels[boxes], return_index=True)
    hinted = 0
    for label, box in zip(labels.tolist(), boxes[firsts].tolist()):
        name = index.class_names[label]
        file, line, _ = place(index.image_ids[index.row_of(box)], int(index.origins[box]))
        kind, message = _judge_name(name)
        if kind == "unknown class" and hinted < MOST_HINTS:
            hinted += 1
            message += did_you_mean(name, class_names[1:])
        message += f" ({counts[label]:,} objects, the first one here)"
        problems.add(kind, message, file, line, count=int(counts[label]))


def report_class_names(class_names: Sequence[str], problems: Problems) -> None:
    """Report class names that differ only by case or blanks, and those that detectnet hides."""
    spellings: dict[str, list[str]] = {}
    for name in class_names[1:]:
        spellings.setdefault("".join(filter(str.isalnum, fold_name(name))), []).append(name)
    for key, names in spellings.items():
        if key and len(names) > 1:
            listed = " and ".join(f"'{name}'" for name in names)
            hint = f"--class-map '{names[1]}={names[0]}' makes them one"
            problems.add("class names alike", f"{listed} are different classes; {hint}")
    if "void" in class_names:
        problems.add("class called void", "'void' is what detectnet never shows; rename the class")


def _judge_name(name: str) -> tuple[str, str]:
    """Return the kind of problem and the message for a class name that is not in the list."""
    if not name or not name.isprintable():
        unseen = next((f" (U+{ord(one):04X} in it)" for one in name if not one.isprintable()), "")
        return "object without name", f"'{name}' is no class name{unseen}"
    if name.upper() == IGNORED_PIXELS:
        return "area to ignore", f"'{name}' marks what is to be left out, and no object"
    if is_background(name):
        return (
            "class called BACKGROUND",
            f"'{name}' means that there is no object; leave such boxes away",
        )
    return "unknown class", f"'{name}' is not in the class list"
