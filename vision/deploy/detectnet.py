"""detectnet on any machine: give it an ONNX file, labels and a picture, get what a Jetson reports.

Everything around the network equals detectnet to the bit. The network itself runs in float32 in
onnxruntime. On a Jetson, TensorRT runs it in FP16 with its own kernels, so scores differ in the
third digit.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from vision.deploy.emulation.clustering import (
    DetectNetDetection,
    post_process,
    recommended_settings,
    typed_settings,
)
from vision.deploy.emulation.labels import read_detectnet_labels
from vision.deploy.emulation.network_input import network_input
from vision.deploy.onnx_reading import open_session, read_model
from vision.deploy.readiness.candidate import DEFAULT_BINDINGS, Bindings, Candidate
from vision.deploy.readiness.readiness import (
    LARGEST_TRIED_SIDE,
    find_problems,
    require_ready,
)
from vision.structures import DETECTNET_THRESHOLD
from vision.utils.labels import MAX_CLASSES

logger = logging.getLogger(__name__)


class DetectNet:
    """The detector that `detectnet --model=... --labels=...` would be."""

    def __init__(
        self,
        model_path: str | Path,
        labels_path: str | Path | None = None,
        threshold: float = DETECTNET_THRESHOLD,
        clustering: float = 0.75,
        profile: str = "master",
        bindings: Bindings = DEFAULT_BINDINGS,
    ) -> None:
        """Open the file; refuse it if detectnet could not bind it.

        Args:
            model_path: the ONNX file.
            labels_path: its labels.txt; None gives names such as "Class #1".
            threshold: the lowest score that is kept. detectnet reads 0 as its default, 0.5.
            clustering: boxes merge above this ratio of their intersection to the larger of the two.
            profile: "master", or "r32" for jetson-inference of JetPack 4 and L4T up to R35.2.1.
            bindings: other names than input_0, scores and boxes.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if the file is no ONNX file, or lacks detectnet's input and outputs.
        """
        candidate = Candidate(read_model(model_path), Path(model_path), bindings=bindings)
        findings = find_problems(candidate, groups=("interface",))
        for finding in require_ready(findings, candidate.path):
            logger.warning("%s: %s", model_path, finding)
        self.path = Path(model_path)
        self.settings = typed_settings(threshold, clustering, profile)
        self.bindings = candidate.bindings
        self._session = open_session(model_path)
        shapes = {value.name: value.shape for value in self._session.get_outputs()}
        taken = self._session.get_inputs()[0].shape
        is_fixed = all(isinstance(size, int) and 0 < size <= LARGEST_TRIED_SIDE for size in taken)
        if not is_fixed or any(len(shapes[name]) != 3 for name in self.bindings[1:]):
            raise self._shape_error({self.bindings.input: taken, **shapes})
        classes = shapes[self.bindings.scores][2]
        if not (isinstance(classes, int) and 0 < classes <= MAX_CLASSES):
            raise self._shape_error(shapes)
        self.num_classes: int = classes
        self.input_height: int
        self.input_width: int
        self.input_height, self.input_width = taken[2:]
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.recommended = recommended_settings(metadata, model_path)  # None: it was not measured
        self.labels = read_detectnet_labels(labels_path, self.num_classes)

    def detect(self, image: np.ndarray) -> list[DetectNetDetection]:
        """Return what detectnet finds in a picture, largest first.

        Args:
            image: (H, W, 3) uint8 RGB, taken as it is. `read_picture` turns a file upright, as a
                camera shows things; detectnet reads a file as it is stored, and so does
                `read_picture(path, upright=False)`.
        """
        scores, boxes = self.run(network_input(image, self.input_height, self.input_width))
        height, width = image.shape[:2]
        return post_process(scores, boxes, (width, height), self.labels, self.settings)

    def run(self, tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return scores (P, C) and boxes (P, 4), xyxy in [0, 1], for a (1, 3, H, W) input."""
        names = [self.bindings.scores, self.bindings.boxes]
        scores, boxes = self._session.run(names, {self.bindings.input: tensor})
        shapes = {"scores": scores.shape, "boxes": boxes.shape}
        rows = scores.shape[1:2]
        if scores.shape != (1, *rows, self.num_classes) or boxes.shape != (1, *rows, 4):
            raise self._shape_error(shapes)
        return scores[0], boxes[0]

    def _shape_error(self, shapes: dict) -> ValueError:
        return ValueError(
            f"{self.path} must take one picture (1, 3, H, W) and put out scores (1, P, C) and "
            f"boxes (1, P, 4), its shapes are {shapes}; export it again"
        )
