"""Which priors a run trains with: those of its net, of its data, or of a pretrained detector."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from vision.checkpoints.description import Description
from vision.checkpoints.weights_file import read_weights
from vision.datasets.index.annotation_index import AnnotationIndex
from vision.ssd import NETS
from vision.ssd.config import SSDConfig
from vision.ssd.prior_search import fit_priors
from vision.training.options import TrainOptions

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
        return _with_priors_of(heads, stock, options)
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


def _with_priors_of(heads: Path, stock: SSDConfig, options: TrainOptions) -> SSDConfig:
    """Return the config with the priors that the detector of a file has, the net's own if bare."""
    description = read_weights(heads)[1]
    if description is None or description.net != options.net:
        return stock
    specs = description.at_resolution(options.resolution).config.prior_specs
    if specs != stock.prior_specs:
        logger.info("The priors are those of %s, whose heads have learnt with them.", heads)
    return replace(stock, prior_specs=specs)
