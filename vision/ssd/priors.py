"""The boxes that a net starts from."""

from __future__ import annotations

from math import sqrt
from typing import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.ssd.config import PriorSpec


def generate_priors(specs: Sequence[PriorSpec], image_size: int) -> Tensor:
    """Lay the priors of every feature map over the picture (SSD paper, section 2.2).

    At each cell: a square of the map's min size, one of the geometric mean of min and max size,
    and for each aspect ratio a lying and a standing box of the min square's area.

    Returns:
        (P, 4) float32 cxcywh in [0, 1], clipped; map by map, row by row, cell by cell.
    """
    return torch.cat([_priors_of_map(spec, image_size) for spec in specs])


def _priors_of_map(spec: PriorSpec, image_size: int) -> Tensor:
    shapes = [(spec.min_size, spec.min_size)]
    shapes.append((sqrt(spec.min_size * spec.max_size),) * 2)
    for ratio in spec.aspect_ratios:
        long, short = spec.min_size * sqrt(ratio), spec.min_size / sqrt(ratio)
        shapes += [(long, short), (short, long)]
    centers = (np.arange(spec.feature_map_size) + 0.5) * spec.stride
    y, x = np.meshgrid(centers, centers, indexing="ij")
    cells = np.stack([x, y], axis=-1)[:, :, None, :].repeat(len(shapes), axis=2)
    sizes = np.broadcast_to(np.array(shapes), cells.shape)
    priors = np.concatenate([cells, sizes], axis=-1).reshape(-1, 4) / image_size
    return torch.from_numpy(priors.clip(0, 1).astype(np.float32))
