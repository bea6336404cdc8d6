"""Plans on paper: small numbers, and thousands of random draws against the rule they must keep."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from vision.transforms.augmentation import GEOMETRY, GEOMETRY_OF_THE_PAPER
from vision.transforms.geometry import (
    DrawInterpolation,
    GeometryPlan,
    IoUCrop,
    Mirror,
    Reframe,
    ZoomOut,
    centres_inside,
    worst_iou,
)

NO_BOXES = np.zeros((0, 4), np.float32)


def scalar_iou(a, b) -> float:
    wide = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    high = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return wide * high / (sum(areas) - wide * high)


def random_boxes(rng, width, height) -> np.ndarray:
    count = int(rng.integers(0, 6))
    sides = rng.uniform(0.05, 0.9, (count, 2)) * [width, height]
    corners = rng.random((count, 2)) * ([width, height] - sides)
    return np.concatenate([corners, corners + sides], axis=1).astype(np.float32)


# --- the plan


def test_boxes_of_the_whole_picture_are_stretched():
    plan = GeometryPlan.whole(width=200, height=50, size=100)
    boxes = np.float32([[0, 0, 200, 50], [20, 10, 60, 20]])
    np.testing.assert_array_equal(plan.apply_to_boxes(boxes), [[0, 0, 100, 100], [10, 20, 30, 40]])


def test_boxes_of_a_crop_are_moved_clipped_and_mirrored():
    boxes = np.float32([[10, 20, 30, 60], [0, 0, 20, 30]])
    plan = GeometryPlan(crop=(10, 20, 60, 70), size=100)
    np.testing.assert_array_equal(plan.apply_to_boxes(boxes), [[0, 0, 40, 80], [0, 0, 20, 20]])
    mirrored = GeometryPlan(crop=(10, 20, 60, 70), size=100, mirrored=True)
    expected = [[60, 0, 100, 80], [80, 0, 100, 20]]
    np.testing.assert_array_equal(mirrored.apply_to_boxes(boxes), expected)


def test_boxes_are_float32_and_may_be_none():
    plan = GeometryPlan.whole(7, 5, 3)
    for boxes in (NO_BOXES, np.float32([[1, 1, 2, 2]])):
        moved = plan.apply_to_boxes(boxes)
        assert moved.dtype == np.float32 and moved.shape == boxes.shape
        assert plan.keeps(boxes).shape == (len(boxes),)


def test_the_matrix_knows_that_pixel_centres_lie_at_a_half():
    """100 pixels onto 50: pixel 0 covers pixels 0 and 1, its centre lies between them."""
    plan = GeometryPlan(crop=(0, 0, 100, 200), size=50)
    np.testing.assert_allclose(plan.matrix(), [[2, 0, 0.5], [0, 4, 1.5]])
    # Mirrored, pixel 0 covers pixels 98 and 99.
    mirrored = GeometryPlan(crop=(0, 0, 100, 200), size=50, mirrored=True)
    np.testing.assert_allclose(mirrored.matrix(), [[-2, 0, 98.5], [0, 4, 1.5]])
    # Shrunk by two, pixel 0 is pixel 0.
    np.testing.assert_allclose(plan.matrix(shrink=(2, 2)), [[1, 0, 0], [0, 2, 0.5]])
    np.testing.assert_allclose(plan.matrix((10, 20), (2, 2)), [[1, 0, -5], [0, 2, -9.5]])


def test_nearest_truncates_like_detectnet():
    columns, rows = GeometryPlan.whole(width=5, height=4, size=3).nearest_indices()
    np.testing.assert_array_equal(columns, [0, 1, 3])  # 0, 1.67, 3.33
    np.testing.assert_array_equal(rows, [0, 1, 2])  # 0, 1.33, 2.67
    plan = GeometryPlan(crop=(-2, 10, 3, 14), size=3, mirrored=True)
    columns, rows = plan.nearest_indices()
    np.testing.assert_array_equal(columns, [2, 1, -1])
    np.testing.assert_array_equal(rows, [10, 11, 12])


def test_an_unknown_interpolation_is_refused():
    with pytest.raises(ValueError, match=r"one of \('linear', 'area', 'nearest'\), got 'cubic'"):
        GeometryPlan((0, 0, 1, 1), 300, interpolation="cubic")


# --- IoU and centres


def test_worst_iou_on_paper():
    boxes = np.float32([[0, 0, 10, 10], [10, 0, 30, 10], [90, 90, 99, 99]])
    patches = [[0, 0, 10, 10], [0, 0, 30, 10], [0, 0, 15, 10], [40, 40, 50, 50]]
    # Exactly the first; the first and second, 1/3 and 2/3; the first only, 2/3; none.
    np.testing.assert_allclose(worst_iou(boxes, np.array(patches)), [1, 1 / 3, 2 / 3, -1])


def test_without_boxes_every_patch_is_perfect():
    np.testing.assert_array_equal(worst_iou(NO_BOXES, np.zeros((4, 4))), [1, 1, 1, 1])


def test_the_centre_of_a_box_belongs_to_one_half_only():
    boxes = np.float32([[4, 0, 6, 10], [0, 0, 9.9, 10]])
    np.testing.assert_array_equal(centres_inside(boxes, (0, 0, 5, 10)), [False, True])
    np.testing.assert_array_equal(centres_inside(boxes, (5, 0, 10, 10)), [True, False])
    halves = np.array([[0, 0, 5, 10], [5, 0, 10, 10]])
    inside = centres_inside(boxes, halves.T[..., None])
    np.testing.assert_array_equal(inside, [[False, True], [True, False]])


# --- the steps


@pytest.mark.parametrize("min_iou", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_every_object_kept_has_the_minimum_iou(min_iou):
    crop = IoUCrop(min_ious=(min_iou,))
    cropped = 0
    for seed in range(400):
        rng = np.random.default_rng(seed)
        plan = GeometryPlan.whole(640, 480, 300)
        boxes = random_boxes(rng, 640, 480)
        if seed % 2:
            plan = ZoomOut(probability=1)(plan, boxes, rng)
        cut = crop(plan, boxes, rng)
        if cut == plan:  # no candidate was good enough
            continue
        cropped += 1
        kept = cut.keeps(boxes)
        assert kept.any() or not len(boxes)
        for box in boxes[kept]:
            assert scalar_iou(box, cut.crop) >= min_iou - 1e-6
    assert cropped > 60


def test_a_patch_keeps_to_its_limits():
    """Sides of 0.3 to 1 of the whole, one at most twice the other, whole pixels, inside."""
    crop = IoUCrop(min_ious=(0.0,))
    widths, heights, lefts = [], [], []
    for seed in range(500):
        plan = GeometryPlan((-100, 50, 900, 1050), 300)
        left, top, right, bottom = crop(plan, NO_BOXES, np.random.default_rng(seed)).crop
        assert all(type(edge) is int for edge in (left, top, right, bottom))
        assert -100 <= left < right <= 900 and 50 <= top < bottom <= 1050
        widths.append((right - left) / 1000)
        heights.append((bottom - top) / 1000)
        lefts.append((left + 100) / (1000 - (right - left)))
    ratio = np.divide(widths, heights)
    assert min(widths) >= 0.299 and min(heights) >= 0.299
    assert min(ratio) >= 0.49 and max(ratio) <= 2.02
    for drawn, low, high in ((widths, 0.3, 1), (heights, 0.3, 1), (lefts, 0, 1)):
        assert min(drawn) < low + 0.05 and max(drawn) > high - 0.05


def test_the_whole_picture_is_one_of_seven_choices():
    box = np.float32([[100, 100, 900, 900]])  # so large that every minimum can be reached
    plan = GeometryPlan.whole(1000, 1000, 300)
    whole = [IoUCrop()(plan, box, np.random.default_rng(seed)) == plan for seed in range(700)]
    assert 70 <= sum(whole) <= 140  # 100 of 700, give or take four deviations


def test_where_no_patch_is_good_enough_the_picture_stays_whole():
    tiny = np.float32([[10, 10, 12, 12]])
    plan = GeometryPlan.whole(1000, 1000, 300)
    for seed in range(20):
        assert IoUCrop((0.9, 0.5))(plan, tiny, np.random.default_rng(seed)) == plan


@pytest.mark.parametrize("steps", [GEOMETRY, GEOMETRY_OF_THE_PAPER])
def test_a_picture_of_one_pixel_survives_every_step(steps):
    box = np.float32([[0, 0, 1, 1]])
    for seed in range(200):
        rng = np.random.default_rng(seed)
        plan = GeometryPlan.whole(1, 1, 300)
        for step in steps:
            plan = step(plan, box, rng)
        left, top, right, bottom = plan.crop
        assert right > left and bottom > top


def test_a_frame_lies_in_the_picture_or_holds_it():
    sides, widenings = [], []
    for seed in range(500):
        plan = GeometryPlan((-100, 50, 900, 550), 300)
        frame = Reframe()(plan, NO_BOXES, np.random.default_rng(seed)).crop
        assert all(type(edge) is int for edge in frame)
        for first, last, low, high in ((frame[0], frame[2], -100, 900), (*frame[1::2], 50, 550)):
            within, around = low <= first < last <= high, first <= low < high <= last
            assert within or around
        across, down = (frame[2] - frame[0]) / 1000, (frame[3] - frame[1]) / 500
        sides.append((across * down) ** 0.5)
        widenings.append(across / down)
    assert 0.699 <= min(sides) < 0.71 and 1.48 < max(sides) <= 1.501
    assert 1 / 1.31 <= min(widenings) < 0.78 and 1.28 < max(widenings) <= 1.31
    assert 210 < sum(side < (0.7 * 1.5) ** 0.5 for side in sides) < 290  # as often this as that


def test_a_frame_is_moved_to_every_place():
    frames = [
        Reframe(0.5, 0.5, 1)(
            GeometryPlan.whole(40, 40, 300), NO_BOXES, np.random.default_rng(seed)
        ).crop
        for seed in range(400)
    ]
    assert {left for left, *_ in frames} == {top for _, top, *_ in frames} == set(range(21))
    larger = [
        Reframe(1.5, 1.5, 1)(
            GeometryPlan.whole(40, 40, 300), NO_BOXES, np.random.default_rng(seed)
        ).crop
        for seed in range(400)
    ]
    assert {left for left, *_ in larger} == set(range(-20, 1))


def test_zoom_out_holds_the_picture_and_keeps_its_aspect():
    ratios = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        plan = ZoomOut(probability=1)(GeometryPlan.whole(400, 200, 300), NO_BOXES, rng)
        left, top, right, bottom = plan.crop
        assert left <= 0 and top <= 0 and right >= 400 and bottom >= 200
        assert abs((right - left) - 2 * (bottom - top)) <= 2
        ratios.append((right - left) / 400)
    assert 1 <= min(ratios) < 1.1 and 3.9 < max(ratios) <= 4


@pytest.mark.parametrize(
    ("step", "changed"),
    [
        (ZoomOut(), lambda plan: plan.crop != (0, 0, 1000, 1000)),
        (Mirror(), lambda plan: plan.mirrored),
    ],
)
def test_half_of_the_pictures_are_changed(step, changed):
    plan = GeometryPlan.whole(1000, 1000, 300)
    plans = [step(plan, NO_BOXES, np.random.default_rng(seed)) for seed in range(400)]
    assert 160 <= sum(map(changed, plans)) <= 240


def test_interpolations_are_equally_likely():
    rng = np.random.default_rng(0)
    plan = GeometryPlan.whole(10, 10, 300)
    drawn = [DrawInterpolation()(plan, NO_BOXES, rng).interpolation for _ in range(900)]
    for name in ("linear", "area", "nearest"):
        assert 240 <= drawn.count(name) <= 360


def test_the_same_generator_gives_the_same_plan():
    def draw():
        rng = np.random.default_rng([1, 2, 3])
        plan = GeometryPlan.whole(640, 480, 300)
        for step in pickle.loads(pickle.dumps(GEOMETRY)):
            plan = step(plan, np.float32([[10, 10, 300, 300]]), rng)
        return plan

    assert draw() == draw()
