"""Colours: RGB in [0, 1] float32 as planes, (3, 1, 1), or (3, H, W) if they vary.

They are planes and not pixels because NumPy is slow along a last axis of three.
"""

from __future__ import annotations

from typing import Sequence, TypeVar

import numpy as np

Option = TypeVar("Option")


def rgb(code: str) -> np.ndarray:
    """Return the colour (3, 1, 1) of a code like "#rrggbb"."""
    parts = [int(code[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    return np.array(parts, np.float32).reshape(3, 1, 1)


def mix(first: np.ndarray, second: np.ndarray, share: float | np.ndarray) -> np.ndarray:
    """Mix two colours: `share`, a number or (H, W), is 0 for all `first` and 1 for all `second`."""
    return first + (second - first) * np.clip(share, 0, 1).astype(np.float32)


def step(values: np.ndarray, start: float, stop: float) -> np.ndarray:
    """Return 0 before `start`, 1 beyond `stop`, a smooth slope between; either may be larger."""
    share = np.clip((values - start) / (stop - start), 0, 1)
    return share * share * (3 - 2 * share)


def choose(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    """Return one of the options."""
    return options[int(rng.integers(len(options)))]


def varied(rng: np.random.Generator, colour: np.ndarray, amount: float = 0.06) -> np.ndarray:
    """Return a colour a little lighter or darker, and a little off in each channel."""
    shift = rng.normal(0, amount) + rng.normal(0, amount / 2, (3, 1, 1))
    return np.clip(colour * (1 + shift), 0, 1).astype(np.float32)
