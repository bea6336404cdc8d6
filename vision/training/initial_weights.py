"""Where a net's weights come from before training: nowhere, a backbone, or another detector."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Sequence

import torch
from torch import Tensor, nn

from vision.ssd.ssd import SSD

from .weights_file import read_weights

logger = logging.getLogger(__name__)

# The classes of weights published for PASCAL VOC, which carry no names.
VOC_CLASS_NAMES = (
    "BACKGROUND", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip
BACKBONE_PREFIXES = ("module.", "base_net.", "model.", "features.")
HEAD_DEVIATION = 0.01


def initialise(net: SSD) -> None:
    """Give every layer the weights that training from scratch starts from.

    Convolutions are drawn so that signals keep their size (He et al. 2015), heads small, so that
    all classes are equally likely at first and no box is far from its prior.
    """
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for headers in (net.classification_headers, net.regression_headers):
        for head in headers:
            last = head if isinstance(head, nn.Conv2d) else head[-1]
            nn.init.normal_(last.weight, std=HEAD_DEVIATION)


def load_base_net(net: SSD, path: str | Path) -> None:
    """Load the backbone from a classifier trained on ImageNet.

    Takes state dicts of this family (names with or without `model.`, `features.`), those of
    torchvision, whose layers stand in the same order under other names, and whole detectors of the
    same backbone. What comes behind the backbone is ignored, but that VGG's is made of it.

    Raises:
        ValueError: if its layers are not those of the net's backbone.
    """
    weights, _ = read_weights(path)
    weights = {_without_prefix(name): tensor for name, tensor in weights.items()}
    own = net.base_net.state_dict()
    weights = _subsample_vgg_classifier(weights)
    if not set(own) <= set(weights):
        weights = _by_order(weights, own, path)
    for name, tensor in own.items():
        if weights[name].shape != tensor.shape:
            raise ValueError(
                f"{path} is a backbone of another net or width: {name} is "
                f"{tuple(weights[name].shape)}, here it must be {tuple(tensor.shape)}"
            )
    net.base_net.load_state_dict({name: weights[name] for name in own})


def _without_prefix(name: str) -> str:
    for prefix in BACKBONE_PREFIXES:
        if name.startswith(prefix):
            name = name[len(prefix) :]
    return name


def _subsample_vgg_classifier(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Make fc6 and fc7 of a detector from those of a VGG-16 classifier (SSD paper, section 3).

    Every fourth channel is taken, and of fc6 every third of 7 x 7 pixels, which its dilation
    spreads over the whole again.
    """
    weights = dict(weights)
    fc6, fc7 = weights.get("classifier.0.weight"), weights.get("classifier.3.weight")
    if fc6 is None or fc7 is None or fc6.shape != (4096, 512 * 7 * 7):
        return weights
    weights["31.weight"] = fc6.unflatten(1, (512, 7, 7))[::4, :, ::3, ::3]
    weights["31.bias"] = weights["classifier.0.bias"][::4]
    weights["33.weight"] = fc7[::4, ::4, None, None]
    weights["33.bias"] = weights["classifier.3.bias"][::4]
    return weights


def _by_order(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path
) -> dict[str, Tensor]:
    """Pair layers of other names but the same order and shapes; the classifier comes last."""
    given = list(weights.values())[: len(own)]
    if [tensor.shape for tensor in given] != [tensor.shape for tensor in own.values()]:
        raise ValueError(
            f"{path} does not hold this net's backbone: it has {len(weights)} tensors, the "
            f"backbone has {len(own)}, or their shapes differ"
        )
    return dict(zip(own, given))


@dataclass(frozen=True)
class Transferred:
    """What was taken from a pretrained detector."""

    tensors: int
    of_tensors: int
    classes: tuple[str, ...]  # whose head rows were taken

    def __str__(self) -> str:
        heads = f"heads of {', '.join(self.classes)}" if self.classes else "heads are new"
        return f"{self.tensors} of {self.of_tensors} tensors; {heads}"


@torch.no_grad()
def load_pretrained(net: SSD, path: str | Path, class_names: Sequence[str]) -> Transferred:
    """Copy everything that fits from another detector; head rows go by class name.

    A bare file of 21 classes is taken for one trained on PASCAL VOC; any other bare file gives its
    box heads and the row of BACKGROUND, but no other class.

    Raises:
        ValueError: if the file cannot be read or is of a net with another backbone.
    """
    weights, description = read_weights(path)
    own = net.state_dict()
    _require_backbone(weights, own, path)
    source = _class_names_of(weights, description, net)
    shared = [name for name in class_names if name in source]
    taken = 0
    for name, tensor in own.items():
        given = weights.get(name)
        if given is None:
            continue
        if given.shape == tensor.shape and not _is_class_row(name, net):
            tensor.copy_(given)
            taken += 1
        elif _is_class_row(name, net) and given.shape[1:] == tensor.shape[1:] and source:
            _copy_rows(tensor, given, class_names, source)
            taken += 1
    return Transferred(taken, len(own), tuple(name for name in shared if name != "BACKGROUND"))


def _require_backbone(
    weights: Mapping[str, Tensor], own: Mapping[str, Tensor], path: str | Path
) -> None:
    """Refuse another net, of which some extra layer or head may well have a shape that fits."""
    for name, tensor in own.items():
        if name.startswith("base_net.") and (
            name not in weights or weights[name].shape != tensor.shape
        ):
            raise ValueError(
                f"{path} has not the backbone of this net ({name} is missing or of another shape); "
                "--pretrained-ssd takes an SSD of the same --net, --base-net a backbone alone"
            )


def _class_names_of(weights: Mapping[str, Tensor], description, net: SSD) -> tuple[str, ...]:
    if description is not None:
        return description.class_names
    rows = weights.get("classification_headers.5.weight")
    if rows is None:
        return ()
    num_classes = len(rows) // net.config.prior_specs[-1].priors_per_cell
    if num_classes == len(VOC_CLASS_NAMES):
        return VOC_CLASS_NAMES
    return ("BACKGROUND", *[f"unnamed class {i}" for i in range(1, num_classes)])


def _is_class_row(name: str, net: SSD) -> bool:
    """Say whether a tensor's first dimension counts classes: the last layer of a class head."""
    if not name.startswith("classification_headers."):
        return False
    index = int(name.split(".")[1])
    head = net.classification_headers[index]
    depth = f"{len(head) - 1}." if isinstance(head, nn.Sequential) else ""
    return name.startswith(f"classification_headers.{index}.{depth}") and name.count(".") == (
        3 if depth else 2
    )


def _copy_rows(
    tensor: Tensor, given: Tensor, class_names: Sequence[str], source: Sequence[str]
) -> None:
    """Copy rows of (priors_per_cell * C, ...) for the classes that both have."""
    if given.shape[0] % len(source) or given.shape[0] // len(source) != tensor.shape[0] // len(
        class_names
    ):
        return
    rows = tensor.unflatten(0, (-1, len(class_names)))
    given_rows = given.unflatten(0, (-1, len(source)))
    for i, name in enumerate(class_names):
        if name in source:
            rows[:, i] = given_rows[:, list(source).index(name)]
