"""Detections and truths of a few boxes, written by hand."""

from __future__ import annotations

import numpy as np

from vision.evaluation.collection import EvaluatedPicture, collect
from vision.evaluation.matching import GroundTruth, match_tables
from vision.structures import Detections

NAMES = ["BACKGROUND", "cat", "dog", "emu"]
HERE, THERE, NOWHERE = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]


def found(*rows):
    """Return Detections of (box, label, score) rows."""
    boxes, labels, scores = zip(*rows) if rows else ((), (), ())
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(scores, np.float32),
    )


def truth(*rows):
    """Return a GroundTruth of (box, label) or (box, label, difficult) rows."""
    boxes, labels, difficult = zip(*((*row, False)[:3] for row in rows)) if rows else ((), (), ())
    return GroundTruth(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.array(difficult, bool),
    )


def gathered(*pictures, names=NAMES, size=(100, 100)):
    """Return a Collection of (truth, detections) pairs, and what became of its detections."""
    facts = (
        EvaluatedPicture(f"picture {n}", f"picture {n}.png", *size) for n in range(len(pictures))
    )
    collection = collect(((fact, *pair) for fact, pair in zip(facts, pictures)), names)
    return collection, match_tables(collection.found, collection.objects)
