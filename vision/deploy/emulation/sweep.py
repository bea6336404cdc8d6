"""detectnet with many settings at once, to see how many of its boxes are right with each.

Equal to `post_process` and `match_detections` for each pair of settings, and a hundred times as
fast: one step does for all pairs what those do for one.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np
import torch

from vision.deploy.emulation.clustering import (
    PROFILES,
    PostProcessing,
    best_classes,
    clamp_corners,
    overlap_ratios,
)
from vision.deploy.outputs import Outputs
from vision.evaluation.matching import Truth
from vision.utils.box_utils import box_iou


def count_right_boxes(
    truth: Truth,
    size: tuple[int, int],
    outputs: Outputs,
    settings: Sequence[PostProcessing],
    labels: Sequence[str],
    iou_threshold: float,
) -> np.ndarray:
    """Count the boxes of one picture that detectnet shows, and those of them that are right.

    A box is right if it is the first to find an object: of all objects of its class it overlaps
    this one most, by an IoU over the threshold. Boxes on difficult objects do not count.

    Args:
        truth: what is on the picture.
        size: its width and height in pixels.
        outputs: what the file puts out for it.
        settings: S of them, of the profile "master".
        labels: class names by label.
        iou_threshold: the overlap that a right box has to exceed.

    Returns:
        (S, 2) int64: boxes shown, and right ones.
    """
    scores, boxes = outputs
    lowest = np.float32(min(one.threshold for one in settings))
    classes, confidences, rows = best_classes(scores, lowest)
    ignored = PROFILES["master"].ignored_label
    wanted = np.array([labels[label] != ignored for label in classes], dtype=bool)
    classes, confidences, rows = classes[wanted], confidences[wanted], rows[wanted]
    width, height = size
    corners = boxes[rows] * np.array([width, height, width, height], dtype=np.float32)
    is_shown, corners = _merge_for_all(classes, confidences, corners, settings)
    shown = torch.from_numpy(clamp_corners(corners, width, height))
    overlaps = box_iou(shown, torch.from_numpy(truth.boxes)).numpy()  # (S, R, N)
    overlaps = np.where(classes[:, None] == truth.labels, overlaps, -1.0)
    if not overlaps.size:
        return np.stack([is_shown.sum(axis=1), np.zeros(len(settings), np.int64)], axis=1)
    closest = overlaps.argmax(axis=2)
    hits = is_shown & (overlaps.max(axis=2) > iou_threshold)
    is_found = (hits[..., None] & (closest[..., None] == np.arange(len(truth.labels)))).any(axis=1)
    on_difficult = hits & truth.difficult[closest]
    counted = (is_shown & ~on_difficult).sum(axis=1)
    return np.stack([counted, (is_found & ~truth.difficult).sum(axis=1)], axis=1)


def _merge_for_all(
    classes: np.ndarray,
    confidences: np.ndarray,
    corners: np.ndarray,
    settings: Sequence[PostProcessing],
) -> tuple[np.ndarray, np.ndarray]:
    """Return which of R rows became a box of its own, (S, R) bool, and the boxes, (S, R, 4)."""
    thresholds = np.array([one.threshold for one in settings], dtype=np.float32)
    clusterings = np.array([one.clustering for one in settings], dtype=np.float32)
    everyone = np.arange(len(settings))
    grown = np.repeat(corners[None].astype(np.float32), len(settings), axis=0)  # (S, R, 4)
    is_own = np.zeros((len(settings), len(corners)), dtype=bool)
    for row, box in enumerate(corners):
        takes_part = confidences[row] >= thresholds
        earlier = np.flatnonzero(classes[:row] == classes[row])
        hits = overlap_ratios(grown[:, earlier], box) > clusterings[:, None]
        hits &= is_own[:, earlier]
        is_merged = takes_part & hits.any(axis=1)
        is_own[:, row] = takes_part & ~is_merged
        if is_merged.any():
            which = everyone[is_merged]
            into = earlier[hits[is_merged].argmax(axis=1)]
            grown[which, into, 0:2] = np.minimum(grown[which, into, 0:2], box[0:2])
            grown[which, into, 2:4] = np.maximum(grown[which, into, 2:4], box[2:4])
    return is_own, grown
