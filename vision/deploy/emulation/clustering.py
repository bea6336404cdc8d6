"""What detectnet does with the scores and boxes of an SSD: threshold, merge, sort, clamp.

detectnet has no non-maximum suppression. It goes through the rows of the output in their order. A
box that overlaps an earlier box of its class enough is merged into the first such box: that box
grows to the union of both and takes the higher score. All arithmetic is float32, so the results
equal detectnet's to the bit.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from vision.deploy.stored_settings import stored_settings
from vision.structures import DETECTNET_THRESHOLD, Detections

logger = logging.getLogger(__name__)

SETTINGS_KEY = "detectnet"  # in a file's metadata
LOWEST_SCORE = np.float32(-1000)  # detectnet's start value in its search for the best class


@dataclass(frozen=True)
class Profile:
    """How one generation of jetson-inference differs from another."""

    merges_across_classes: bool
    ignored_label: str | None


PROFILES = {
    "master": Profile(merges_across_classes=False, ignored_label="void"),  # L4T R35.3.1 and newer
    "r32": Profile(merges_across_classes=True, ignored_label=None),
}


@dataclass(frozen=True)
class PostProcessing:
    """Options of detectnet that decide which boxes it reports."""

    threshold: float = DETECTNET_THRESHOLD  # a score equal to it is kept; 0 becomes the default
    clustering: float = 0.75  # boxes merge above this ratio of the intersection to the larger area
    profile: str = "master"  # a key of PROFILES

    def __post_init__(self) -> None:
        """Check that the profile is known; take a threshold of 0 as detectnet does."""
        if self.threshold == 0:
            object.__setattr__(self, "threshold", DETECTNET_THRESHOLD)
        if self.profile not in PROFILES:
            raise ValueError(
                f"the profile must be one of {', '.join(PROFILES)}, got '{self.profile}'"
            )

    def to_text(self) -> str:
        """Return threshold and clustering as the value of SETTINGS_KEY in a file's metadata."""
        return json.dumps({"threshold": self.threshold, "clustering": self.clustering})


def typed_settings(
    threshold: float, clustering: float, profile: str = PostProcessing.profile
) -> PostProcessing:
    """Return settings that a person has chosen; say so where detectnet takes another threshold."""
    if threshold == 0:
        logger.warning("detectnet takes --threshold=0 for its default, %s", DETECTNET_THRESHOLD)
    return PostProcessing(threshold, clustering, profile)


def recommended_settings(
    metadata: Mapping[str, str], name: str | Path = "the file"
) -> PostProcessing | None:
    """Return the settings that an exported file was measured to need; None if it says none.

    Args:
        metadata: of the file, as `session.get_modelmeta().custom_metadata_map` has it.
        name: of the file, in errors.

    Raises:
        ValueError: if they cannot be read.
    """
    return stored_settings(PostProcessing, metadata, SETTINGS_KEY, name)


