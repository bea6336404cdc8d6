from __future__ import annotations

import numpy as np
import pytest

from vision.datasets.index.builder import IndexBuilder
from vision.datasets.report.prior_coverage import best_iou, measure_coverage


def make_index(boxes, size=(100, 50), relative=False):
    builder = IndexBuilder(relative)
    builder.add("one", "one.jpg", boxes, ["a"] * len(boxes), size=size)
    return builder.build()


def test_the_overlap_with_the_best_prior():
    priors = np.float32([[0.5, 0.5, 1, 1], [0.25, 0.25, 0.5, 0.5]])
    boxes = np.float32([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0, 0, 0.5, 1], [0, 0, 0.25, 0.5]])
    assert best_iou(boxes, priors).tolist() == [1, 1, 0.5, 0.5]
    assert best_iou(np.zeros((0, 4), np.float32), priors).shape == (0,)


def grid(cells, side):
    places = (np.arange(cells) + 0.5) / cells
    x, y = np.meshgrid(places, places)
    sides = np.full(cells * cells, side)
    return np.stack([x.ravel(), y.ravel(), sides, sides], axis=1).astype(np.float32)


def test_small_boxes_are_told_and_a_resolution_is_advised():
    boxes = [(x, x, x + 10, x + 10) for x in range(0, 90, 10)] + [(0, 0, 50, 50)]
    priors = {300: grid(2, 0.5), 400: grid(4, 0.25), 512: grid(10, 0.1), 640: grid(20, 0.1)}
    fit = measure_coverage(make_index(boxes, size=(100, 100)), priors, 300)
    assert fit.median_size == (30, 30)
    assert fit.unmatched == 0.9
    assert fit.unmatched_at == {300: 0.9, 400: 1, 512: 0.1, 640: 1}
    assert fit.advised == 512
    assert str(fit) == (
        "sizes: median 30x30 px at 300x300; 90% of boxes match no prior (IoU 0.5): "
        "try --anchors fitted or --resolution 512 (leaves 10%)"
    )
    assert measure_coverage(make_index(boxes, size=(100, 100)), priors, 512).advised is None


def test_larger_resolutions_are_not_measured_where_the_present_one_will_do():
    priors = {300: grid(2, 0.5), 1024: grid(100, 0.1)}
    fit = measure_coverage(make_index([(0, 0, 50, 25)]), priors, 300)
    assert (fit.unmatched_at, fit.advised) == ({300: 0}, None)


def test_where_nothing_is_gained_nothing_is_advised():
    priors = {300: grid(2, 0.5), 400: grid(2, 0.5)}
    fit = measure_coverage(make_index([(0, 0, 10, 10)]), priors, 300)
    assert (fit.unmatched, fit.advised) == (1, None)
    assert measure_coverage(make_index([]), priors, 300) is None


def test_many_boxes_are_judged_by_some_of_them():
    boxes = [(0, 0, 50, 25)] * 3000 + [(0, 0, 1, 1)] * 1000
    fit = measure_coverage(make_index(boxes), {300: grid(2, 0.5)}, 300)
    assert fit.unmatched == pytest.approx(0.25, abs=0.05)
    assert fit.median_size == (150, 150)
