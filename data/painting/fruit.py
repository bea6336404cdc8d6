"""The fruits: for each a function that paints it upright on a canvas, and a line in FRUITS."""

from __future__ import annotations

from typing import Callable, NamedTuple, Sequence

import numpy as np

from painting.canvas import Canvas
from painting.colours import choose, mix, rgb, step, varied
from painting.outlines import bow, closed_curve, lathe, oval, ribbon, sideways

BROWN, CREAM = rgb("#5a3a1e"), rgb("#fff3d6")
GREEN, BARK = rgb("#4f9a34"), rgb("#6b4a26")
APPLES = [
    ("#d8262c", "#f2b544"),
    ("#c3182b", "#8f1022"),
    ("#8fc43a", "#d3df66"),
    ("#e8482f", "#f6d860"),
]
ORANGES = ["#f58a12", "#fb9a1e", "#ee7a10"]
STRAWBERRIES = ["#e01f2d", "#d3142a", "#ee3a35"]
GRAPES = ["#6b3490", "#7d2659", "#9c2a50", "#b4d14f", "#4a3a8a", "#a9c84a"]
PEARS = [("#d6dc46", "#9fc23a"), ("#f0d24a", "#dd8a3c"), ("#b3d043", "#dbe05c")]
BUNCHES = [[3, 4, 5, 4, 3, 2, 1], [4, 5, 4, 3, 2, 1], [3, 4, 4, 3, 3, 2, 1]]  # grapes in each row


def stalk(canvas: Canvas, line: np.ndarray, width: float, colour: np.ndarray = BARK) -> None:
    """Paint a stalk along a line, thicker at its end."""
    canvas.solid(ribbon(line, [width, width * 0.8, width * 1.3]), colour, gloss=0.1)


def leaf(canvas: Canvas, line: np.ndarray, width: float, colour: np.ndarray = GREEN) -> None:
    """Paint a pointed leaf along a line, with a pale rib."""
    widths = width * np.array([0, 0.62, 0.94, 1, 0.86, 0.55, 0])
    canvas.solid(ribbon(line, widths), colour, gloss=0.15)
    rib = ribbon(line[1:-2], [width * 0.09, 0.005])
    canvas.mark(rib, mix(colour, CREAM, 0.45), strength=0.8)


def twig(canvas: Canvas, rng: np.random.Generator, foot: float, leafy: float) -> None:
    """Paint a stalk that starts at (0, foot), and with the probability `leafy` a leaf."""
    side = choose(rng, [-1, 1])
    top = foot - rng.uniform(0.26, 0.36)
    if rng.random() < leafy:
        tip = side * rng.uniform(0.5, 0.68), top + rng.uniform(-0.02, 0.14)
        line = bow((0.02, foot - 0.1), (side * 0.25, top - 0.18), tip)
        leaf(canvas, line, rng.uniform(0.2, 0.3), varied(rng, GREEN))
    end = -side * rng.uniform(0.02, 0.14), top
    stalk(canvas, bow((0, foot + 0.06), (0, foot - 0.15), end, 12), 0.07)


