"""The rest of a picture: BACKGROUNDS, and DISTRACTORS, things that no detector shall find."""

from __future__ import annotations

import cv2
import numpy as np

from painting.canvas import Canvas
from painting.colours import choose, mix, rgb, step, varied
from painting.fruit import leaf, stalk
from painting.outlines import bow, closed_curve, oval, ribbon

WOODS = ["#b98552", "#8a5a34", "#d9b382", "#6e4a30", "#a9713f"]
CLOTHS = ["#c8433f", "#3f6fb0", "#4f9a76", "#e2b93b", "#8d6bb0", "#5b7f95", "#d97f9b"]
WALLS = ["#e9dcc3", "#bcd4da", "#d8c4d4", "#c9d6b8", "#8fa3ad", "#e6b89c", "#54616b"]
STONES = ["#d9d6d0", "#9aa0a3", "#4a4f55", "#c9b9a4"]
WARES = ["#f4f1ea", "#b9d3e0", "#5b88b8", "#3d4f5c", "#e3c9d3", "#7fae9a"]
TOYS = ["#3f7fd0", "#d0589a", "#38a89a", "#8a5fd0", "#4fb8d8"]
DRINKS = ["#4a2c1a", "#b98a5a", "#f2efe6", "#a8562a"]
LEAVES = ["#4f8f3a", "#c9682c", "#b03a2a", "#d9a832", "#7a5a34"]
METAL_OR_WOOD = ["#c3c9ce", "#b98552"]
WHITE = np.ones((3, 1, 1), np.float32)


class Ground:
    """A picture to be filled.

    Attributes:
        unit: its shorter side, in pixels.
        across, down: (H, W) coordinates in that unit, turned a little, for patterns.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int):
        """Make a ground of a size in pixels; `rng` draws its turn."""
        self.rng, self.width, self.height = rng, width, height
        self.unit = min(width, height)
        turn = rng.uniform(-0.6, 0.6)
        cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
        columns = np.arange(width, dtype=np.float32) / self.unit
        rows = np.arange(height, dtype=np.float32)[:, None] / self.unit
        self.across = columns * cosine + rows * sine
        self.down = rows * cosine - columns * sine

    def noise(self, across: int, down: int) -> np.ndarray:
        """Return smooth noise, (H, W) in about [0, 1], of across x down cells."""
        cells = self.rng.random((down, across), np.float32)
        return cv2.resize(cells, (self.width, self.height), interpolation=cv2.INTER_CUBIC)

    def pick(self, codes: list[str]) -> np.ndarray:
        """Return one of some colours, varied."""
        return varied(self.rng, rgb(choose(self.rng, codes)))


def wood(ground: Ground) -> np.ndarray:
    """Return a table of planks."""
    rng, planks = ground.rng, int(ground.rng.integers(3, 7))
    rows = np.arange(ground.height, dtype=np.float32)[:, None] / ground.height * planks
    tone = rng.uniform(0.7, 0.98, planks).astype(np.float32)[rows.astype(int)]
    gap = step(np.abs(rows - np.round(rows)), 0.012, 0.03)
    grain = np.sin(rows * 24 + ground.noise(4, 4 * planks) * 12) * 0.05
    grain += ground.noise(6, 140) * 0.16 + ground.noise(30, 200) * 0.08
    return ground.pick(WOODS) * ((tone + grain) * (0.35 + 0.65 * gap))


def checks(ground: Ground) -> np.ndarray:
    """Return a gingham cloth."""
    size = ground.rng.uniform(8, 24)
    bands = [step(np.sin(way * size), -0.1, 0.1) for way in (ground.across, ground.down)]
    return woven(ground, mix(WHITE * 0.95, ground.pick(CLOTHS), sum(bands) * 0.46))


def stripes(ground: Ground) -> np.ndarray:
    """Return a striped cloth."""
    wave = np.sin(ground.across * ground.rng.uniform(10, 36))
    pale = mix(WHITE, ground.pick(CLOTHS), ground.rng.uniform(0, 0.35))
    return woven(ground, mix(ground.pick(CLOTHS), pale, step(wave, -0.1, 0.1)))


def dots(ground: Ground) -> np.ndarray:
    """Return a cloth with white dots."""
    size = ground.rng.uniform(18, 40)
    wave = np.cos(ground.across * size) + np.cos(ground.down * size)
    cloth = mix(ground.pick(CLOTHS), WHITE, ground.rng.uniform(0, 0.4))
    return woven(ground, mix(cloth, WHITE * 0.96, step(wave, 1.0, 1.25)))


def woven(ground: Ground, cloth: np.ndarray) -> np.ndarray:
    """Return a cloth with soft folds and a trace of its threads."""
    folds = 0.84 + 0.24 * ground.noise(3, 4)
    threads = ground.noise(ground.width // 2, 12) + ground.noise(12, ground.height // 2)
    return cloth * (folds * (0.94 + 0.06 * threads))


def wall(ground: Ground) -> np.ndarray:
    """Return a plain wall, lighter on one side."""
    slope = ground.rng.uniform(-0.22, 0.22) * (ground.across - 0.5)
    rough = 0.1 * ground.noise(3, 3) + 0.05 * ground.noise(90, 90)
    return ground.pick(WALLS) * (0.9 + slope + rough)


def stone(ground: Ground) -> np.ndarray:
    """Return a slab of stone with veins."""
    clouds = 0.5 * ground.noise(4, 4) + 0.3 * ground.noise(9, 9) + 0.2 * ground.noise(22, 22)
    veins = step(np.abs(clouds - 0.5), 0.03, 0.0)
    light = 0.82 + 0.28 * clouds - 0.1 * veins + 0.08 * ground.noise(150, 150)
    return ground.pick(STONES) * light


def grass(ground: Ground) -> np.ndarray:
    """Return a lawn: short bright blades on darker ground."""
    rng, blades = ground.rng, 700
    light = ground.noise(7, 7) * 0.4 + ground.noise(60, 60) * 0.3
    feet = rng.uniform(0, 1, (blades, 2)) * (ground.width, ground.height)
    tips = feet + rng.normal((0, -0.035), 0.02, (blades, 2)) * ground.unit
    ends = np.round(np.concatenate([feet, tips], axis=1) * 16).astype(int).tolist()
    thickness = max(ground.unit // 200, 1)
    for (x1, y1, x2, y2), shade in zip(ends, rng.uniform(0.1, 1, blades).tolist()):
        cv2.line(light, (x1, y1), (x2, y2), shade, thickness, cv2.LINE_8, shift=4)
    return mix(varied(rng, rgb("#2c6428")), varied(rng, rgb("#84bd4c")), light)


def plate(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a plate from above."""
    ware, ring = (varied(rng, rgb(choose(rng, WARES)), 0.03) for _ in range(2))
    canvas.flat(oval((0, 0), 0.98, 0.98), ware)
    canvas.mark(oval((0.02, 0.03), 0.96, 0.96), ware * 0.9, blur=0.02)
    canvas.mark(oval((0, 0), 0.9, 0.9), ring, strength=choose(rng, [0, 0.8]))
    canvas.mark(oval((0, 0), 0.8, 0.8), ware)
    canvas.mark(oval((-0.03, -0.04), 0.68, 0.68), ware * 0.82, blur=0.02)
    canvas.mark(oval((0.01, 0.015), 0.66, 0.66), ware * 0.97, blur=0.015)


