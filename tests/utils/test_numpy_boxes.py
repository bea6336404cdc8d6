from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.utils.box_utils import box_iou
from vision.utils.numpy_boxes import intersection_over_union, shared_area


@pytest.mark.parametrize(
    ("box", "other", "area", "iou"),
    [
        ([0, 0, 2, 2], [1, 1, 3, 3], 1, 1 / 7),
        ([0, 0, 4, 2], [1, 0, 3, 1], 2, 2 / 8),
        ([0, 0, 2, 2], [0, 0, 2, 2], 4, 1),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0, 0),  # side by side
        ([0, 0, 2, 2], [5, 5, 6, 6], 0, 0),  # apart on both sides: no area of minus by minus
        ([1, 1, 1, 1], [0, 0, 2, 2], 0, 0),  # without area
    ],
)
def test_overlaps_on_paper(box, other, area, iou):
    box, other = np.array(box), np.array(other)
    assert shared_area(box, other) == shared_area(other, box) == area
    assert intersection_over_union(box, other) == pytest.approx(iou)


def test_every_box_with_every_other_is_what_torch_says():
    corners = np.random.default_rng(0).random((2, 5, 2, 2), np.float32)
    boxes, others = np.concatenate([corners.min(axis=2), corners.max(axis=2)], axis=2)
    others = others[:3]
    expected = box_iou(torch.from_numpy(boxes), torch.from_numpy(others)).numpy()
    np.testing.assert_allclose(intersection_over_union(boxes[:, None], others), expected, rtol=1e-5)
    assert intersection_over_union(boxes[:0, None], others).shape == (0, 3)
