"""Outlines, light and boxes, checked on shapes whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from painting.canvas import SUPERSAMPLE, Canvas, inflate
from painting.colours import mix, rgb, step
from painting.fruit import FRUITS
from painting.outlines import bow, closed_curve, lathe, oval, ribbon
from painting.scene import Drawn, Thing, arrange, box_of, draw_scene, visible
from painting.scenery import BACKGROUNDS, DISTRACTORS, Ground
from painting.sheet import annotate

SQUARE = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])


def generator(*numbers):
    return np.random.default_rng(numbers)


def rectangle(name, box, beyond=0.0):
    """Return a rectangle in a picture of 10 x 10, with `beyond` more pixels outside it."""
    planes = np.zeros((4, 10, 10), np.float32)
    left, top, right, bottom = box
    planes[:, top:bottom, left:right] = 1
    return Thing(name, planes, float(planes[3].sum()) + beyond)


def test_oval_touches_its_four_sides():
    outline = oval((3, 4), 2, 1)
    np.testing.assert_allclose(outline.min(axis=0), [1, 3])
    np.testing.assert_allclose(outline.max(axis=0), [5, 5])
    turned = oval((0, 0), 2, 1, turn=np.pi / 2)
    np.testing.assert_allclose(turned.max(axis=0), [1, 2])


def test_closed_curve_runs_through_its_points():
    points = [(0, 0), (4, 1), (3, 5), (-1, 2)]
    np.testing.assert_allclose(closed_curve(points, steps=8)[::8], points)


def test_lathe_mirrors_the_right_half():
    outline = lathe([(0, -1), (1, 0), (0, 1)])
    mirrored = outline * (-1, 1)
    assert all(np.abs(outline - point).sum(axis=1).min() < 1e-9 for point in mirrored)


def test_bow_starts_and_ends_where_it_should():
    line = bow((0, 0), (1, 2), (2, 0), steps=3)
    np.testing.assert_allclose(line, [(0, 0), (1, 1), (2, 0)])


def test_ribbon_of_a_straight_line_is_a_rectangle():
    outline = ribbon(bow((0, 0), (1, 0), (2, 0), steps=3), [0.5, 0.5])
    np.testing.assert_allclose(outline.min(axis=0), [0, -0.25])
    np.testing.assert_allclose(outline.max(axis=0), [2, 0.25])


def test_colours():
    np.testing.assert_allclose(rgb("#ff0033").ravel(), [1, 0, 0.2], atol=1e-6)
    mixed = mix(rgb("#000000"), rgb("#ffffff"), np.array([[-1, 0.25, 2]]))
    assert mixed.shape == (3, 1, 3)
    np.testing.assert_allclose(mixed[0, 0], [0, 0.25, 1])
    np.testing.assert_allclose(step(np.array([0.0, 1, 2, 3, 4]), 1, 3), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(step(np.array([0.0, 1, 2, 3, 4]), 3, 1), [1, 1, 0.5, 0, 0])


def test_a_square_is_painted_with_its_colour_where_it_is():
    canvas = Canvas(100)
    canvas.flat(SQUARE, rgb("#ff0000"))
    planes = canvas.finished()
    assert abs(planes.shape[1] - 50) <= 2
    assert abs(planes.shape[2] - 50) <= 2
    np.testing.assert_allclose(planes[:, 25, 25], [1, 0, 0, 1])


def test_a_mark_keeps_to_what_is_painted():
    canvas = Canvas(100)
    canvas.flat(SQUARE, rgb("#ff0000"))
    before = canvas.alpha.copy()
    canvas.mark(SQUARE + np.array([0.5, 0]), rgb("#0000ff"))
    np.testing.assert_allclose(canvas.alpha, before, atol=0.3)  # only half-covered edges may grow
    assert (canvas.alpha > 0.5).sum() == (before > 0.5).sum()
    row = canvas.image[:, len(before) // 2]
    assert row[2].sum() == pytest.approx(25 * SUPERSAMPLE, abs=3)  # the right half turned blue


def test_the_light_does_not_turn_with_the_thing():
    for turn in (0, 2, 4):
        canvas = Canvas(60, turn)
        canvas.solid(oval((0, 0), 0.8, 0.8), rgb("#808080"), gloss=0)
        planes = canvas.finished()
        light = planes[0]
        quarter = light.shape[0] // 4
        assert light[quarter, quarter] > 1.3 * light[-quarter, -quarter]


def test_a_disc_is_inflated_to_half_a_ball():
    canvas = Canvas(100)
    canvas.flat(oval((0, 0), 0.9, 0.9), rgb("#ffffff"))
    normals = inflate(canvas.alpha)
    inside = np.hypot(canvas.x, canvas.y) < 0.75
    expected = np.stack(
        [canvas.x, canvas.y, np.sqrt(np.maximum(0.81 - canvas.x**2 - canvas.y**2, 0))]
    )
    error = np.abs(normals - expected / 0.9).max(axis=0)[inside]
    assert error.max() < 0.12


@pytest.mark.parametrize("name", [*FRUITS, *DISTRACTORS])
def test_nothing_is_cut_off_by_its_canvas(name):
    paint = FRUITS[name].paint if name in FRUITS else DISTRACTORS[name]
    for number in range(16):
        rng = generator(number)
        canvas = Canvas(48, rng.uniform(-np.pi, np.pi))
        paint(canvas, rng)
        alpha = canvas.alpha
        assert max(alpha[[0, -1]].max(), alpha[:, [0, -1]].max()) == 0
        assert 0 <= canvas.image.min() <= canvas.image.max() <= 1 + 1e-5
        assert alpha.max() <= 1 + 1e-5


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_backgrounds_fill_the_picture(background):
    picture = background(Ground(generator(1), 90, 64))
    assert picture.shape == (3, 64, 90)
    assert -0.1 < picture.min() < picture.max() < 1.5
    assert picture.std() > 0.003


def test_box_holds_the_pixels_that_are_half_covered_and_no_more():
    mask = np.zeros((6, 8), np.float32)
    mask[2:4, 3:7] = 1
    mask[1, 3] = 0.5
    mask[4, 3] = 0.49
    assert box_of(mask) == (3, 1, 7, 4)


def test_visible_boxes_of_what_lies_on_each_other():
    below = rectangle("Apple", (0, 0, 4, 4))
    other = rectangle("mug", (2, 0, 6, 4))
    above = rectangle("Pear", (5, 2, 9, 6))
    assert visible([below, other, above]) == [
        Drawn("Apple", (0, 0, 2, 4), True, False),
        Drawn("Pear", (5, 2, 9, 6), False, False),
    ]
    assert visible([rectangle("Pear", (6, 0, 10, 4), beyond=8)]) == [
        Drawn("Pear", (6, 0, 10, 4), False, True)
    ]
    assert visible([]) == []


@pytest.mark.parametrize("seed", range(6))
def test_boxes_are_tight_to_what_is_seen(seed):
    names = ["Apple", "plate", "Banana", "mug", "Grape", "Pineapple"]
    things = arrange(generator(seed), names, (120, 90))
    seen = [thing.alpha.copy() for thing in things]
    for number in range(len(things)):
        for above in things[number + 1 :]:
            seen[number] *= 1 - (above.alpha > 0.99)
    fruits = [mask for thing, mask in zip(things, seen) if thing.name in FRUITS]
    found = visible(things)
    assert len(found) == len(fruits) >= 1
    for fruit, mask in zip(found, fruits):
        rows, columns = np.nonzero(mask > 0.5)
        box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        np.testing.assert_allclose(fruit.box, box, atol=1)


def test_things_are_mostly_in_the_picture_and_mostly_seen():
    for seed in range(8):
        things = arrange(generator(seed), ["Watermelon"] * 5, (100, 100))
        for number, thing in enumerate(things):
            inside = thing.alpha.sum()
            assert inside >= 0.65 * thing.area - 0.01
            above = sum(
                np.minimum(thing.alpha, other.alpha).sum() for other in things[number + 1 :]
            )
            assert above <= 0.2 * thing.area + 0.01


def test_a_scene_has_the_fruit_that_is_asked_for():
    for number, name in enumerate(FRUITS):
        picture, fruits = draw_scene(generator(number), (90, 64), name)
        assert picture.shape == (64, 90, 3)
        assert picture.dtype == np.uint8
        assert 1 <= len(fruits) <= 5
        assert name in [fruit.name for fruit in fruits]


def test_a_scene_without_fruit_has_something_else():
    picture, fruits = draw_scene(generator(1), (64, 64), None)
    assert fruits == []
    assert picture.std() > 3


@pytest.mark.parametrize("shade", [0, 255])
def test_a_box_shows_on_black_and_on_white(shade):
    picture = np.full((60, 80, 3), shade, np.uint8)
    annotate(picture, Drawn("Pear", (20, 25, 60, 50), False, False))
    inner, outer = picture[25:50, [20, 59]], picture[25:49, [19, 60]]
    assert np.all(inner == 255)
    assert np.all(outer == 0)
    assert np.all(picture[30:45, 25:55] == shade)
