"""The class names of files that carry none: old weights and exported detectors."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from vision.utils.labels import read_labels, read_labels_for

LABELS = "labels.txt"
# How files are called that were published with their precision on PASCAL VOC. They lie in models/,
# where the labels.txt of a run may lie too.
PUBLISHED_FILE = re.compile(r"-mp-0_\d+\.pth")

logger = logging.getLogger(__name__)


def find_labels(path: Path, labels: Path | None, num_classes: int | None) -> Path:
    """Return the file of the class names: the one that was named, else the one beside `path`.

    Args:
        path: of the weights, or of the exported detector.
        labels: that a person has named.
        num_classes: of the detector, BACKGROUND among them; None if it does not say.

    Raises:
        ValueError: if none was named and there is none, saying what to name.
    """
    beside = path.with_name(LABELS)
    if labels is not None or beside.is_file():
        return labels or beside
    classes = "its classes" if num_classes is None else f"{num_classes - 1} classes"
    raise ValueError(
        f"{path} does not say its class names and there is no {beside}; "
        f"name a file of {classes} with --labels"
    )


def names_beside(path: Path, num_classes: int) -> tuple[str, ...] | None:
    """Return the class names that the labels.txt beside weights gives them, BACKGROUND first.

    Returns:
        None if there is none, or it is not theirs, or cannot be read; the latter two are warned of.
    """
    beside = path.with_name(LABELS)
    if not num_classes or PUBLISHED_FILE.search(path.name) or not beside.is_file():
        return None
    try:
        names = read_labels_for(beside, num_classes)
    except ValueError as error:
        logger.warning("The class names beside %s are not used: %s", path, error)
        return None
    if len(names) == num_classes:
        return tuple(names)
    logger.warning(
        "%s has %d classes with BACKGROUND, and %s lists %d: it is not used",
        path,
        num_classes,
        beside,
        len(names),
    )
    return None


def own_class_names(path: Path, labels: Path | None, num_classes: int | None) -> list[str]:
    """Return the class names of a detector, BACKGROUND first, from its file of them.

    Args:
        path: of the weights, or of the exported detector.
        labels: that a person has named.
        num_classes: of the detector, BACKGROUND among them; None if it does not say.

    Raises:
        FileNotFoundError: if the file that was named is not there.
        ValueError: if there is none, or it does not fit.
    """
    labels = find_labels(path, labels, num_classes)
    if num_classes is None:
        return read_labels(labels)
    names = read_labels_for(labels, num_classes)
    if len(names) != num_classes:
        raise ValueError(
            f"{path} has {num_classes} classes with BACKGROUND, {labels} lists {len(names)}; "
            "give the labels.txt that was written when it was trained, with --labels"
        )
    return names
