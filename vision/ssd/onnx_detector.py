"""An exported detector: called like a net, computed by onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vision.structures import DETECTNET_MEAN, DETECTNET_STD

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

LARGEST_BATCH, LARGEST_INPUT = 1024, 4096  # pictures, and pixels of a side


class OnnxDetector:
    """An open ONNX file, called like `SSD.detect`.

    Attributes:
        image_size: S, the side of the input, pixels.
        num_classes: C, BACKGROUND included; None where the file leaves it open.
        mean: RGB, of the normalisation that detectnet does and the file expects.
        std: likewise.
    """

    mean = (DETECTNET_MEAN,) * 3
    std = DETECTNET_STD

    def __init__(self, session: InferenceSession, path: str | Path, has_nms: bool = False) -> None:
        """Look at the inputs and outputs of a session.

        Args:
            session: an open file.
            path: its name in errors.
            has_nms: the file has NMS in its graph, so that each of its rows is one box, of the
                class with the best score; the other scores of a row become 0.

        Raises:
            ValueError: if the inputs and outputs are not those of a detector.
        """
        self._session, self._path, self._has_nms = session, path, has_nms
        shapes = {value.name: value.shape for value in session.get_inputs()}
        outputs = {value.name: value.shape for value in session.get_outputs()}
        shape = shapes.get("input_0", [])
        if (
            len(shape) != 4
            or shape[2] != shape[3]
            or not isinstance(shape[2], int)
            or shape[2] < 1
            or any(len(outputs.get(name, ())) != 3 for name in ("scores", "boxes"))
        ):
            raise ValueError(
                f"{path} must have an input input_0 (B, 3, S, S) and the outputs scores "
                f"(B, P, C) and boxes (B, P, 4), it has {shapes} and {outputs}; "
                "write it with onnx_export.py"
            )
        batch = shape[0] if isinstance(shape[0], int) else None
        is_batch = batch is None or 0 < batch <= LARGEST_BATCH
        if not is_batch or shape[2] > LARGEST_INPUT:
            raise ValueError(
                f"{path} must take at most {LARGEST_BATCH} pictures of {LARGEST_INPUT} pixels a "
                f"side, it takes {shape}; write it with onnx_export.py"
            )
        self.image_size: int = shape[2]
        # A name in place of a number stands for any size.
        classes = outputs["scores"][2]
        self.num_classes = classes if isinstance(classes, int) else None
        self._batch_size = batch

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return scores (B, P, C) and boxes (B, P, 4) of normalised images (B, 3, S, S)."""
        pixels, at_once = images.cpu().numpy(), self._batch_size or len(images)
        parts = [self._run(pixels[i : i + at_once]) for i in range(0, len(pixels), at_once)]
        scores, boxes = parts[0] if len(parts) == 1 else map(np.concatenate, zip(*parts))
        if scores.ndim != 3 or boxes.shape != (*scores.shape[:2], 4) or len(scores) < len(pixels):
            raise ValueError(
                f"{self._path} must put out scores (B, P, C) and boxes (B, P, 4), it puts out "
                f"{scores.shape} and {boxes.shape}; write it with onnx_export.py"
            )
        if self._has_nms:
            best = scores[..., 1:].max(axis=-1, keepdims=True)
            scores = np.where(scores == best, scores, np.zeros_like(scores))
        return torch.from_numpy(scores[: len(pixels)]), torch.from_numpy(boxes[: len(pixels)])

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        missing = (self._batch_size or len(pixels)) - len(pixels)
        if missing:
            pixels = np.concatenate([pixels, np.repeat(pixels[:1], missing, axis=0)])
        pixels = np.ascontiguousarray(pixels, dtype=np.float32)
        return self._session.run(["scores", "boxes"], {"input_0": pixels})
