"""From a file, or a model directory, to a detector that works."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path
from typing import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vision.checkpoints.description import Description
from vision.checkpoints.own_labels import own_class_names
from vision.checkpoints.recognition import recognise, require_net
from vision.checkpoints.weights_file import read_weights
from vision.ssd.onnx_detector import OnnxDetector
from vision.ssd.predictor import Predictor
from vision.ssd.ssd import SSD
from vision.utils.labels import read_labels, with_background
from vision.utils.nms import Suppression
from vision.utils.overrides import Overrides
from vision.utils.text import first_few

logger = logging.getLogger(__name__)

LAST = "last.pth"  # the training state
PREVIOUS = "previous.pth"  # the one before it
BEST = "best.pth"  # the best weights so far
LOSS_IN_NAME = re.compile(r"-Loss-([-+.\w]+?)\.pth$")
WEIGHTS, EXPORTED = ".pth", ".onnx"  # suffixes of the two kinds of detector


@dataclass(frozen=True)
class OpenDetector:
    """A detector that finds objects in pictures, what its labels mean, and where it came from."""

    predictor: Predictor
    class_names: list[str]  # BACKGROUND first
    path: Path


def open_detector(
    path: str | Path,
    overrides: Overrides | None = None,
    suppression: Suppression | None = None,
    device: torch.device | str = "cpu",
) -> OpenDetector:
    """Open a model directory, a .pth or a .onnx to find objects with.

    A .onnx runs on the CPU, whatever the device. Its class names come from `overrides.labels`, or
    from the labels.txt beside it.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it cannot be read, has no class names, or contradicts `overrides`.
    """
    path, overrides = detector_file(path), overrides or Overrides()
    if path.suffix.lower() == EXPORTED:
        return _open_exported(path, overrides, suppression)
    detector = load_detector(path, overrides)
    net, config = detector.net, detector.description.config
    fuse_batch_norms(net)
    net.to(device).to(memory_format=torch.channels_last)
    predictor = Predictor(
        net.detect, config.image_size, config.image_mean, config.image_std, suppression, device
    )
    return OpenDetector(predictor, list(detector.description.class_names), path)


def detector_file(path: str | Path, suffix: str = "") -> Path:
    """Return the file of a detector: `path` itself, or the one to take from a model directory.

    Args:
        path: a file or a model directory. Of a folder the best weights are taken; the only .onnx of
            it, if it holds no weights.
        suffix: WEIGHTS or EXPORTED, where only that kind will do.

    Raises:
        FileNotFoundError: if there is nothing at `path`.
        ValueError: if it is of the other kind, or the folder holds no such file, or several .onnx.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file or model directory {path.absolute()}")
    if path.is_dir():
        holds_weights = any(path.glob("[!.]*.pth"))
        exported = sorted(path.glob("[!.]*.onnx"))
        if suffix == WEIGHTS or (suffix != EXPORTED and (holds_weights or not exported)):
            return best_checkpoint(path)
        if len(exported) != 1:
            names = ", ".join(file.name for file in exported) or "none"
            raise ValueError(
                f"the folder {path} must hold one .onnx, it holds {names}; name the file, or write "
                "it with onnx_export.py"
            )
        return exported[0]
    is_exported = path.suffix.lower() == EXPORTED
    if suffix == EXPORTED and not is_exported:
        raise ValueError(f"{path} must be a .onnx; write one with onnx_export.py")
    if suffix == WEIGHTS and is_exported:
        raise ValueError(f"{path} is an exported file; name the .pth that it was made from")
    return path