@dataclass(frozen=True)
class DetectNetDetection:
    """One object as detectnet reports it; pixels of the picture, float32 values."""

    class_id: int
    label: str
    confidence: float
    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Return the width in pixels."""
        return float(np.float32(self.right) - np.float32(self.left))

    @property
    def height(self) -> float:
        """Return the height in pixels."""
        return float(np.float32(self.bottom) - np.float32(self.top))

    @property
    def area(self) -> float:
        """Return the area in square pixels."""
        return float(np.float32(self.width) * np.float32(self.height))

    @property
    def center(self) -> tuple[float, float]:
        """Return the centre (x, y) in pixels."""
        half = np.float32(0.5)
        x = np.float32(self.left) + np.float32(self.width) * half
        y = np.float32(self.top) + np.float32(self.height) * half
        return float(x), float(y)


def post_process(
    scores: np.ndarray,
    boxes: np.ndarray,
    picture_size: tuple[int, int],
    labels: Sequence[str],
    settings: PostProcessing | None = None,
) -> list[DetectNetDetection]:
    """Turn the output of a net into the detections that detectnet reports, in its order.

    Args:
        scores: (P, C) float32, class 0 is the background and never looked at; NaN never wins.
        boxes: (P, 4) float32 xyxy in [0, 1].
        picture_size: (width, height) of the picture in pixels.
        labels: C names, as `read_detectnet_labels` gives them.
        settings: threshold, clustering and profile; detectnet's defaults if None.

    Returns:
        The detections, largest first by the area before clamping.
    """
    settings = settings or PostProcessing()
    profile = PROFILES[settings.profile]
    classes, confidences, rows = best_classes(scores, np.float32(settings.threshold))
    wanted = np.array([labels[label] != profile.ignored_label for label in classes], dtype=bool)
    classes, confidences, rows = classes[wanted], confidences[wanted], rows[wanted]
    width, height = picture_size
    corners = boxes[rows].astype(np.float32) * np.array([width, height, width, height], np.float32)
    classes, confidences, corners = _merge(classes, confidences, corners, settings)
    order = np.argsort(-signed_areas(corners), kind="stable")
    corners = clamp_corners(corners[order], width, height)
    return [
        DetectNetDetection(int(c), labels[c], float(confidence), *map(float, box))
        for c, confidence, box in zip(classes[order], confidences[order], corners)
    ]


def as_detections(found: Sequence[DetectNetDetection]) -> Detections:
    """Return detectnet's detections as the type that drawing and measuring take, best first.

    Those are left out that no picture can show: with numbers that are not finite.
    """
    found = [d for d in found if isfinite(d.left + d.top + d.right + d.bottom + d.confidence)]
    corners = [[d.left, d.top, d.right, d.bottom] for d in found]
    boxes = np.array(corners, dtype=np.float32).reshape(-1, 4)
    labels = np.array([d.class_id for d in found], dtype=np.int64)
    scores = np.array([d.confidence for d in found], dtype=np.float32)
    return Detections(boxes, labels, scores).select(np.argsort(-scores, kind="stable"))


def best_classes(
    scores: np.ndarray, threshold: np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return class, score and index of each row that reaches the threshold; a tie: first class."""
    if scores.shape[1] < 2:
        return np.zeros(0, np.int64), np.zeros(0, np.float32), np.zeros(0, np.int64)
    candidates = scores[:, 1:].astype(np.float32)
    candidates = np.where(candidates >= threshold, candidates, LOWEST_SCORE)
    best = candidates.argmax(axis=1)
    confidences = candidates[np.arange(len(best)), best]
    rows = np.flatnonzero(confidences > LOWEST_SCORE)
    return best[rows] + 1, confidences[rows], rows


def _merge(
    classes: np.ndarray, confidences: np.ndarray, corners: np.ndarray, settings: PostProcessing
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Merge every box into the first earlier one that it overlaps enough, or keep it as new."""
    across_classes = PROFILES[settings.profile].merges_across_classes
    clustering = np.float32(settings.clustering)
    classes, confidences, corners = classes.copy(), confidences.copy(), corners.copy()
    # The kept boxes move to the front of the same arrays; a row is read before it is overwritten.
    count = 0
    for row in range(len(classes)):
        label, confidence, box = classes[row], confidences[row], corners[row].copy()
        hits = overlap_ratios(corners[:count], box) > clustering
        if not across_classes:
            hits &= classes[:count] == label
        if not hits.any():
            classes[count], confidences[count], corners[count] = label, confidence, box
            count += 1
            continue
        kept = hits.argmax()
        if classes[kept] == label:
            corners[kept, 0:2] = np.minimum(corners[kept, 0:2], box[0:2])
            corners[kept, 2:4] = np.maximum(corners[kept, 2:4], box[2:4])
            confidences[kept] = max(confidences[kept], confidence)
        elif confidence > confidences[kept]:
            classes[kept], confidences[kept], corners[kept] = label, confidence, box
    return classes[:count], confidences[:count], corners[:count]


def overlap_ratios(corners: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return intersection over the larger area of (..., 4) and one box; it is not IoU."""
    sizes = np.minimum(corners[..., 2:4], box[2:4]) - np.maximum(corners[..., 0:2], box[0:2])
    apart = (corners[..., 0:2] > box[2:4]) | (corners[..., 2:4] < box[0:2])
    intersections = np.where(apart.any(axis=-1), np.float32(0), sizes[..., 0] * sizes[..., 1])
    larger = np.fmax(signed_areas(corners), signed_areas(box))
    # Two boxes without area give 0 / 0, which is not over the threshold, as in detectnet.
    with np.errstate(divide="ignore", invalid="ignore"):
        return intersections / larger


def signed_areas(corners: np.ndarray) -> np.ndarray:
    """Return the areas of (..., 4): detectnet lets a reversed box have a negative one."""
    return (corners[..., 2] - corners[..., 0]) * (corners[..., 3] - corners[..., 1])


def clamp_corners(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """Pull boxes (..., 4) into the picture as detectnet does: its last pixel is width - 1."""
    left_top = np.where(corners[..., 0:2] < 0, np.float32(0), corners[..., 0:2])
    limits = np.array([width, height], dtype=np.float32)
    is_beyond = corners[..., 2:4] >= limits
    right_bottom = np.where(is_beyond, limits - np.float32(1), corners[..., 2:4])
    return np.concatenate([left_top, right_bottom], axis=-1)
