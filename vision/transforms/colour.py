"""Colour distortions on the small uint8 picture, in the ranges of the SSD recipe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

RGB_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
YIQ_TO_RGB = np.linalg.inv(RGB_TO_YIQ)


@dataclass(frozen=True)
class ColourJitter:
    """Change brightness, contrast, saturation and hue, each with the same probability.

    All four are affine in RGB, so one matrix does them in one pass, rounded and clipped once.
    Saturation and hue leave grey alone, so contrast may come before or after them.
    """

    probability: float = 0.5  # of each of the four
    brightness: float = 32.0  # most grey levels, up or down
    contrast: tuple[float, float] = (0.5, 1.5)
    saturation: tuple[float, float] = (0.5, 1.5)
    hue: float = 18.0  # most degrees, either way

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return `image` (H, W, 3) uint8 RGB in other light."""
        do_brightness, do_contrast, do_saturation, do_hue = rng.random(4) < self.probability
        matrix, offset = np.eye(3), 0.0
        if do_brightness:
            offset = rng.uniform(-self.brightness, self.brightness)
        if do_saturation:
            matrix = saturation_matrix(rng.uniform(*self.saturation)) @ matrix
        if do_hue:
            matrix = hue_matrix(rng.uniform(-self.hue, self.hue)) @ matrix
        if do_contrast:
            factor = rng.uniform(*self.contrast)
            matrix, offset = matrix * factor, offset * factor
        return apply_colour_matrix(image, matrix, offset)


@dataclass(frozen=True)
class ShuffleChannels:
    """Exchange the colour channels at times, as if under coloured light."""

    probability: float = 0.05

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return `image` (H, W, 3) uint8, perhaps with its channels in another order."""
        if rng.random() >= self.probability:
            return image
        return apply_colour_matrix(image, np.eye(3)[rng.permutation(3)], 0)


def saturation_matrix(factor: float) -> np.ndarray:
    """Return the (3, 3) matrix on RGB that multiplies a colour's distance from grey by `factor`."""
    return factor * np.eye(3) + (1 - factor) * RGB_TO_YIQ[:1]


def hue_matrix(degrees: float) -> np.ndarray:
    """Return the (3, 3) matrix on RGB that turns hues by `degrees` in the chroma plane of YIQ."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return YIQ_TO_RGB @ turn @ RGB_TO_YIQ


def apply_colour_matrix(image: np.ndarray, matrix: np.ndarray, offset: float) -> np.ndarray:
    """Return matrix @ pixel + offset for all pixels of (H, W, 3) uint8, clipped to 0..255."""
    affine = np.empty((3, 4), np.float32)
    affine[:, :3], affine[:, 3] = matrix, offset
    return cv2.transform(image, affine)
