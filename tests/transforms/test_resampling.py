"""Drawn squares: the picture and its boxes move together on every path."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from tests.transforms import squares
from vision.pictures.headers import PictureHeader
from vision.pictures.reading import EncodedPicture
from vision.transforms.geometry import INTERPOLATIONS, GeometryPlan
from vision.transforms.resampling import choose_reduction, draw, resample, resize

WIDTH, HEIGHT, SIZE = 641, 479, 48  # neither divides by two
BOX = (203, 121, 358, 299)
CROPS = {
    "whole": (0, 0, WIDTH, HEIGHT),
    "inside": (150, 62, 550, 447),
    "zoomed out": (-300, -210, 905, 701),
    "outside to the left and above": (-37, -51, 500, 450),
    "cuts the square": (251, 140, 700, 530),
}
PATHS = [
    pytest.param(crop, mirrored, interpolation, reduction)
    for crop in CROPS
    for mirrored in (False, True)
    for interpolation in INTERPOLATIONS
    for reduction in (1, 2, 4, 8)
]


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory) -> EncodedPicture:
    path = tmp_path_factory.mktemp("squares") / "square.jpg"
    path.write_bytes(squares.encode(squares.draw(WIDTH, HEIGHT, BOX)))
    return EncodedPicture.read(path)


@pytest.mark.parametrize(("crop", "mirrored", "interpolation", "reduction"), PATHS)
def test_a_square_lands_where_its_box_says(jpeg, crop, mirrored, interpolation, reduction):
    plan = GeometryPlan(CROPS[crop], SIZE, mirrored, interpolation)
    drawn = resample(jpeg.decode(reduction), plan, squares.FILL, reduction)
    assert drawn.shape == (SIZE, SIZE, 3) and drawn.dtype == np.uint8
    (box,) = plan.apply_to_boxes(np.float32([BOX]))
    # A pixel that was picked, not mixed, is right to a pixel of its source besides.
    tolerance = 1 + (reduction / min(plan.scale) if interpolation == "nearest" else 0)
    assert abs(squares.find(drawn) - box).max() <= tolerance


@pytest.mark.parametrize("extension", [".jpg", ".png", ".bmp"])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("crop", CROPS)
def test_whatever_reduction_is_chosen_it_is_right_to_a_pixel(
    tmp_path, extension, interpolation, crop
):
    path = tmp_path / f"square{extension}"
    path.write_bytes(squares.encode(squares.draw(WIDTH, HEIGHT, BOX), extension))
    plan = GeometryPlan(CROPS[crop], SIZE, interpolation=interpolation)
    for planned in (plan, replace(plan, mirrored=True)):
        drawn = draw(EncodedPicture.read(path), planned, squares.FILL)
        (box,) = planned.apply_to_boxes(np.float32([BOX]))
        assert abs(squares.find(drawn) - box).max() <= 1


@pytest.mark.parametrize("interpolation", ["linear", "area"])
@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("mirrored", [False, True])
def test_centres_are_right_to_a_fraction_of_a_pixel(jpeg, interpolation, reduction, mirrored):
    """Half a pixel of the source or of the result, forgotten or taken twice, would show here."""
    plan = GeometryPlan(CROPS["inside"], SIZE, mirrored, interpolation)
    (box,) = plan.apply_to_boxes(np.float32([BOX]))
    drawn = resample(jpeg.decode(reduction), plan, squares.FILL, reduction)
    assert abs(squares.centre(drawn) - (box[:2] + box[2:]) / 2).max() < 0.2


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("side", [1, 2, 5, 48, 500])
def test_nothing_of_the_fill_colour_leaks_into_a_crop_inside(interpolation, side):
    picture = np.full((side, side, 3), squares.BRIGHT, np.uint8)
    for crop in ((0, 0, side, side), (side // 3, 0, side, max(1, side // 2))):
        plan = GeometryPlan(crop, SIZE, interpolation=interpolation)
        assert (resample(picture, plan, (0, 0, 0)) == squares.BRIGHT).all()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_the_fill_colour_is_all_there_is_beyond_the_picture(interpolation):
    picture = np.full((60, 80, 3), squares.BRIGHT, np.uint8)
    plan = GeometryPlan((-80, -120, 160, 120), SIZE, interpolation=interpolation)
    drawn = resample(picture, plan, (1, 2, 3))
    # The picture covers a third by a quarter of the square, from (16, 24) to (32, 36).
    assert (drawn[25:35, 17:31] == squares.BRIGHT).all()
    drawn[23:37, 15:33] = 1, 2, 3
    assert (drawn == (1, 2, 3)).all()
    beside = GeometryPlan((1000, 1000, 1100, 1100), SIZE, interpolation=interpolation)
    assert (resample(picture, beside, (1, 2, 3)) == (1, 2, 3)).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_shortcut_gives_what_the_warp_gives(mirrored):
    """Away from the edge of the crop, where the warp sees its neighbours."""
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    plan = GeometryPlan((20, 30, 120, 110), SIZE, mirrored)
    warped = cv2.warpAffine(
        noise, plan.matrix(), (SIZE, SIZE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    difference = cv2.absdiff(resample(noise, plan, squares.FILL), warped)
    assert difference[1:-1, 1:-1].max() <= 10  # some OpenCV count in 32nds of a pixel


def test_area_is_a_mean():
    """A chequerboard of single pixels is grey from afar; linear picks what it meets."""
    board = (np.indices((96, 96)).sum(axis=0) % 2 * 200).astype(np.uint8)
    picture = np.repeat(board[..., None], 3, axis=2)
    plan = GeometryPlan((0, 0, 96, 96), 24, interpolation="area")
    assert (resample(picture, plan, squares.FILL) == 100).all()


def test_reductions_on_paper():
    photo = EncodedPicture("photo.jpg", b"", PictureHeader("jpeg"), 4000, 3000)
    drawing = EncodedPicture("drawing.png", b"", PictureHeader("png"), 4000, 3000)
    whole = GeometryPlan.whole(4000, 3000, 300)  # 13.3 and 10 pixels to one
    expected = {
        (3000, "area"): 8,
        (3000, "linear"): 4,
        (3000, "nearest"): 1,
        (1200, "area"): 4,
        (1200, "linear"): 2,
        (1199, "linear"): 1,
        (599, "area"): 1,
        (100, "area"): 1,
    }
    for (height, interpolation), reduction in expected.items():
        plan = GeometryPlan((0, 0, 4000, height), 300, interpolation=interpolation)
        assert choose_reduction(photo, plan) == reduction, (height, interpolation)
    assert choose_reduction(drawing, replace(whole, interpolation="area")) == 1
    # Detectnet would pick one of 13 x 10 pixels; from twice as far away, one of 27 x 20.
    zoomed_out = GeometryPlan((-1000, -1000, 7000, 5000), 300, interpolation="nearest")
    assert choose_reduction(photo, zoomed_out) == 2
    assert choose_reduction(photo, replace(zoomed_out, crop=(0, 0, 8000, 5999))) == 1


@pytest.mark.parametrize("name", ["37x53_30", "480x640_300", "300x300_300", "1080x1920_300"])
def test_nearest_is_what_detectnet_feeds(golden, name):
    shape, size = name.split("_")
    height, width = map(int, shape.split("x"))
    yy, xx = np.mgrid[0:height, 0:width]
    channels = [(7 * xx + 3 * yy) % 256, (xx + 11 * yy) % 256, (5 * xx) % 256]
    picture = np.stack(channels, axis=2).astype(np.uint8)
    if name.startswith("37x53"):
        picture = np.random.RandomState(4).randint(0, 256, (37, 53, 3), np.uint8)
    nearest = resize(picture, int(size), "nearest").transpose(2, 0, 1)[:, ::7, ::7]
    unit = np.float32(1) / np.float32(255)
    normalised = (nearest.astype(np.float32) * unit - np.float32(0.5)) / np.float32(0.5)
    np.testing.assert_array_equal(normalised, golden("detectnet_input.npz")[name])


def test_linear_is_what_upstream_feeds():
    noise = np.random.default_rng(0).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    expected = cv2.resize(noise, (30, 30), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize(noise, 30, "linear"), expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_a_picture_longer_than_opencv_can_count(interpolation):
    """OpenCV's warps hold coordinates in 16 bits; panoramas and line scans are longer."""
    strip = squares.draw(40000, 3, (10000, 0, 30000, 3))
    crops = [(0, 0, 40000, 3), (-20000, -2, 60000, 9), (5000, 0, 39999, 2), (9980, 0, 10030, 3)]
    for crop in crops:
        plan = GeometryPlan(crop, SIZE, interpolation=interpolation)
        drawn = resample(strip, plan, squares.FILL)
        (box,) = plan.apply_to_boxes(np.float32([[10000, 0, 30000, 3]]))
        assert abs(squares.find(drawn) - box)[[0, 2]].max() <= 1
