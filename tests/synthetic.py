"""Weights and pictures that are the same on every machine, from which the references were made."""

from __future__ import annotations

import zlib

import numpy as np
import torch


def synthetic_state(shapes, seed=11, gain=2.0):
    """Return tensors for {name: shape}, drawn so that signals keep their size on the way."""
    return {
        name: torch.from_numpy(_draw(name, shape, seed, gain)) for name, shape in shapes.items()
    }


def _draw(name, shape, seed, gain):
    rng = np.random.RandomState((zlib.crc32(name.encode()) ^ seed) & 0x7FFFFFFF)
    kind = name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros((), np.int64)
    if kind in ("running_mean", "bias"):
        deviation = 0.1 if kind == "running_mean" else 0.05
        return (rng.standard_normal(shape) * deviation).astype(np.float32)
    if len(shape) == 1:  # variances and weights of batch norm
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    inputs = int(np.prod(shape[1:]))
    if name.startswith(("classification_headers", "regression_headers")):
        inputs *= 10  # keeps the exponents of box sizes in range
    return (rng.standard_normal(shape) * np.sqrt(gain / inputs)).astype(np.float32)


def synthetic_picture(side, seed=12):
    """Return a picture of 8 x 8 flat fields and noise, (1, 3, side, side) in [-1, 1]."""
    rng = np.random.RandomState(seed)
    fields = rng.standard_normal((3, 8, 8))
    field = np.arange(side) * 8 // side
    noise = rng.standard_normal((3, side, side)) * 0.2
    picture = fields[:, field][:, :, field] * 0.5 + noise
    return torch.from_numpy(picture.clip(-1, 1).astype(np.float32))[None]