def apple(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint an apple: red, green or streaked, with its stalk in a dimple."""
    skin, blush = (varied(rng, rgb(code)) for code in choose(rng, APPLES))
    half = [(0, -0.62), (0.22, -0.76), (0.58, -0.72), (0.84, -0.36)]
    half += [(0.84, 0.12), (0.62, 0.62), (0.28, 0.84), (0, 0.77)]
    streaks = canvas.noise(rng, 44, 4) * 0.55 + canvas.noise(rng, 5, 5) * 0.9
    colour = mix(skin, blush, step(streaks + canvas.y * 0.35, 0.75, 1.25))
    canvas.solid(lathe(half) * (rng.uniform(0.94, 1.06), 1), colour, gloss=0.55, shine=34)
    canvas.mark(oval((0, -0.64), 0.27, 0.1), skin * 0.3, blur=0.05, strength=0.75)
    twig(canvas, rng, -0.62, leafy=0.6)


def orange(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint an orange: whole, or cut in half."""
    skin = varied(rng, rgb(choose(rng, ORANGES)), 0.03)
    paint = cut_orange if rng.random() < 0.25 else whole_orange
    paint(canvas, rng, skin)


def whole_orange(canvas: Canvas, rng: np.random.Generator, skin: np.ndarray) -> None:
    """Paint an orange with its pores and green button."""
    pores = canvas.noise(rng, 90, 90) * 0.22
    body = oval((0, 0), 0.86, 0.86 * rng.uniform(0.93, 1))
    canvas.solid(body, mix(skin, skin * 0.6, pores), gloss=0.3, shine=14)
    canvas.mark(oval((0, -0.6), 0.17, 0.11), skin * 0.6, blur=0.03, strength=0.6)
    if rng.random() < 0.5:
        side = choose(rng, [-1, 1])
        line = bow((0, -0.62), (side * 0.3, -1.05), (side * 0.72, -0.92))
        leaf(canvas, line, 0.3, varied(rng, GREEN))
    star = oval((0, 0), 1, 1, steps=10) * (0.03 + 0.1 * (np.arange(10) % 2))[:, None]
    canvas.flat(star + np.array([0, -0.61]), rgb("#4c7a2c"))


def cut_orange(canvas: Canvas, rng: np.random.Generator, skin: np.ndarray) -> None:
    """Paint the cut face of half an orange: rind, pith and segments."""
    canvas.flat(oval((0, 0), 0.86, 0.86), skin)
    canvas.mark(oval((0, 0), 0.8, 0.8), rgb("#fdebc0"))
    flesh = mix(skin, rgb("#ffb030"), 0.5)
    pulp = mix(flesh, rgb("#ffd27a"), canvas.noise(rng, 40, 40) * 0.7)
    count, first = int(rng.integers(9, 12)), rng.uniform(0, 1)
    half = np.pi / count
    radii = np.array([0.1, 0.42, 0.68, 0.745, 0.68, 0.42])
    turns = np.array([0, -0.8, -0.84, 0, 0.84, 0.8]) * half
    for angle in first + np.arange(count) * 2 * half:
        corners = np.stack([np.cos(angle + turns), np.sin(angle + turns)], axis=1)
        canvas.mark(closed_curve(corners * radii[:, None]), pulp)


def banana(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint one to three bananas that share a stalk."""
    count = choose(rng, [1, 1, 2, 3])
    ripe = mix(rgb("#f7d32c"), rgb("#c9d43a"), max(rng.normal(0, 0.4), 0))
    for number in range(count):
        low = (number - (count - 1) / 2) * 0.36
        line = bow((-1.0, -0.5), (-0.45, 0.75 + low), (0.98, 0.1 + low), 40)
        one_banana(canvas, rng, line, varied(rng, ripe, 0.03))


def one_banana(
    canvas: Canvas, rng: np.random.Generator, line: np.ndarray, skin: np.ndarray
) -> None:
    """Paint a banana along a line from its stalk to its tip."""
    shade = ribbon(line - np.array([0, 0.05]), [0, 0.3, 0.42, 0.3, 0])
    canvas.mark(shade, BROWN, blur=0.03, strength=0.5)
    spots = step(canvas.noise(rng, 60, 60), 0.86, 0.97) * rng.uniform(0, 0.8)
    widths = [0.11, 0.1, 0.16, 0.34, 0.45, 0.48, 0.48, 0.46, 0.39, 0.25, 0.09]
    canvas.solid(ribbon(line, widths), mix(skin, BROWN, spots), gloss=0.15, shine=10)
    bulge = np.sin(np.linspace(0, np.pi, len(line)))[:, None] * 0.06
    ridge = (line - sideways(line) * bulge)[6:-3]
    canvas.mark(ribbon(ridge, [0.01, 0.03, 0.01]), skin * 0.62, blur=0.006, strength=0.7)
    canvas.mark(ribbon(line[-3:], [0.14, 0.1]), BROWN, blur=0.012, strength=0.95)
    canvas.mark(ribbon(line[:6], [0.14, 0.12, 0.16]), rgb("#9a9a2e"), blur=0.02, strength=0.6)
    canvas.mark(ribbon(line[:2], [0.14, 0.14]), BROWN, blur=0.01, strength=0.9)


def strawberry(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a strawberry: seeds in staggered rows, and a cap of leaves."""
    skin = varied(rng, rgb(choose(rng, STRAWBERRIES)))
    half = [(0, -0.62), (0.36, -0.72), (0.7, -0.48), (0.7, -0.06)]
    half += [(0.46, 0.46), (0.18, 0.84), (0, 0.92)]
    outline = lathe(half) * (rng.uniform(0.92, 1.08), 1)
    pale = step(canvas.y, -0.35, -0.8) * 0.45
    canvas.solid(outline, mix(skin, rgb("#ffd9a0"), pale), gloss=0.5, shine=22)
    right = outline[outline[:, 0] > 0]
    right = right[np.argsort(right[:, 1])]
    for row, y in enumerate(np.arange(-0.46, 0.82, 0.165)):
        reach = np.interp(y, right[:, 1], right[:, 0])
        gap = 0.3 / max(reach, 0.2)
        for angle in np.arange(-1.2 + (row % 2) * gap / 2, 1.2, gap):
            place = reach * np.sin(angle), y + 0.06 * np.cos(angle)
            seed(canvas, place, np.cos(angle), skin)
    for angle in np.linspace(-0.25, np.pi + 0.25, 7) + rng.uniform(-0.1, 0.1, 7):
        pull = 0.4 * np.cos(angle), -0.86 + 0.2 * np.sin(angle)
        tip = 0.62 * np.cos(angle), -0.72 + 0.36 * np.sin(angle)
        leaf(canvas, bow((0, -0.72), pull, tip), 0.2, varied(rng, GREEN))
    end = rng.uniform(-0.2, 0.2), -1.05
    stalk(canvas, bow((0, -0.7), (0, -0.9), end, 12), 0.07, rgb("#6f9c3f"))


def seed(canvas: Canvas, place: Sequence[float], facing: float, skin: np.ndarray) -> None:
    """Paint a strawberry seed in its pit; `facing` is 1 in the middle and 0 at the sides."""
    x, y = place
    canvas.mark(oval((x, y), 0.042 * facing + 0.012, 0.062), skin * 0.55, strength=0.8)
    canvas.mark(oval((x, y + 0.008), 0.024 * facing + 0.008, 0.042), rgb("#ffd866"))


def grape(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a bunch of grapes, red, blue or green, often with a leaf."""
    skin = rgb(choose(rng, GRAPES))
    stalk(canvas, bow((0, -0.5), (0, -0.8), (rng.uniform(-0.2, 0.2), -1.08), 12), 0.08)
    if rng.random() < 0.7:
        vine_leaf(canvas, varied(rng, GREEN), side=choose(rng, [-1, 1]))
    heart = [(-0.4, -0.6), (0.4, -0.6), (0.45, -0.2), (0.06, 0.62), (-0.06, 0.62), (-0.45, -0.2)]
    canvas.flat(closed_curve(heart), skin * 0.3)
    radius = rng.uniform(0.19, 0.225)
    for row, count in enumerate(choose(rng, BUNCHES)):
        for column in rng.permutation(count):
            x = (column - (count - 1) / 2) * 0.315 + rng.normal(0, 0.03)
            y = -0.6 + row * 0.235 + rng.normal(0, 0.03)
            shade = oval((x, y), radius * 1.05, radius * 1.05)
            canvas.mark(shade, skin * 0.2, blur=0.025, strength=0.6)
            canvas.ball((x, y), radius * rng.uniform(0.92, 1.06), varied(rng, skin, 0.08))


def vine_leaf(canvas: Canvas, colour: np.ndarray, side: int) -> None:
    """Paint a lobed leaf that hangs on the right, side 1, or the left, side -1."""
    lobes = [(0, 0), (0.1, -0.3), (0.3, -0.22), (0.45, -0.4), (0.55, -0.15)]
    lobes += [(0.75, -0.05), (0.5, 0.08), (0.45, 0.3), (0.2, 0.18)]
    outline = closed_curve(lobes) * (0.9 * side, 0.9) + np.array([0, -0.72])
    canvas.solid(outline, colour, gloss=0.1)
    rib = bow((0, -0.72), (side * 0.3, -0.78), (side * 0.58, -0.76), 12)
    canvas.mark(ribbon(rib, [0.03, 0.01]), mix(colour, CREAM, 0.4))


def pear(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a pear: yellow or green, freckled, with a blush on one cheek."""
    skin, blush = (varied(rng, rgb(code), 0.04) for code in choose(rng, PEARS))
    half = [(0, -0.7), (0.17, -0.67), (0.27, -0.44), (0.36, -0.12), (0.6, 0.2)]
    half += [(0.68, 0.54), (0.48, 0.87), (0.14, 0.96), (0, 0.94)]
    outline = lathe(half)
    lean = rng.uniform(-0.08, 0.08)
    outline[:, 0] += lean * np.maximum(0.2 - outline[:, 1], 0)
    across = canvas.x * choose(rng, [-1, 1]) + canvas.noise(rng, 6, 6) * 0.4
    freckles = step(canvas.noise(rng, 80, 80), 0.8, 0.95) * 0.35
    colour = mix(mix(skin, blush, step(across, 0.1, 0.9) * 0.8), BROWN, freckles)
    canvas.solid(outline, colour, gloss=0.3, shine=18)
    canvas.mark(oval((lean, -0.68), 0.1, 0.05), BROWN, blur=0.03, strength=0.5)
    twig(canvas, rng, -0.69, leafy=0.45)


def pineapple(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a pineapple: a golden lattice with an eye in each diamond, under a crown."""
    crown(canvas, rng)
    gold, groove = varied(rng, rgb("#eda928"), 0.04), varied(rng, rgb("#8a5316"))
    around = np.arcsin(np.clip(canvas.x / 0.6, -0.98, 0.98))
    rising = np.abs(np.cos(around * 4 - canvas.y * 6.4))
    falling = np.abs(np.cos(around * 4 + canvas.y * 6.4))
    flesh = mix(gold, rgb("#c8b23a"), canvas.noise(rng, 4, 4) * 0.7)
    colour = mix(groove, flesh, step(np.minimum(rising, falling), 0.08, 0.5))
    colour = mix(colour, rgb("#6b4418"), step(rising * falling, 0.9, 0.98) * 0.8)
    half = [(0, -0.36), (0.3, -0.31), (0.5, 0), (0.54, 0.35), (0.44, 0.75), (0.22, 0.95), (0, 0.98)]
    canvas.solid(lathe(half), colour, gloss=0.15, shine=10)


def crown(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint the leaves on a pineapple, the outer and longer ones first."""
    green = varied(rng, rgb("#3f8f3f"))
    ranks = [(7, 1.15, 0.78), (6, 0.85, 0.68), (5, 0.55, 0.5), (3, 0.25, 0.36)]
    for rank, (count, spread, length) in enumerate(ranks):
        for angle in np.linspace(-spread, spread, count) + rng.normal(0, 0.05, count):
            tip = length * np.sin(angle) * 0.85, -0.3 - length * (0.35 + 0.75 * np.cos(angle))
            pull = length * 0.3 * np.sin(angle), -0.3 - length * 0.75
            colour = varied(rng, green * (0.8 + 0.12 * rank), 0.05)
            leaf(canvas, bow((0.12 * np.sin(angle), -0.2), pull, tip), 0.15, colour)


def watermelon(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a watermelon: whole, half a slice or a wedge of one."""
    paint = whole_melon if rng.random() < 0.5 else melon_slice
    paint(canvas, rng)


def whole_melon(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint a melon with jagged stripes from end to end."""
    light, dark = varied(rng, rgb("#8cc152")), varied(rng, rgb("#1f5a2c"))
    high = rng.uniform(0.7, 0.84)
    waist = np.sqrt(np.maximum(1 - (canvas.x / 0.97) ** 2, 0.02))
    around = np.arcsin(np.clip(canvas.y / (high * waist), -1, 1))
    around += (canvas.noise(rng, 36, 10) - 0.5) * 0.32
    stripes = step(np.sin(around * 6.5 + rng.uniform(0, 6)), -0.15, 0.25)
    canvas.solid(oval((0, 0), 0.95, high), mix(light, dark, stripes), gloss=0.4, shine=26)
    canvas.mark(oval((-0.93, 0), 0.05, 0.07), rgb("#7a6a34"))


def melon_slice(canvas: Canvas, rng: np.random.Generator) -> None:
    """Paint red flesh with seeds, above white and green rind."""
    half_angle, radius, top = choose(rng, [(np.pi / 2, 0.98, -0.42), (0.62, 1.5, -0.75)])
    angles = np.linspace(-half_angle, half_angle, 48)
    arc = np.stack([np.sin(angles), np.cos(angles)], axis=1) * radius
    depth = radius - np.hypot(canvas.x, canvas.y - top)
    flesh = mix(varied(rng, rgb("#f0404a"), 0.04), rgb("#d62839"), canvas.noise(rng, 24, 24))
    rind = mix(rgb("#2d7a35"), rgb("#a9d468"), step(depth, 0.05, 0.09))
    rind = mix(rind, rgb("#f4f6d8"), step(depth, 0.1, 0.15))
    outline = np.concatenate([np.zeros((1, 2)), arc]) + np.array([0, top])
    canvas.flat(outline, mix(rind, flesh, step(depth, 0.16, 0.24)))
    for distance in np.arange(radius - 0.38, 0.1, -0.22):
        reach = half_angle * 0.82
        for angle in np.arange(-reach, reach, 0.34 / distance) + rng.normal(0, 0.04):
            place = distance * np.sin(angle), top + distance * np.cos(angle)
            canvas.mark(oval(place, 0.032, 0.058, -angle), rgb("#2a1512"))


class Fruit(NamedTuple):
    """How a fruit is painted, its label in Open Images, and its sizes.

    `smallest` and `largest` are the least and the most that two units of its canvas span, as
    fractions of a picture's shorter side.
    """

    paint: Callable[[Canvas, np.random.Generator], None]
    label: str
    smallest: float
    largest: float


FRUITS = {
    "Apple": Fruit(apple, "/m/014j1m", 0.27, 0.54),
    "Orange": Fruit(orange, "/m/0cyhj_", 0.27, 0.54),
    "Banana": Fruit(banana, "/m/09qck", 0.36, 0.62),
    "Strawberry": Fruit(strawberry, "/m/07fbm7", 0.25, 0.5),
    "Grape": Fruit(grape, "/m/0388q", 0.33, 0.6),
    "Pear": Fruit(pear, "/m/061_f", 0.29, 0.56),
    "Pineapple": Fruit(pineapple, "/m/0fp6w", 0.37, 0.64),
    "Watermelon": Fruit(watermelon, "/m/0kpqd", 0.36, 0.64),
}