def mug(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a mug from above, with its handle and what is in it."""
    ware = varied(rng, rgb(choose(rng, WARES + TOYS)), 0.04)
    handle = bow((0.5, -0.22), (1.15, 0.05), (0.5, 0.24))
    canvas.solid(ribbon(handle, [0.16, 0.15, 0.16]), ware, gloss=0.4)
    canvas.solid(oval((0, 0), 0.66, 0.66), ware, gloss=0.3)
    canvas.mark(oval((0, 0), 0.56, 0.56), ware * 0.7)
    canvas.mark(oval((0.03, 0.04), 0.52, 0.52), rgb(choose(rng, DRINKS)), blur=0.01)
    canvas.mark(oval((-0.16, -0.2), 0.16, 0.08, -0.7), WHITE, blur=0.04, strength=0.35)


def ball(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a toy ball, plain or with bands."""
    first, second = (varied(rng, rgb(choose(rng, codes))) for codes in (TOYS, [*TOYS, "#f4f1ea"]))
    wave = np.sin(canvas.y * rng.uniform(4, 9) + np.cos(canvas.x * 1.5))
    bands = step(wave, -0.06, 0.06) * choose(rng, [0, 1])
    canvas.solid(oval((0, 0), 0.85, 0.85), mix(first, second, bands), gloss=0.6, shine=40)


def fallen_leaf(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a large leaf, green or of autumn."""
    colour = varied(rng, rgb(choose(rng, LEAVES)))
    line = bow((-0.75, 0.1), (0, rng.uniform(-0.4, 0.4)), (0.95, -0.05))
    leaf(canvas, line, rng.uniform(0.5, 0.75), colour)
    for x, y in line[6:20:4]:
        for side in (-1, 1):
            vein = bow((x, y), (x + 0.1, y + side * 0.1), (x + 0.26, y + side * 0.22), 8)
            canvas.mark(ribbon(vein, [0.022, 0.008]), mix(colour, WHITE, 0.35), strength=0.7)
    stalk(canvas, bow((-0.7, 0.09), (-0.9, 0.14), (-1.08, 0.2), 8), 0.05, colour * 0.7)


def spoon(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a spoon, of steel or of wood."""
    colour = varied(rng, rgb(choose(rng, METAL_OR_WOOD)))
    handle = bow((-0.4, 0), (0.3, 0.05), (1.1, 0))
    canvas.solid(ribbon(handle, [0.1, 0.08, 0.13, 0.16]), colour, gloss=0.5)
    corners = [(-1.1, 0), (-0.98, -0.22), (-0.6, -0.24), (-0.3, 0), (-0.6, 0.24), (-0.98, 0.22)]
    bowl = closed_curve(corners)
    canvas.solid(bowl, colour, gloss=0.5)
    canvas.mark(bowl * (0.78, 0.75) + np.array([-0.16, 0.02]), colour * 0.75, blur=0.02)


BACKGROUNDS = [wood, checks, stripes, dots, wall, stone, grass]
DISTRACTORS = {"plate": plate, "mug": mug, "ball": ball, "leaf": fallen_leaf, "spoon": spoon}
