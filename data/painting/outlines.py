"""Outlines to fill on a canvas: (N, 2) points, x to the right and y down."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def oval(
    centre: Sequence[float], radius_x: float, radius_y: float, turn: float = 0.0, steps: int = 64
) -> np.ndarray:
    """Return the outline, (steps, 2), of an ellipse turned clockwise by `turn` radians."""
    angles = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    across, down = radius_x * np.cos(angles), radius_y * np.sin(angles)
    x = across * np.cos(turn) - down * np.sin(turn)
    y = across * np.sin(turn) + down * np.cos(turn)
    return np.stack([x + centre[0], y + centre[1]], axis=1)


def closed_curve(points: Sequence[Sequence[float]], steps: int = 10) -> np.ndarray:
    """Return the smooth closed outline, (N * steps, 2), through N points (a Catmull-Rom spline)."""
    here = np.asarray(points, float)[:, None]
    before, after, beyond = np.roll(here, 1, 0), np.roll(here, -1, 0), np.roll(here, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    bend = 2 * before - 5 * here + 4 * after - beyond
    twist = 3 * here - before - 3 * after + beyond
    return (here + 0.5 * t * (after - before + t * (bend + t * twist))).reshape(-1, 2)


def lathe(profile: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the smooth outline of a thing that looks the same on the left and on the right.

    `profile` is the right half from top to bottom; its points with x = 0 belong to both halves.
    """
    return closed_curve([*profile, *((-x, y) for x, y in profile[::-1] if x > 0)])


def bow(
    start: Sequence[float], pull: Sequence[float], end: Sequence[float], steps: int = 24
) -> np.ndarray:
    """Return the line, (steps, 2), from `start` to `end`, bent towards `pull` (a Bezier curve)."""
    first, middle, last = (np.asarray(point, float) for point in (start, pull, end))
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t**2 * last


def ribbon(line: np.ndarray, widths: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return the outline of a band along a line, (N, 2), that may be wider and narrower.

    `widths` are spread evenly from the start of the line to its end.
    """
    places = np.linspace(0, 1, len(widths))
    reach = np.interp(np.linspace(0, 1, len(line)), places, widths)[:, None] / 2 * sideways(line)
    return np.concatenate([line + reach, (line - reach)[::-1]])


def sideways(line: np.ndarray) -> np.ndarray:
    """Return the unit vectors, (N, 2), across a line, (N, 2)."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.stack([-along[:, 1], along[:, 0]], axis=1)
