"""Which priors a run trains with: those of its net, of its data, or of a pretrained detector."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch import Tensor

from vision.checkpoints.description import Description
from vision.checkpoints.recognition import find_net
from vision.checkpoints.weights_file import read_weights
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.ssd import NETS
from vision.ssd.config import SSDConfig
from vision.ssd.matching import MATCH_IOU
from vision.ssd.prior_search import fit_priors
from vision.training.options import AUTO, TrainOptions
from vision.training.recipe_options import OVERLAP
from vision.utils.box_utils import cxcywh_to_xyxy
from vision.utils.numpy_boxes import intersection_over_union

UNEQUAL = 2.0  # times as many priors an object; blood cells have 3 to 9 times those of platelets
LEAST_OBJECTS = 10  # objects of a class, to say how many priors they have
MOST_OF_A_CLASS = 200  # objects that are looked at

logger = logging.getLogger(__name__)


def choose_config(options: TrainOptions, train: AnnotationIndex, heads: Path | None) -> SSDConfig:
    """Return the facts of the net of a run that begins, with the priors that --anchors asks for.

    Heads have learnt with certain priors, so "auto" keeps those of a pretrained detector. Where no
    heads are loaded, it fits priors to the boxes, and takes them where they gain enough.

    Args:
        options: of the run.
        train: the pictures whose boxes are fitted.
        heads: the file of a detector whose heads are loaded, None if there is none.

    Raises:
        ValueError: if that file cannot be read.
    """
    stock = NETS[options.net].config(options.resolution)
    if options.anchors == "stock":
        return stock
    if options.anchors == "auto" and heads:
        config = _with_priors_of(heads, stock, options)
        if config is not None:
            return config
    fit = fit_priors(train.boxes_in_square(options.resolution), stock, options.seed)
    logger.info("Fitted %s", fit)
    if fit.changed:
        logger.info(
            "Older scripts know only the net's own priors, so they cannot use these weights; "
            "--anchors stock keeps those. Ours and detectnet need no option."
        )
    return replace(stock, prior_specs=fit.specs)


def config_to_go_on(options: TrainOptions, saved: Description) -> SSDConfig:
    """Return the facts of the net of a run that goes on, with the priors that it began with.

    Everything else is as the options say, so that what they have changed is found and refused.
    """
    config = NETS[options.net].config(options.resolution)
    if options.anchors == "stock" or saved.config.image_size != options.resolution:
        return config
    return replace(config, prior_specs=saved.config.prior_specs)


def _with_priors_of(heads: Path, stock: SSDConfig, options: TrainOptions) -> SSDConfig | None:
    """Return the config with the priors that the detector of a file has, the net's own if bare.

    None for a detector of another net, whose heads are not loaded.
    """
    weights, description = read_weights(heads)
    net = find_net(weights) or options.net if description is None else description.net
    if net != options.net:
        return None
    if description is None:
        return stock
    specs = description.at_resolution(options.resolution).config.prior_specs
    if specs != stock.prior_specs:
        logger.info("The priors are those of %s, whose heads have learnt with them.", heads)
    return replace(stock, prior_specs=specs)


def with_object_balance(
    options: TrainOptions, train: AnnotationIndex, priors: Tensor
) -> TrainOptions:
    """Return the options with a number in the place of "auto" for --object-balance.

    By overlap, where objects of one class have UNEQUAL times as many priors as those of another,
    the loss is hardly about the latter unless objects count alike. Elsewhere it is better left
    alone. Where predictions decide, objects count alike.

    Args:
        options: of the run.
        train: the pictures that it learns.
        priors: (P, 4) cxcywh in [0, 1] of the net.
    """
    if options.object_balance != AUTO:
        return options
    if options.assignment != OVERLAP:
        return options.replace(object_balance=1.0)
    means = _priors_per_object(train, cxcywh_to_xyxy(priors).numpy(), options.seed)
    if not means or max(means.values()) < UNEQUAL * min(means.values()):
        return options.replace(object_balance=0.0)
    most, fewest = (pick(means, key=means.__getitem__) for pick in (max, min))
    logger.info(
        "Objects of %s have %.1f priors each, those of %s %.1f: each object counts the same in the "
        "loss. --object-balance 0 lets each prior count the same, as in the older scripts.",
        most,
        means[most],
        fewest,
        means[fewest],
    )
    return options.replace(object_balance=1.0)


def _priors_per_object(train: AnnotationIndex, priors: np.ndarray, seed: int) -> dict[str, float]:
    """Return by class how many priors an object has on average, where there are objects enough."""
    rng = np.random.default_rng(seed)
    boxes, means = train.boxes_in_square(1), {}
    for label, name in enumerate(train.class_names):
        rows = np.flatnonzero(train.labels == label)
        if len(rows) >= LEAST_OBJECTS:
            chosen = boxes[rng.permutation(rows)[:MOST_OF_A_CLASS]]
            overlaps = intersection_over_union(chosen[:, None], priors)
            counts = (overlaps >= MATCH_IOU).sum(axis=1).clip(min=1)  # one is forced
            means[name] = float(counts.mean())
    return means
