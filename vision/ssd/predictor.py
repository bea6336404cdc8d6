"""From pictures to detections: stretch, normalise, detect, suppress, scale the boxes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from vision.structures import Detections
from vision.utils.nms import Kept, Suppression, nms_per_picture

Detect = Callable[[Tensor], "tuple[Tensor, Tensor]"]


class Predictor:
    """A detector that takes pictures as they are and answers in their own pixels."""

    def __init__(
        self,
        detect: Detect,
        image_size: int,
        mean: Sequence[float],
        std: float | Sequence[float],
        suppression: Suppression | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        """Put the steps together.

        Args:
            detect: normalised pictures (B, 3, S, S) to scores (B, P, C) and boxes (B, P, 4) xyxy in
                [0, 1]: `SSD.detect` of a net in evaluation mode, or an OnnxDetector.
            image_size: S, the side of the net's input.
            mean: RGB, 0..255, subtracted from the picture.
            std: divides the rest; one number or RGB.
            suppression: thresholds and method; upstream's if None.
            device: where the net is.
        """
        self.detect = detect
        self.image_size = image_size
        self.suppression = suppression or Suppression()
        self.device = torch.device(device)
        self._mean = torch.tensor(mean, dtype=torch.float32, device=self.device).view(-1, 1, 1)
        self._std = torch.tensor(std, dtype=torch.float32, device=self.device).view(-1, 1, 1)

    def predict(
        self, image: np.ndarray, top_k: int = -1, prob_threshold: float | None = None
    ) -> Detections:
        """Return what is found in one picture; unpacks as boxes, labels, scores.

        Args:
            image: (H, W, 3) uint8 RGB of any size.
            top_k: the most objects of a class, 0 for none; -1 leaves it to the suppression.
            prob_threshold: scores must be higher than this, 0.0 included; None leaves it to the
                suppression.

        Returns:
            Boxes in pixels of `image`, clipped to it.
        """
        return self.predict_batch([image], top_k, prob_threshold)[0]

    def predict_batch(
        self, images: Sequence[np.ndarray], top_k: int = -1, prob_threshold: float | None = None
    ) -> list[Detections]:
        """Do `predict` for several pictures, which may differ in size, in one pass of the net."""
        if not images:
            return []
        for image in images:
            if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
                raise ValueError(
                    "image must be (H, W, 3) uint8 RGB and not empty, "
                    f"got {image.shape} {image.dtype}"
                )
        sides = (self.image_size, self.image_size)
        planes = np.empty((len(images), 3, *sides), np.uint8)
        for image, into in zip(images, planes):
            cv2.split(cv2.resize(image, sides), list(into))
        suppression = self.suppression
        if top_k >= 0:
            suppression = replace(suppression, top_k=top_k)
        if prob_threshold is not None:
            suppression = replace(suppression, score_threshold=prob_threshold)
        return [
            _scale(kept, image.shape[1], image.shape[0], clipped=True)
            for kept, image in zip(self._find(torch.from_numpy(planes), suppression), images)
        ]

    def predict_tensor(self, images: Tensor) -> list[Detections]:
        """Return what is found in (B, 3, S, S) uint8 RGB pictures, in pixels of S x S.

        Boxes are not clipped to the picture: evaluation calls this, and upstream evaluates boxes as
        they come out of the net.
        """
        side = self.image_size
        return [_scale(kept, side, side) for kept in self._find(images, self.suppression)]

    @torch.inference_mode()
    def scores_and_boxes(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the net says of (B, 3, S, S) uint8 RGB pictures, before suppression.

        Returns:
            Scores (B, P, C) and boxes (B, P, 4) xyxy in [0, 1].
        """
        return self.detect(self._normalise(images))

    def _normalise(self, images: Tensor) -> Tensor:
        if self.device.type != "cpu":
            pixels = images.to(self.device, non_blocking=True).float()
            return (pixels - self._mean) / self._std
        # Not by torch: its threads would be on the cores when onnxruntime's have to start.
        array = images.numpy().astype(np.float32)
        array -= self._mean.numpy()
        array /= self._std.numpy()
        return torch.from_numpy(array)

    def _find(self, images: Tensor, suppression: Suppression) -> list[Kept]:
        return nms_per_picture(*self.scores_and_boxes(images), suppression)


def _scale(kept: Kept, width: int, height: int, clipped: bool = False) -> Detections:
    """Return what suppression has kept as detections in pixels of `width` x `height`."""
    limits = np.array([width, height, width, height], np.float32)
    boxes = kept.boxes * limits
    return Detections(np.clip(boxes, 0, limits) if clipped else boxes, kept.labels, kept.scores)
