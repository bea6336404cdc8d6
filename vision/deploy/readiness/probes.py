"""Pictures to try a net with, drawn as a camera might take them.

Nothing is judged by what no camera makes, such as noise over the full range or a picture of one
value: a net may do anything there.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

from vision.deploy.emulation.network_input import network_input

PLAIN_PROBE = "plain wall"
SCENE_PROBE = "scene by day"
DARK_PROBE = "scene in the dark"
SENSOR_NOISE = 2.0  # deviation of a pixel, of 255


def probe_inputs(shape: Sequence[int], picture: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return tensors to try a file with: three drawn pictures, and a real one if it is given.

    Args:
        shape: (B, 3, H, W) of the file's input.
        picture: (H, W, 3) uint8 RGB of any size.
    """
    batch, _, height, width = shape
    pictures = camera_pictures(height, width)
    if picture is not None:
        pictures["picture"] = picture
    return {
        name: np.repeat(network_input(image, height, width), batch, axis=0)
        for name, image in pictures.items()
    }


def camera_pictures(height: int, width: int) -> dict[str, np.ndarray]:
    """Draw a wall, a scene by day and the same scene in a dark room; (H, W, 3) uint8 each."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = (1 - 0.15 * (rows**2 + columns**2))[..., None]  # a lens is darker in its corners
    wall = falloff * np.full(3, 150.0)
    scene = falloff * (np.array([120.0, 150.0, 190.0]) - 60 * rows[..., None])
    for _ in range(12):
        row, column, size = *rng.uniform(-1, 1, 2), rng.uniform(0.1, 0.5)
        distance = np.hypot(rows - row, (columns - column) * rng.uniform(0.5, 2))
        inside = np.clip((size - distance) * 20 + 0.5, 0, 1)[..., None]  # a slightly soft edge
        shaded = rng.uniform(20, 250, 3) * (1 - 0.3 * (rows - row)[..., None])
        scene = scene * (1 - inside) + shaded * inside
    pictures = {PLAIN_PROBE: wall, SCENE_PROBE: scene, DARK_PROBE: 0.12 * scene}
    return {name: _exposed(image, rng) for name, image in pictures.items()}


def _exposed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noisy = image + rng.normal(0, SENSOR_NOISE, image.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
