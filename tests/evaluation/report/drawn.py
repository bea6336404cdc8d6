"""Drawn pictures with detections that are right, wrong and missing, as entries of a report."""

from __future__ import annotations

import numpy as np

from tests.drawing import CLASS_NAMES, draw_samples, write_picture
from vision.evaluation.collection import EvaluatedPicture, collect
from vision.evaluation.matching import GroundTruth
from vision.evaluation.measure import MeasureSettings, measure
from vision.evaluation.report.tables import Entry
from vision.evaluation.verdict import verdict
from vision.structures import Detections


def drawn_evaluation(folder, count=6, names=CLASS_NAMES, prefix="drawn", **settings):
    """Write pictures of squares, and measure a detector that errs in every third one.

    It takes the first square for the next class, misses the last one, and finds one more in a
    corner, which is its surest mistake.
    """
    results = []
    for number, sample in enumerate(draw_samples(count, negatives=1)):
        path = folder / f"{prefix} {number}.png"
        write_picture(path, sample.image)
        boxes, labels = sample.boxes.copy(), sample.labels.copy()
        scores = np.linspace(0.9, 0.6, len(labels), dtype=np.float32)
        if number % 3 == 0 and len(labels):
            labels[0] = labels[0] % 3 + 1
            boxes[-1], scores = [0, 0, 12, 12], scores[::-1]
        facts = EvaluatedPicture(f"{prefix} {number}", str(path), 160, 120)
        truth = GroundTruth(sample.boxes, sample.labels, sample.difficult)
        results.append((facts, truth, Detections(boxes, labels, scores)))
    return measure(collect(results, names), MeasureSettings(resolution=300, **settings))


def drawn_entry(folder, name="models/drawn/best.pth", **arguments):
    """Return the evaluation as an entry of a report."""
    evaluation = drawn_evaluation(folder, **arguments)
    facts = {"model": "/models/drawn/best.pth", "split": "test", "datasets": ["/data/drawn"]}
    return Entry(name, evaluation, verdict(evaluation), facts)
