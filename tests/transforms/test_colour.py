"""Colour on paper: what a known pixel becomes."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest

from vision.transforms.colour import (
    ColourJitter,
    ShuffleChannels,
    apply_colour_matrix,
    hue_matrix,
    saturation_matrix,
)

SAME = np.eye(3)


def pixels(*colours) -> np.ndarray:
    return np.uint8([colours])


def test_brightness_adds_and_clips():
    image = pixels((0, 100, 250))
    np.testing.assert_array_equal(apply_colour_matrix(image, SAME, 10), pixels((10, 110, 255)))
    np.testing.assert_array_equal(apply_colour_matrix(image, SAME, -10), pixels((0, 90, 240)))


def test_contrast_multiplies_and_clips():
    image = pixels((0, 100, 200))
    np.testing.assert_array_equal(apply_colour_matrix(image, 1.5 * SAME, 0), pixels((0, 150, 255)))
    np.testing.assert_array_equal(apply_colour_matrix(image, 0.5 * SAME, 0), pixels((0, 50, 100)))


def test_saturation_moves_away_from_grey_or_towards_it():
    """The grey of (200, 100, 0) is 0.299 * 200 + 0.587 * 100 = 118.5."""
    image = pixels((200, 100, 0))
    for factor, expected in ((0, (118, 118, 118)), (0.5, (159, 109, 59)), (1, (200, 100, 0))):
        changed = apply_colour_matrix(image, saturation_matrix(factor), 0).astype(int)
        assert abs(changed - expected).max() <= 1


@pytest.mark.parametrize("degrees", [-18, -5, 7, 18])
@pytest.mark.parametrize("colour", [(200, 60, 60), (60, 160, 70), (70, 80, 190)])
def test_hue_turns_by_about_its_degrees(degrees, colour):
    (changed,) = apply_colour_matrix(pixels(colour), hue_matrix(degrees), 0)[0]
    before, after = (360 * colorsys.rgb_to_hsv(*np.divide(c, 255))[0] for c in (colour, changed))
    turned = (after - before + 180) % 360 - 180
    # YIQ's circle runs from magenta over red to yellow, against that of HSV, and is uneven to it.
    assert 0.4 * abs(degrees) <= abs(turned) <= 2.1 * abs(degrees)


@pytest.mark.parametrize("matrix", [hue_matrix(18), hue_matrix(-18), saturation_matrix(1.5)])
def test_grey_stays_grey(matrix):
    greys = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    assert abs(apply_colour_matrix(greys, matrix, 0).astype(int) - greys).max() <= 1


def test_hue_comes_back():
    np.testing.assert_allclose(hue_matrix(18) @ hue_matrix(-18), SAME, atol=1e-12)
    np.testing.assert_allclose(hue_matrix(360), SAME, atol=1e-12)


def test_jitter_stays_within_the_ranges_of_the_recipe():
    grey = np.full((1, 1, 3), 128, np.uint8)
    drawn = [int(ColourJitter()(grey, np.random.default_rng(seed))[0, 0, 0]) for seed in range(900)]
    assert min(drawn) >= (128 - 32) * 0.5 - 1 and max(drawn) <= (128 + 32) * 1.5 + 1
    assert min(drawn) < 65 and max(drawn) > 220
    untouched = np.mean([abs(value - 128) <= 1 for value in drawn])
    assert 0.2 < untouched < 0.32  # neither brightness nor contrast in a quarter of the draws


def test_jitter_can_be_turned_off():
    noise = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        ColourJitter(probability=0)(noise, np.random.default_rng()), noise
    )


def test_shuffled_channels_are_the_same_channels():
    image = pixels((1, 2, 3), (40, 50, 60))
    shuffled = [ShuffleChannels(1)(image, np.random.default_rng(seed)) for seed in range(60)]
    assert len({tuple(picture[0, 0]) for picture in shuffled}) == 6
    for picture in shuffled:
        np.testing.assert_array_equal(np.sort(picture, axis=2), image)
    seldom = [ShuffleChannels()(image, np.random.default_rng(seed)) for seed in range(400)]
    assert 5 <= sum((picture != image).any() for picture in seldom) <= 35


def test_the_picture_given_is_left_alone():
    noise = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    kept = noise.copy()
    for step in (ColourJitter(1), ShuffleChannels(1)):
        changed = step(noise, np.random.default_rng(1))
        assert changed.dtype == np.uint8 and changed.shape == noise.shape
        np.testing.assert_array_equal(noise, kept)
