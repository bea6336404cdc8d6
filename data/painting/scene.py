"""Drawing one picture: fruit and other things on a background, and the boxes of the fruit."""

from __future__ import annotations

from typing import NamedTuple, Sequence

import cv2
import numpy as np

from painting.canvas import Canvas
from painting.colours import choose
from painting.fruit import FRUITS
from painting.scenery import BACKGROUNDS, DISTRACTORS, Ground

MAX_SHARED = 0.2  # most of a thing's area that may lie over or under other things
MIN_INSIDE = 0.65  # least of a thing's area that must be in the picture
TRIES = 40  # places to try for a thing before it is left out
FRUIT_COUNTS = [0.2, 0.3, 0.25, 0.15, 0.1]  # probabilities of 1, 2, 3, 4 and 5 fruits
OTHER_COUNTS = [0.4, 0.35, 0.2, 0.05]  # probabilities of 0, 1, 2 and 3 other things
SIZES = {"plate": (0.6, 0.95)}
OTHER_SIZES = (0.2, 0.42)


class Drawn(NamedTuple):
    """A fruit in a picture: its class, its box (xyxy, pixels), whether it is hidden or cut off."""

    name: str
    box: tuple[int, int, int, int]
    occluded: bool
    truncated: bool


class Thing(NamedTuple):
    """A painted thing at its place.

    `planes`, (4, H, W), span the whole picture: red, green and blue, premultiplied, and alpha.
    `area` is the number of its pixels, also of those outside the picture.
    """

    name: str
    planes: np.ndarray
    area: float

    @property
    def alpha(self) -> np.ndarray:
        """Return the share of each pixel that it covers, (H, W)."""
        return self.planes[3]


