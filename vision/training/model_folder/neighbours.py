"""What lies in a model directory and takes its class names from the labels.txt there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Sequence

from vision.checkpoints.detector import EXPORTED, LAST, PREVIOUS, WEIGHTS
from vision.checkpoints.own_labels import LABELS, PUBLISHED_FILE
from vision.checkpoints.recognition import count_classes, find_net
from vision.checkpoints.weights_file import read_weights
from vision.ssd import NETS
from vision.utils.labels import labels_text, read_labels, read_labels_for
from vision.utils.text import first_few

MOST_SHOWN = 8  # classes in a message

logger = logging.getLogger(__name__)


def require_own_names(
    folder: Path, class_names: Sequence[str], overwrite: bool, earlier: Path | None = None
) -> None:
    """Refuse to give the classes of a training to files of something else; nothing is written.

    Exported files, and weights of the older scripts, carry no class names: who opens one reads the
    labels.txt beside it, which a training replaces.

    Args:
        folder: the model directory of the training.
        class_names: that it learns, BACKGROUND first.
        overwrite: whether it may replace what is there; then there is a warning only.
        earlier: the folder of the run that goes on; None for one that begins.

    Raises:
        ValueError: naming a file whose classes would get other names.
    """
    goes_on = earlier is not None and earlier.resolve() == folder.resolve()
    renamed = None if goes_on else _renamed(folder, list(class_names))
    if renamed is None:
        return
    path, names = renamed
    facts = (
        f"{path} has the classes {first_few(names[1:], MOST_SHOWN)}, by the {LABELS} beside it, "
        f"which the training replaces by {first_few(class_names[1:], MOST_SHOWN)}"
    )
    if not overwrite:
        raise ValueError(
            f"{facts}, so that its boxes would get wrong names; name another --model-dir, or lose "
            "the old names by --overwrite"
        )
    logger.warning(
        "%s: from now on its boxes get wrong names; remove it, export it anew after the training, "
        "or put it into a folder of its own with a %s of its classes",
        facts,
        LABELS,
    )


def _renamed(folder: Path, class_names: list[str]) -> tuple[Path, list[str]] | None:
    """Return the first file that would get other class names, and those that it has."""
    labels = folder / LABELS
    try:
        if labels.read_bytes() == labels_text(class_names).encode("utf-8"):
            return None
        there = read_labels(labels)
    except (OSError, ValueError):
        return None  # there is none, or none that anything could be opened with
    for path in sorted(folder.glob("[!.]*")):
        names = _names_by_labels(path, labels, there)
        if names not in (None, class_names):
            return path, names
    return None


def _names_by_labels(path: Path, labels: Path, there: list[str]) -> list[str] | None:
    """Return the class names that a labels.txt gives to a file; None if they are not from it."""
    suffix = path.suffix.lower()
    if suffix == EXPORTED:
        return there
    if suffix != WEIGHTS or path.name in (LAST, PREVIOUS) or PUBLISHED_FILE.search(path.name):
        return None
    try:
        weights, description = read_weights(path)
    except (OSError, ValueError):
        return None
    net = find_net(weights) if description is None else None
    if net is None:
        return None
    num_classes = count_classes(weights, NETS[net].config(300))
    names = read_labels_for(labels, num_classes)
    return names if len(names) == num_classes else None
