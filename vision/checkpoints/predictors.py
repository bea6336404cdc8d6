"""From a weights file or an exported one to something that finds objects in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vision.checkpoints.detector import Overrides, load_detector
from vision.ssd.predictor import OnnxDetector, Predictor
from vision.utils.labels import read_labels
from vision.utils.nms import Suppression


@dataclass(frozen=True)
class LoadedPredictor:
    """A predictor, what its labels mean, and where it came from."""

    predictor: Predictor
    class_names: list[str]  # BACKGROUND first
    path: Path


def load_predictor(
    path: str | Path,
    overrides: Overrides | None = None,
    suppression: Suppression | None = None,
    device: torch.device | str = "cpu",
) -> LoadedPredictor:
    """Load a .pth, or a .onnx, which runs on the CPU whatever the device.

    An ONNX file's class names come from `overrides.labels`, or from the labels.txt beside it.

    Raises:
        FileNotFoundError: if there is no such file, or no labels.txt for an ONNX file.
        ValueError: if it cannot be read, or does not fit what is said of it.
    """
    path, overrides = Path(path), overrides or Overrides()
    if path.suffix.lower() == ".onnx":
        return _load_onnx(path, overrides, suppression)
    return _load_weights(path, overrides, suppression, torch.device(device))


def _load_weights(
    path: Path, overrides: Overrides, suppression: Suppression | None, device: torch.device
) -> LoadedPredictor:
    detector = load_detector(path, overrides)
    net, config = detector.net, detector.description.config
    fuse_batch_norms(net)
    net.to(device, memory_format=torch.channels_last)
    predictor = Predictor(
        net.detect, config.image_size, config.image_mean, config.image_std, suppression, device
    )
    return LoadedPredictor(predictor, list(detector.description.class_names), path)


def _load_onnx(
    path: Path, overrides: Overrides, suppression: Suppression | None
) -> LoadedPredictor:
    detector = OnnxDetector(path)
    if overrides.resolution not in (None, detector.image_size):
        raise ValueError(
            f"{path} is fixed to {detector.image_size} x {detector.image_size} pixels, "
            f"not {overrides.resolution}; leave --resolution out, or export again"
        )
    labels = overrides.labels or path.with_name("labels.txt")
    class_names = read_labels(labels)
    if detector.num_classes not in (None, len(class_names)):
        raise ValueError(
            f"{path} has {detector.num_classes} classes with BACKGROUND, {labels} lists "
            f"{len(class_names)}; give the labels.txt that was written with it"
        )
    predictor = Predictor(detector, detector.image_size, detector.mean, detector.std, suppression)
    return LoadedPredictor(predictor, class_names, path)


def fuse_batch_norms(net: nn.Module) -> None:
    """Let every convolution of a net in evaluation mode do its batch norm's work, in place.

    The outputs stay the same but for rounding and come a fifth sooner; the net can no longer learn.
    """
    for layers in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i in range(len(layers) - 1):
            if isinstance(layers[i], nn.Conv2d) and isinstance(layers[i + 1], nn.BatchNorm2d):
                layers[i] = fuse_conv_bn_eval(layers[i], layers[i + 1])
                layers[i + 1] = nn.Identity()