def draw_scene(
    rng: np.random.Generator,
    size: tuple[int, int],
    first: str | None,
    names: Sequence[str] = tuple(FRUITS),
    scale: float = 1.0,
) -> tuple[np.ndarray, list[Drawn]]:
    """Draw a picture of 1 to 5 fruits, the first of class `first`; of none if that is None.

    Args:
        rng: decides everything else.
        size: (width, height) in pixels.
        first: a name in FRUITS, or None.
        names: in FRUITS, of which the others are; what stands there more often is more often drawn.
        scale: size of all things, against their usual one.

    Returns:
        The picture, (height, width, 3) uint8 RGB, and its fruits.
    """
    more = [choose(rng, names) for _ in range(rng.choice(5, p=FRUIT_COUNTS))]
    others = [choose(rng, list(DISTRACTORS)) for _ in range(rng.choice(4, p=OTHER_COUNTS))]
    if first is None:
        fruits, others = [], [choose(rng, list(DISTRACTORS)), *others]
    else:
        fruits = [first, *more]
    picture = choose(rng, BACKGROUNDS)(Ground(rng, *size)).astype(np.float32)
    things = arrange(rng, fruits + others, size, scale)
    for thing in things:
        lay(picture, thing)
    picture *= rng.normal(1, 0.08) * rng.normal(1, 0.03, (3, 1, 1))
    picture *= 1 + rng.standard_normal(picture.shape[1:], np.float32) * (0.02 * rng.random())
    pixels = np.ascontiguousarray(
        np.clip(picture * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    )
    return pixels, visible(things)


def arrange(
    rng: np.random.Generator, names: list[str], size: tuple[int, int], scale: float = 1.0
) -> list[Thing]:
    """Paint the named things and find a place for each; return those that fit, the lowest first."""
    placed: list[Thing] = []
    shared: list[float] = []  # pixels that each shares with the others
    for name in names:
        planes = painted(rng, name, min(size) * scale)
        for _ in range(TRIES):
            thing = put(rng, name, planes, size)
            overlaps = [overlap(thing, other) for other in placed]
            totals = [old + new for old, new in zip(shared, overlaps)] + [sum(overlaps)]
            fits = all(
                total <= MAX_SHARED * other.area for total, other in zip(totals, [*placed, thing])
            )
            if fits and thing.alpha.sum() >= MIN_INSIDE * thing.area:
                placed, shared = [*placed, thing], totals
                break
    mixed = [placed[number] for number in rng.permutation(len(placed))]
    plates = [thing for thing in mixed if thing.name == "plate"]
    return plates + [thing for thing in mixed if thing.name != "plate"]


def painted(rng: np.random.Generator, name: str, unit: float) -> np.ndarray:
    """Paint a thing for a picture whose shorter side is `unit`; return its planes, (4, h, w)."""
    turn = rng.normal(0, 0.35) if rng.random() < 0.6 else rng.uniform(-np.pi, np.pi)
    if name in FRUITS:
        paint, _, smallest, largest = FRUITS[name]
    else:
        paint, (smallest, largest) = DISTRACTORS[name], SIZES.get(name, OTHER_SIZES)
    canvas = Canvas(np.exp(rng.uniform(np.log(smallest), np.log(largest))) * unit, turn)
    paint(canvas, rng)
    return canvas.finished()


def put(rng: np.random.Generator, name: str, planes: np.ndarray, size: tuple[int, int]) -> Thing:
    """Lay a painted thing at a random place, sometimes over the edge, in a picture of `size`."""
    thing = Thing(name, np.zeros((4, size[1], size[0]), np.float32), float(planes[3].sum()))
    beyond = choose(rng, [0, 0, 0, 0.4])
    to, cut = [slice(None)], [slice(None)]
    for extent, room in zip(planes.shape[1:], thing.alpha.shape):
        ends = sorted([-beyond * extent, room - extent + beyond * extent])
        start = round(rng.uniform(*ends))
        to.append(slice(max(start, 0), min(start + extent, room)))
        cut.append(slice(to[-1].start - start, to[-1].stop - start))
    thing.planes[tuple(to)] = planes[tuple(cut)]
    return thing


def overlap(one: Thing, other: Thing) -> float:
    """Return the number of pixels that two things share; a plate, on which things lie, shares 0."""
    if "plate" in (one.name, other.name):
        return 0.0
    return float(np.minimum(one.alpha, other.alpha).sum())


def lay(picture: np.ndarray, thing: Thing) -> None:
    """Lay a thing and its soft shadow on a picture, (3, H, W), in place."""
    height, width = thing.alpha.shape
    small = (width // 4 + 1, height // 4 + 1)  # a shadow is too soft to need all pixels
    depth = 0.0125 * np.sqrt(thing.area)
    shadow = cv2.resize(thing.alpha, small, interpolation=cv2.INTER_AREA)
    shift = np.array([[1, 0, depth], [0, 1, depth]])
    shadow = cv2.warpAffine(shadow, shift, small, borderMode=cv2.BORDER_REPLICATE)
    shadow = cv2.GaussianBlur(shadow, (0, 0), depth / 2 + 0.5)
    shadow = cv2.resize(shadow, (width, height), interpolation=cv2.INTER_LINEAR)
    picture *= (1 - 0.5 * shadow) * (1 - thing.alpha)
    picture += thing.planes[:3]


def visible(things: list[Thing]) -> list[Drawn]:
    """Return the fruits as they are seen among `things`, of which the lowest comes first."""
    found = []
    hidden = np.float32(0)
    for thing in reversed(things):
        seen = thing.alpha * (1 - hidden)
        hidden = np.maximum(hidden, thing.alpha)
        if thing.name in FRUITS:
            inside = float(thing.alpha.sum())
            occluded, truncated = seen.sum() < 0.95 * inside, inside < 0.98 * thing.area
            found.append(Drawn(thing.name, box_of(seen), bool(occluded), truncated))
    return found[::-1]


def box_of(mask: np.ndarray) -> tuple[int, int, int, int]:
    """Return the box, xyxy in pixels, of the pixels of a mask, (H, W), that are at least 0.5."""
    rows, columns = (np.flatnonzero((mask >= 0.5).any(axis=axis)) for axis in (1, 0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
