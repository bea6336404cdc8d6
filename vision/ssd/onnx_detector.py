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
        parts = [self._run(part) for part in images.split(self._batch_size or len(images))]
        scores, boxes = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts))
        if scores.ndim != 3 or boxes.shape != (*scores.shape[:2], 4) or len(scores) < len(images):
            raise ValueError(
                f"{self._path} must put out scores (B, P, C) and boxes (B, P, 4), it puts out "
                f"{tuple(scores.shape)} and {tuple(boxes.shape)}; write it with onnx_export.py"
            )
        if self._has_nms:
            best = scores[..., 1:].amax(dim=-1, keepdim=True)
            scores = torch.where(scores == best, scores, torch.zeros_like(scores))
        return scores[: len(images)], boxes[: len(images)]

    def _run(self, images: Tensor) -> list[np.ndarray]:
        missing = (self._batch_size or len(images)) - len(images)
        if missing:
            images = torch.cat([images, images[:1].expand(missing, -1, -1, -1)])
        pixels = np.ascontiguousarray(images.cpu().numpy(), dtype=np.float32)
        return self._session.run(["scores", "boxes"], {"input_0": pixels})
