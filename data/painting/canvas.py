"""A canvas on which one round thing is painted in the light.

A thing is painted upright, in coordinates of its own: x to the right, y down, its body within
about one unit of the origin. The canvas turns the thing; the light stays above, on the left.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from painting.outlines import oval

SUPERSAMPLE = 2
REACH = 1.3  # the canvas shows -1.3 .. 1.3, so that turning cuts nothing off
LIGHT = np.array([-0.44, -0.58, 0.68], np.float32)  # the direction to the light
HALFWAY = np.array([-0.24, -0.32, 0.92], np.float32)  # the direction between light and eye

Window = Tuple[slice, slice]


class Area(NamedTuple):
    """Part of a canvas: its rows and columns, and the share of each pixel that is in it, (h, w)."""

    window: Window
    coverage: np.ndarray


class Canvas:
    """A square patch on which one thing is painted.

    Attributes:
        image: (3, S, S) float32 RGB in [0, 1], premultiplied by `alpha`.
        alpha: (S, S) float32 in [0, 1], 0 where nothing is painted.
        x, y: (S, S) float32, the thing's own coordinates, for colours that vary over it.
    """

    def __init__(self, size: float, turn: float = 0.0):
        """Make a canvas on which two units span `size` pixels; `turn` is clockwise, in radians."""
        half = int(np.ceil(REACH * size / 2)) * SUPERSAMPLE
        self.scale = float(size) / 2 * SUPERSAMPLE
        self.centre = half - 0.5
        cosine, sine = np.cos(turn), np.sin(turn)
        self.turn = np.array([[cosine, -sine], [sine, cosine]], np.float32)
        steps = (np.arange(2 * half, dtype=np.float32) - self.centre) / self.scale
        self.x = steps * self.turn[0, 0] + steps[:, None] * self.turn[1, 0]
        self.y = steps * self.turn[0, 1] + steps[:, None] * self.turn[1, 1]
        self.image = np.zeros((3, 2 * half, 2 * half), np.float32)
        self.alpha = np.zeros((2 * half, 2 * half), np.float32)

    def flat(
        self, outline: np.ndarray, colour: np.ndarray, blur: float = 0, strength: float = 1
    ) -> None:
        """Lay a flat colour, (3, 1, 1) or (3, S, S), inside an outline, (N, 2).

        `blur` is the width of a soft edge, in units; with a `strength` below 1 what lies under the
        colour shines through.
        """
        window, coverage = self._area(outline, blur)
        self._lay(window, within(window, colour), coverage * strength)

    def mark(
        self, outline: np.ndarray, colour: np.ndarray, blur: float = 0, strength: float = 1
    ) -> None:
        """Lay a colour as `flat` does, but only on what is painted already."""
        window, coverage = self._area(outline, blur)
        self._lay(window, within(window, colour), coverage * strength * self.alpha[window])

    def solid(
        self, outline: np.ndarray, colour: np.ndarray, gloss: float = 0.25, shine: float = 24
    ) -> None:
        """Lay a colour as if it bulged out of the picture and the light fell on it.

        `gloss` is the strength of the highlight; a higher `shine` makes it smaller.
        """
        window, coverage = self._area(outline)
        shaded = lit(within(window, colour), inflate(coverage), gloss, shine)
        self._lay(window, shaded, coverage)

    def ball(
        self, centre: Sequence[float], radius: float, colour: np.ndarray, gloss: float = 0.4
    ) -> None:
        """Lay a ball on the canvas: faster than `solid`, as the bulge of a ball is known."""
        window, coverage = self._area(oval(centre, radius, radius, steps=32))
        middle = self.turn @ np.asarray(centre, np.float32) * self.scale + self.centre
        rows, columns = (np.arange(part.start, part.stop, dtype=np.float32) for part in window)
        x = (columns - middle[0]) / (radius * self.scale)
        y = (rows - middle[1])[:, None] / (radius * self.scale)
        x, y = np.broadcast_arrays(x, y)
        normals = np.stack([x, y, np.sqrt(np.maximum(1 - x * x - y * y, 0))])
        self._lay(window, lit(within(window, colour), normals, gloss, shine=30), coverage)

    def noise(self, rng: np.random.Generator, across: int, down: int) -> np.ndarray:
        """Return smooth noise in [0, 1], (S, S), of across x down cells, turned like the thing."""
        cells = rng.random((down + 1, across + 1), np.float32)
        columns = (self.x / REACH / 3 + 0.5) * across
        rows = (self.y / REACH / 3 + 0.5) * down
        return cv2.remap(cells, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)

    def finished(self) -> np.ndarray:
        """Return the painted thing, at its size in the picture, as planes (4, h, w).

        The planes are red, green and blue, premultiplied, and alpha.
        """
        side = len(self.alpha) // SUPERSAMPLE
        planes = [
            cv2.resize(plane, (side, side), interpolation=cv2.INTER_AREA)
            for plane in (*self.image, self.alpha)
        ]
        rows, columns = (np.flatnonzero((planes[3] > 0.02).any(axis=axis)) for axis in (1, 0))
        return np.stack(planes)[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    def _area(self, outline: np.ndarray, blur: float = 0) -> Area:
        points = outline @ self.turn.T * self.scale + self.centre
        margin = 2 + 2 * blur * self.scale
        low = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(points.max(axis=0) + margin) + 1, len(self.alpha)).astype(int)
        coverage = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        corners = np.round((points - low) * 16).astype(np.int32)  # four binary places, shift=4
        cv2.fillPoly(coverage, [corners], 255, cv2.LINE_AA, shift=4)
        coverage = coverage.astype(np.float32) / 255
        if blur:
            coverage = cv2.GaussianBlur(coverage, (0, 0), blur * self.scale)
        return Area((slice(low[1], high[1]), slice(low[0], high[0])), coverage)

    def _lay(self, window: Window, colour: np.ndarray, coverage: np.ndarray) -> None:
        image, alpha = self.image[:, window[0], window[1]], self.alpha[window]
        image += (colour - image) * coverage
        alpha += (1 - alpha) * coverage


def within(window: Window, colour: np.ndarray) -> np.ndarray:
    """Return the part of a colour, (3, S, S), in a window; (3, 1, 1) stays as it is."""
    return colour if colour.size == 3 else colour[:, window[0], window[1]]


def lit(colour: np.ndarray, normals: np.ndarray, gloss: float, shine: float) -> np.ndarray:
    """Return a colour in the light, on a surface with unit `normals`, (3, h, w)."""
    facing = np.maximum(np.tensordot(LIGHT, normals, 1), 0)
    light = (0.62 + 0.62 * facing) * (0.75 + 0.25 * np.maximum(normals[2], 0))
    mirrored = gloss * np.maximum(np.tensordot(HALFWAY, normals, 1), 0) ** shine
    # The weak channels darken most: shaded sides grow deep and saturated rather than grey.
    deep = 0.35 * colour * (1 - colour)
    return np.minimum((colour + deep) * light + (mirrored - deep), 1)


def inflate(coverage: np.ndarray) -> np.ndarray:
    """Blow a flat shape, (h, w), up to a pillow; return its unit normals, (3, h, w).

    The height of the pillow is the square root of the solution of Poisson's equation: a disc
    becomes half a ball, a ribbon a tube. Light changes slowly, so a coarse grid is enough; the
    solution on it starts from solutions on coarser ones.
    """
    height, width = coverage.shape
    cells = min(max(height, width) / 5, 32)
    shrink = cells / max(height, width)
    neighbours = np.array([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]], np.float32)
    solution: np.ndarray = np.zeros((3, 3), np.float32)
    for level in (0.25, 0.5, 1.0):
        size = max(int(width * shrink * level), 2), max(int(height * shrink * level), 2)
        inner = cv2.resize(coverage, size, interpolation=cv2.INTER_AREA)
        shape = cv2.copyMakeBorder(inner, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        solution = cv2.resize(solution, shape.shape[::-1], interpolation=cv2.INTER_LINEAR) * 4
        for _ in range(10 + int(1.5 * cells)):
            solution = (cv2.filter2D(solution, -1, neighbours) + 0.25) * shape
    slope_x = cv2.Sobel(solution, -1, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(solution, -1, 0, 1, scale=1 / 8)
    normals = np.stack([-slope_x, -slope_y, np.sqrt(np.maximum(solution, 0))])[:, 1:-1, 1:-1]
    normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-6)
    return np.stack([cv2.resize(plane, (width, height)) for plane in normals])
