"""The class names of files that carry none: old weights and exported detectors."""

from __future__ import annotations

from pathlib import Path

from vision.utils.labels import read_labels, read_labels_for

LABELS = "labels.txt"


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
