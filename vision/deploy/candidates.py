"""How many candidates the NMS in a graph needs: measured on annotated pictures.

Greedy NMS goes from the best box to the worst, so what it keeps of N candidates are those of the N
best boxes that it keeps of more. NMS of the most candidates that a file may have therefore says at
once what any smaller number keeps.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Mapping, Sequence

import numpy as np

from vision.deploy.nms import MOST_CANDIDATES, GraphNms, suppress_rows
from vision.deploy.outputs import Outputs
from vision.evaluation.average_precision import mean_average_precision
from vision.evaluation.matching import GroundTruth
from vision.structures import Detections

TRIED = tuple(range(100, MOST_CANDIDATES + 1, 100))
LOWEST_RANKED = 0.01  # of boxes that are ranked, as in eval_ssd.py
TOLERATED = 0.005  # mAP that may be lost, of what the most candidates have


class CandidateTrial:
    """Collects what NMS keeps, and the place of each box among the candidates."""

    def __init__(self, labels: Sequence[str], nms: GraphNms) -> None:
        """Begin with no picture.

        Args:
            labels: class names by label, BACKGROUND first.
            nms: of the file; its number of candidates is tried, too.
        """
        self._labels = labels
        self._nms = replace(nms, candidates=MOST_CANDIDATES)
        self._tried = sorted({*TRIED, nms.candidates})
        self._places: list[np.ndarray] = []
        self._found: list[Detections] = []
        self._truths: list[GroundTruth] = []

    def add(self, truth: GroundTruth, size: tuple[int, int], rows: Outputs) -> None:
        """Take one picture: what is on it, its width and height, and the rows of the net."""
        scores, boxes = suppress_rows(*rows, self._nms)
        best = scores[:, 1:].max(axis=1)
        places = np.flatnonzero(best >= LOWEST_RANKED)
        self._places.append(places)
        self._found.append(
            Detections(
                boxes[places] * np.array(size * 2, np.float32),
                scores[places, 1:].argmax(axis=1) + 1,
                best[places],
            )
        )
        self._truths.append(truth)

    def mean_precisions(self) -> dict[int, float]:
        """Return the mAP by the number of candidates; {} if no class has an object."""
        means = {}
        for count in self._tried:
            found = [one.select(places < count) for one, places in zip(self._found, self._places)]
            # The area under the curve: 11 points of it would jump.
            rated = mean_average_precision(found, self._truths, self._labels, use_2007_metric=False)
            if rated.mean is not None:
                means[count] = rated.mean
        return means


def fewest_candidates(means: Mapping[int, float]) -> int:
    """Return the fewest candidates that lose no more than TOLERATED of the mAP; `means` not {}."""
    return min(count for count, mean in means.items() if mean >= max(means.values()) - TOLERATED)
