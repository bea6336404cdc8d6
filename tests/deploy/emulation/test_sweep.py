from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from vision.deploy.emulation.clustering import PostProcessing, as_detections, post_process
from vision.deploy.emulation.sweep import count_right_boxes
from vision.deploy.outputs import Outputs
from vision.evaluation.average_precision import match_detections
from vision.structures import Sample

LABELS = ["BACKGROUND", "a", "b", "void"]
SETTINGS = [PostProcessing(*pair) for pair in product((0.3, 0.5, 0.7), (0.25, 0.5, 0.75, 0.95))]


def made_up(rng, objects, rows):
    """Return a picture with objects, and rows of which most lie about one of them."""
    width, height = 320, 240
    corners = rng.uniform(0, 0.6, (objects, 2))
    truth = np.concatenate([corners, corners + rng.uniform(0.1, 0.4, (objects, 2))], axis=1)
    pixels = np.float32(truth * [width, height, width, height])
    sample = Sample(
        np.zeros((height, width, 3), np.uint8),
        pixels.reshape(-1, 4),
        rng.integers(1, 4, objects),
        rng.random(objects) < 0.2,
        "drawn",
    )
    truth = truth if objects else np.array([[0.2, 0.2, 0.5, 0.5]])
    near = truth[rng.integers(0, len(truth), rows)]
    boxes = near + rng.normal(0, 0.05, (rows, 4))
    scores = rng.dirichlet([0.4] * 4, rows)
    return sample, np.float32(scores), np.float32(boxes)


@pytest.mark.parametrize(("objects", "rows"), [(6, 80), (1, 30), (0, 20), (5, 0)])
def test_it_counts_what_the_emulator_and_the_evaluation_find(objects, rows):
    rng = np.random.default_rng(objects)
    total = 0
    for _ in range(10):
        sample, scores, boxes = made_up(rng, objects, rows)
        outputs, size = Outputs(scores, boxes), (320, 240)
        found = count_right_boxes(sample, size, outputs, SETTINGS, LABELS, 0.5)
        for one, counts in zip(SETTINGS, found.tolist()):
            shown = as_detections(post_process(scores, boxes, size, LABELS, one))
            matches = match_detections([shown], [sample], len(LABELS), 0.5)
            assert counts == [len(matches.scores), int(matches.true_positive.sum())]
            total += counts[0]
    assert total > 50 or not rows
