from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vision.evaluation.evaluate import collect_detections, evaluate
from vision.structures import Detections

NAMES = ["BACKGROUND", "cat", "dog"]


def batch(boxes, labels, difficult=None, side=100):
    """Return what a collate makes: boxes (B, M, 4) in [0, 1], labels 0 where padded."""
    labels = torch.tensor(labels)
    if difficult is None:
        difficult = torch.zeros_like(labels, dtype=torch.bool)
    images = torch.zeros(len(labels), 3, side, side, dtype=torch.uint8)
    return SimpleNamespace(
        images=images,
        boxes=torch.tensor(boxes, dtype=torch.float32).view(*labels.shape, 4),
        labels=labels,
        difficult=torch.as_tensor(difficult),
    )


def finds_the_left_half(images):
    """Find a cat in the left half of every picture."""
    side = images.shape[-1]
    box = np.float32([[0, 0, side / 2, side]])
    return [Detections(box, np.array([1]), np.float32([0.9])) for _ in images]


LEFT, RIGHT, PADDING = [0, 0, 0.5, 1], [0.5, 0, 1, 1], [0, 0, 0, 0]


def test_the_truth_is_in_pixels_and_without_padding():
    batches = [
        batch([[LEFT, RIGHT], [RIGHT, PADDING]], [[1, 2], [1, 0]], [[False, True], [False, False]]),
        batch([[]], np.zeros((1, 0), int).tolist()),
    ]
    detections, truths = collect_detections(finds_the_left_half, batches)
    assert [len(found) for found in detections] == [1, 1, 1]
    assert [one.boxes.tolist() for one in truths] == [
        [[0, 0, 50, 100], [50, 0, 100, 100]],
        [[50, 0, 100, 100]],
        [],
    ]
    assert [one.labels.tolist() for one in truths] == [[1, 2], [1], []]
    assert truths[0].difficult.tolist() == [False, True]


def test_evaluate_rates_the_whole_split():
    batches = [batch([[LEFT]], [[1]]), batch([[RIGHT]], [[1]])]
    result = evaluate(finds_the_left_half, batches, NAMES, use_2007_metric=False)
    # Two cats, two detections of the same score, the first of which is right.
    assert result.mean == pytest.approx(1 / 2)
    assert result.classes[0].false_positives == 1
    assert evaluate(finds_the_left_half, [], NAMES).mean is None
