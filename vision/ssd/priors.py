"""The priors: the boxes that a net's predictions start from."""

from __future__ import annotations

from typing import Sequence

import numpy as np
import torch
from torch import Tensor

from vision.ssd.config import PriorSpec


def generate_priors(specs: Sequence[PriorSpec], image_size: int) -> Tensor:
    """Lay the priors of every feature map over the picture (SSD paper, section 2.2).

    Returns:
        (P, 4) float32 cxcywh in [0, 1], clipped; map by map, row by row, cell by cell.
    """
    maps = []
    for spec in specs:
        shapes = np.array(spec.shapes())  # (K, 2)
        centers = (np.arange(spec.feature_map_size) + 0.5) * spec.stride
        y, x = np.meshgrid(centers, centers, indexing="ij")
        cells = np.stack([x, y], axis=-1)[:, :, None, :].repeat(len(shapes), axis=2)
        priors = np.concatenate([cells, np.broadcast_to(shapes, cells.shape)], axis=-1)
        maps.append(priors.reshape(-1, 4) / image_size)
    return torch.from_numpy(np.concatenate(maps).clip(0, 1).astype(np.float32))
