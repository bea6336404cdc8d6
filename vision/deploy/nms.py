"""Non-maximum suppression (NMS) inside an ONNX file: its settings, and what it must come to."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Mapping

import numpy as np

from vision.deploy.stored_settings import stored_settings

NMS_KEY = "nms"  # in the file's metadata
MOST_CANDIDATES = 1000  # FP16 counts to 2048 without a fault
IOU_RANGE = (0.1, 0.9)
MERGELESS_IOU = 0.6  # up to here detectnet merges nothing that NMS leaves; suppression.py says why

# How the graph computes IoU, so that FP16 can do it, too: 11 binary digits, from 6e-5 to 65504.
NEAREST, FARTHEST = -4.0, 5.0  # corners are cut here: four pictures beyond the picture
SCALE = 16.0  # areas grow by 256: small ones are not rounded to 0, the largest sum is 41472
SMALLEST_UNION = 1e-4  # in these units; a square of 1/1600 of the picture's side. No 0 / 0.


@dataclass(frozen=True)
class GraphNms:
    """Settings of the NMS inside a file.

    `iou_threshold`: a box is suppressed if its IoU with a better box is higher.
    `candidates`: the file puts out the N rows with the best scores, and no others.
    `across_classes`: whether a box can be suppressed by a box of another class.
    `rounds`: how many times the rule is applied, see `vision.deploy.graph.suppression`.
    """

    iou_threshold: float = 0.45
    candidates: int = 200
    across_classes: bool = False
    rounds: int = 12

    def __post_init__(self) -> None:
        """Check the ranges."""
        lowest, highest = IOU_RANGE
        if not lowest <= self.iou_threshold <= highest:
            raise ValueError(
                f"the IoU of --nms must be {lowest} to {highest}, got {self.iou_threshold}"
            )
        if not 1 <= self.candidates <= MOST_CANDIDATES:
            raise ValueError(
                f"--nms-candidates must be 1 to {MOST_CANDIDATES}, got {self.candidates}"
            )
        if self.rounds < 1:
            raise ValueError(f"NMS needs 1 round or more, got {self.rounds}")

    def to_text(self) -> str:
        """Return the settings as the value of NMS_KEY in a file's metadata."""
        return json.dumps(asdict(self))


def graph_nms(metadata: Mapping[str, str], name: str | Path = "the file") -> GraphNms | None:
    """Return the settings of the NMS that a file has inside; None for a file without.

    Args:
        metadata: of the file, as `session.get_modelmeta().custom_metadata_map` has it.
        name: of the file, in errors.

    Raises:
        ValueError: if the file says something about NMS that cannot be read.
    """
    return stored_settings(GraphNms, metadata, NMS_KEY, name)


def suppress_rows(
    scores: np.ndarray, boxes: np.ndarray, nms: GraphNms
) -> tuple[np.ndarray, np.ndarray]:
    """Return what a file with NMS should put out for these rows of its net: greedy NMS, as a loop.

    Args:
        scores: (P, C) float32, class 0 is the background.
        boxes: (P, 4) float32 xyxy.

    Returns:
        scores (K, C), zero for suppressed rows, and boxes (K, 4), best first.
    """
    best = scores[:, 1:].max(axis=1)
    rows = np.argsort(-best, kind="stable")[: nms.candidates]
    scores, boxes = scores[rows], boxes[rows]
    labels = scores[:, 1:].argmax(axis=1)
    near = np.clip(boxes, NEAREST, FARTHEST) * np.float32(SCALE)
    areas = (near[:, 2] - near[:, 0]) * (near[:, 3] - near[:, 1])
    kept = np.ones(len(rows), dtype=bool)
    for row in range(len(rows)):
        if not kept[row]:
            continue
        later = slice(row + 1, None)
        sides = np.minimum(near[later, 2:], near[row, 2:])
        sides = np.maximum(sides - np.maximum(near[later, :2], near[row, :2]), 0)
        intersections = sides[:, 0] * sides[:, 1]
        unions = areas[later] + areas[row] - intersections
        unions = np.maximum(unions, np.float32(SMALLEST_UNION))
        suppressed = intersections / unions > np.float32(nms.iou_threshold)
        if not nms.across_classes:
            suppressed &= labels[later] == labels[row]
        kept[later] &= ~suppressed
    return scores * kept[:, None], boxes
