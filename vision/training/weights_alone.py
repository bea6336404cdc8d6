"""Weights without a training state, which --resume goes on from at their beginning."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Sequence

from vision.checkpoints.recognition import origin_of
from vision.checkpoints.weights_file import read_weights

logger = logging.getLogger(__name__)


def require_same_to_learn(path: Path, net: str, class_names: Sequence[str]) -> None:
    """Check that weights are of the net, and of the classes, that a run goes on with.

    Classes are numbered, so the same in another order would change places. Weights that do not say
    their classes have those of the labels.txt beside them; without it there is a warning.

    Args:
        path: of the weights.
        net: a key of NETS.
        class_names: of the data, BACKGROUND first.

    Raises:
        ValueError: saying what differs and what to do, or if the file cannot be read.
    """
    weights, description = read_weights(path)
    origin = origin_of(weights, description, path, net)
    if origin.net != net:
        raise ValueError(
            f"{path} is a {origin.net}, and --net is {net}; a run goes on with the same net: type "
            f"--net {origin.net}, or leave --resume out"
        )
    known, learnt = origin.class_names, f"{origin.num_classes - 1} classes"
    if known is not None:
        learnt = ", ".join(known[1:])
    is_same = origin.num_classes == len(class_names) and known in (None, tuple(class_names))
    if origin.num_classes and not is_same:
        raise ValueError(
            f"{path} has learnt {learnt}, the data have {', '.join(class_names[1:])}; a run goes "
            "on with the same classes in the same order, which --classes sets, and "
            "--pretrained-ssd FILE starts one with the heads of each class by its name"
        )
    if known is None:
        logger.warning(
            "%s does not say its class names, and no labels.txt beside it does: its classes are "
            "taken for %s, in this order",
            path,
            ", ".join(class_names[1:]),
        )
