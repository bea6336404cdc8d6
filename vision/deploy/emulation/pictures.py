"""detectnet's arithmetic on many pictures: what it shows in each with some settings."""

from __future__ import annotations

from typing import Iterable, Sequence

from vision.deploy.emulation.clustering import PostProcessing, as_detections, post_process
from vision.deploy.outputs import Outputs
from vision.evaluation.collection import EvaluatedPicture
from vision.structures import Detections


def show_pictures(
    outputs: Iterable[Outputs],
    pictures: Sequence[EvaluatedPicture],
    labels: Sequence[str],
    settings: Sequence[PostProcessing],
) -> list[list[Detections]]:
    """Return what detectnet shows in each picture, for each of the settings.

    Args:
        outputs: scores (P, C) and boxes (P, 4) of each picture, xyxy in [0, 1].
        pictures: the same, in the same order.
        labels: class names by label.
        settings: S of them.
    """
    shown: list[list[Detections]] = [[] for _ in settings]
    lowest = min(one.threshold for one in settings)
    for facts, (scores, boxes) in zip(pictures, outputs):
        rows = (scores[:, 1:] >= lowest).any(axis=1)
        size = facts.width, facts.height
        for found, one in zip(shown, settings):
            found.append(as_detections(post_process(scores[rows], boxes[rows], size, labels, one)))
    return shown
