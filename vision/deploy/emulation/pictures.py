"""detectnet's arithmetic on many pictures: what it shows with some settings, and which are best."""

from __future__ import annotations

from typing import Iterable, Sequence

import numpy as np

from vision.deploy.emulation.clustering import PostProcessing, as_detections, post_process
from vision.deploy.readiness.candidate import Outputs
from vision.deploy.tuning import Sweep
from vision.evaluation.collection import EvaluatedPicture
from vision.evaluation.matching import GroundTruth
from vision.structures import Detections, Sample


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


def best_settings(
    outputs: Iterable[Outputs],
    pictures: Sequence[EvaluatedPicture],
    truths: Sequence[GroundTruth],
    labels: Sequence[str],
) -> PostProcessing:
    """Return the settings with the best F1; arguments as of `show_pictures`, and what is there."""
    sweep = Sweep(labels)
    for facts, truth, (scores, boxes) in zip(pictures, truths, outputs):
        # Of the picture only the size is asked for.
        image = np.broadcast_to(np.zeros(3, np.uint8), (facts.height, facts.width, 3))
        sample = Sample(image, truth.boxes, truth.labels, truth.difficult, facts.image_id)
        sweep.add(sample, Outputs(scores, boxes))
    return sweep.measured().best.settings
