"""One call that finds objects in a picture, whatever kind of file the detector is."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Callable, Protocol

import numpy as np

from vision.checkpoints.detector import EXPORTED, detector_file, open_detector
from vision.checkpoints.own_labels import find_labels
from vision.deploy.detectnet import DetectNet
from vision.deploy.emulation.clustering import PostProcessing, as_detections, typed_settings
from vision.deploy.readiness.candidate import Bindings
from vision.live.options import DetectorOptions, FinderOptions
from vision.structures import Detections
from vision.utils.device import select_device

logger = logging.getLogger(__name__)

NMS_THRESHOLD = 0.4  # the older scripts'
NMS_CLUSTERING = 0.45


class Finder(Protocol):
    """Finds objects in pictures. One thread at a time may use it."""

    class_names: list[str]  # BACKGROUND first
    threshold: float  # of the score, where the call names none
    clustering: float  # overlap above which two boxes become one, likewise
    least_threshold: float  # that a person may choose while it runs
    path: Path

    def find(
        self, image: np.ndarray, threshold: float | None = None, clustering: float | None = None
    ) -> Detections:
        """Return what is found in a (H, W, 3) uint8 RGB picture, best first."""


class NmsFinder:
    """The net with non-maximum suppression, as evaluation measures it."""

    least_threshold = 0.0

    def __init__(self, options: FinderOptions) -> None:
        """Load the detector; a folder's best."""
        path = detector_file(named_path(options))
        device = select_device(options.use_cuda and path.suffix.lower() != EXPORTED)
        loaded = open_detector(path, options, device=device)
        self.path, self.class_names = path, loaded.class_names
        self.threshold = NMS_THRESHOLD if options.threshold is None else options.threshold
        self.clustering = NMS_CLUSTERING if options.clustering is None else options.clustering
        self._predictor, self._top_k = loaded.predictor, options.top_k

    def find(
        self, image: np.ndarray, threshold: float | None = None, clustering: float | None = None
    ) -> Detections:
        """Return what is found in a (H, W, 3) uint8 RGB picture, best first."""
        overlap = self.clustering if clustering is None else clustering
        self._predictor.suppression = replace(self._predictor.suppression, iou_threshold=overlap)
        score = self.threshold if threshold is None else threshold
        return self._predictor.predict(image, top_k=self._top_k, prob_threshold=score)


class DetectNetFinder:
    """What detectnet does with the same .onnx on a Jetson."""

    least_threshold = 0.01  # 0 would be detectnet's default

    def __init__(self, options: FinderOptions) -> None:
        """Load the file; of a folder its only .onnx.

        What is not given is as the export has measured it for the file, as in its detectnet.txt;
        where nothing was measured, as detectnet has it.
        """
        self.path = detector_file(named_path(options), EXPORTED)
        self._net = DetectNet(
            self.path,
            find_labels(self.path, options.labels, None),
            bindings=Bindings(options.input_blob, options.output_cvg, options.output_bbox),
        )
        usual = self._net.recommended or PostProcessing()
        settings = typed_settings(
            usual.threshold if options.threshold is None else options.threshold,
            usual.clustering if options.clustering is None else options.clustering,
        )
        self.threshold, self.clustering = settings.threshold, settings.clustering
        self.class_names = self._net.labels

    def find(
        self, image: np.ndarray, threshold: float | None = None, clustering: float | None = None
    ) -> Detections:
        """Return what detectnet reports on a (H, W, 3) uint8 RGB picture, best first."""
        self._net.settings = PostProcessing(
            self.threshold if threshold is None else threshold,
            self.clustering if clustering is None else clustering,
            self._net.settings.profile,
        )
        return as_detections(self._net.detect(image))


FINDERS: dict[str, Callable[[FinderOptions], Finder]] = {
    "nms": NmsFinder,
    "detectnet": DetectNetFinder,
}


def named_path(options: DetectorOptions) -> Path:
    """Return the file or folder that the options name.

    Raises:
        ValueError: they name none.
    """
    path = options.model or options.model_dir
    if path is None:
        raise ValueError("name a detector with --model or --model-dir")
    return path


def open_finder(options: FinderOptions) -> Finder:
    """Load the detector of a file or folder.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, has no class names, or does not fit what is said of it.
    """
    finder = FINDERS[options.postprocess](options)
    logger.info("Loaded %s", finder.path.absolute())
    return finder