def best_checkpoint(folder: str | Path) -> Path:
    """Choose the best weights in a model directory from what the files say.

    The best.pth of the latest run comes first, then files that say an mAP, then those that say a
    loss, inside or, in older folders, in their name. Files with a loss that is not a finite number
    are never chosen.

    Raises:
        ValueError: if there is no folder or no usable file in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no model directory {folder}")
    files = [path for path in sorted(folder.glob("[!.]*.pth")) if path.name not in (LAST, PREVIOUS)]
    ranked = [(_rank(path), path) for path in files]
    usable = [(rank, path) for rank, path in ranked if rank is not None]
    if not usable:
        raise ValueError(
            f"no usable checkpoint in {folder} ({len(files)} .pth files, none with a finite loss "
            "or an mAP); train first, or name a file"
        )
    return max(usable, key=itemgetter(0))[1]


def _rank(path: Path) -> tuple[int, float] | None:
    """Return what to sort by, greater is better, or None for a file that cannot be judged."""
    try:
        _, description = read_weights(path)
    except ValueError as error:
        logger.warning("%s", error)
        return None
    metrics = description.metrics if description else {}
    if "mAP" in metrics and math.isfinite(metrics["mAP"]):
        return 3 if path.name == BEST else 2, metrics["mAP"]
    loss = metrics.get("loss")
    if loss is None:
        in_name = LOSS_IN_NAME.search(path.name)
        try:
            loss = float(in_name.group(1)) if in_name else math.nan
        except ValueError:
            loss = math.nan
    return (3 if path.name == BEST else 1, -loss) if math.isfinite(loss) else None


@dataclass(frozen=True)
class Detector:
    """A net with its weights, and the facts about it."""

    net: SSD
    description: Description
    path: Path


def load_detector(path: str | Path, overrides: Overrides | None = None) -> Detector:
    """Load a checkpoint: described, bare, or a COMBO_CHECKPOINT.

    A bare file's net, number of classes and width are read from its tensors. Its class names come
    from `overrides.labels`, or from the labels.txt beside it.

    Raises:
        ValueError: if it cannot be read, or contradicts `overrides`.
    """
    path, overrides = Path(path), overrides or Overrides()
    weights, description = read_weights(path)
    if description is None:
        description = recognise(weights, path, overrides)
    else:
        _compare(path, description, overrides)
    if overrides.resolution and overrides.resolution != description.config.image_size:
        trained = description.config.image_size
        description = description.at_resolution(overrides.resolution)
        logger.warning(
            "%s was trained at %d x %d; its accuracy at %d is unmeasured",
            path,
            trained,
            trained,
            overrides.resolution,
        )
    net = description.create()
    load_strictly(net, weights, path)
    return Detector(net.eval(), description, path)


def _compare(path: Path, description: Description, overrides: Overrides) -> None:
    """Check that the options do not contradict a description, which knows better."""
    if overrides.net:
        require_net(path, description.net, overrides.net)
    if overrides.labels:
        names = with_background(read_labels(overrides.labels), overrides.labels)
        if tuple(names) != description.class_names:
            raise ValueError(
                f"{path} was trained on {', '.join(description.class_names[1:])}, "
                f"{overrides.labels} lists {', '.join(names[1:])}; leave --labels out"
            )
    if overrides.mb2_width_mult and overrides.mb2_width_mult != description.width_mult:
        raise ValueError(f"{path} has width multiplier {description.width_mult}; leave it out")


def load_strictly(net: SSD, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights that must fit tensor by tensor.

    Raises:
        ValueError: naming the first tensors that are missing, unknown or of another shape.
    """
    require_fit(weights, net.state_dict(), path)
    net.load_state_dict(weights)


def require_fit(weights: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    """Check that weights are those of a net whose own are given, tensor by tensor.

    Raises:
        ValueError: naming `path`, and the first tensors that are missing, unknown or of another
            shape.
    """
    faults = [f"{name} is missing" for name in own if name not in weights]
    faults += [f"{name} is unknown" for name in weights if name not in own]
    faults += [
        f"{name} is {tuple(weights[name].shape)}, the net's is {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if faults:
        raise ValueError(f"{path} does not fit the net: {first_few(faults, 3, '; ')}")


def fuse_batch_norms(net: nn.Module) -> None:
    """Let every convolution of a net in evaluation mode do its batch norm's work, in place.

    The outputs stay the same but for rounding and come a fifth sooner; the net can no longer learn.
    """
    for layers in [module for module in net.modules() if isinstance(module, nn.Sequential)]:
        for i, (layer, following) in enumerate(zip(layers, layers[1:])):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                layers[i] = fuse_conv_bn_eval(layer, following)
                layers[i + 1] = nn.Identity()


def _open_exported(
    path: Path, overrides: Overrides, suppression: Suppression | None
) -> OpenDetector:
    # A .pth needs no onnx and no onnxruntime.
    from vision.deploy.nms import graph_nms
    from vision.deploy.onnx_reading import open_session

    session = open_session(path)
    nms = graph_nms(session.get_modelmeta().custom_metadata_map, path)
    if nms:
        logger.info("%s has NMS inside, at IoU %g; no other is applied", path, nms.iou_threshold)
        suppression = replace(suppression or Suppression(), method="none")
    detector = OnnxDetector(session, path, has_nms=nms is not None)
    if overrides.resolution not in (None, detector.image_size):
        raise ValueError(
            f"{path} is fixed to {detector.image_size} x {detector.image_size} pixels, "
            f"not {overrides.resolution}; leave --resolution out, or export again"
        )
    class_names = own_class_names(path, overrides.labels, detector.num_classes)
    predictor = Predictor(detector, detector.image_size, detector.mean, detector.std, suppression)
    return OpenDetector(predictor, class_names, path)
