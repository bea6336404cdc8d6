from __future__ import annotations

import math

import pytest
import torch

from vision.utils.box_utils import (
    box_area,
    box_iou,
    cxcywh_to_xyxy,
    decode_boxes,
    encode_boxes,
    xyxy_to_cxcywh,
)


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32).reshape(-1, 4)


def random_boxes(count, seed=0):
    corners = torch.rand(count, 2, 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([corners.amin(1), corners.amax(1)], dim=1)


def test_the_two_forms():
    corners, centres = boxes([10, 20, 30, 60], [0, 0, 0, 0]), boxes([20, 40, 20, 40], [0, 0, 0, 0])
    assert xyxy_to_cxcywh(corners).tolist() == centres.tolist()
    assert cxcywh_to_xyxy(centres).tolist() == corners.tolist()


@pytest.mark.parametrize("shape", [(0, 4), (4,), (2, 3, 4)])
def test_forms_keep_the_shape(shape):
    values = torch.rand(shape)
    assert xyxy_to_cxcywh(values).shape == shape
    torch.testing.assert_close(cxcywh_to_xyxy(xyxy_to_cxcywh(values)), values)


def test_areas():
    # A reversed box, however it is reversed, and a line have none.
    rows = boxes([1, 2, 4, 6], [4, 2, 1, 6], [4, 6, 1, 2], [1, 2, 1, 6])
    assert box_area(rows).tolist() == [12, 0, 0, 0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7),
        ([0, 0, 2, 2], [0, 0, 2, 2], 1),
        ([0, 0, 4, 4], [1, 1, 3, 3], 1 / 4),
        ([0, 0, 2, 2], [2, 0, 4, 2], 0),  # side by side
        ([0, 0, 2, 2], [5, 5, 6, 6], 0),
        ([1, 1, 1, 1], [1, 1, 1, 1], 0),  # both empty: not nan
        ([0, 0, 2, 2], [1, 1, 1, 1], 0),
        ([2, 2, 0, 0], [0, 0, 2, 2], 0),  # reversed
    ],
)
def test_iou_on_paper(one, other, expected):
    assert box_iou(boxes(one), boxes(other)).item() == pytest.approx(expected)
    assert box_iou(boxes(other), boxes(one)).item() == pytest.approx(expected)


def test_iou_is_of_every_pair():
    assert box_iou(random_boxes(3), random_boxes(5)).shape == (3, 5)
    assert box_iou(boxes(), random_boxes(5)).shape == (0, 5)
    assert box_iou(random_boxes(3), boxes()).shape == (3, 0)
    # A batch against one set: the leading dimension broadcasts.
    batch = torch.stack([random_boxes(3, seed) for seed in (1, 2)])
    together = box_iou(batch, random_boxes(5))
    assert together.shape == (2, 3, 5)
    assert together[1].equal(box_iou(batch[1], random_boxes(5)))


def test_offsets_on_paper():
    prior = boxes([0.5, 0.5, 0.2, 0.4])
    box = boxes([0.5, 0.4, 0.7, 0.6])  # centre (0.6, 0.5), size 0.2 x 0.2
    expected = [0.1 / 0.2 / 0.1, 0.0, 0.0, math.log(0.5) / 0.2]
    assert encode_boxes(box, prior, 0.1, 0.2)[0].tolist() == pytest.approx(expected, abs=1e-5)
    # Without variances: offsets in sizes of the prior.
    assert encode_boxes(box, prior, 1.0, 1.0)[0].tolist() == pytest.approx(
        [0.5, 0.0, 0.0, math.log(0.5)], abs=1e-6
    )


def test_no_offset_is_the_prior_itself():
    prior = boxes([0.5, 0.5, 0.2, 0.4])
    decoded = decode_boxes(torch.zeros(1, 4), prior, 0.1, 0.2)
    assert decoded[0].tolist() == pytest.approx([0.4, 0.3, 0.6, 0.7])


@pytest.mark.parametrize("variances", [(0.1, 0.2), (1.0, 1.0)])
def test_decoding_undoes_encoding(variances):
    found = random_boxes(50)
    priors = xyxy_to_cxcywh(random_boxes(50, seed=1)).clamp(min=0.01)
    locations = encode_boxes(found, priors, *variances)
    torch.testing.assert_close(
        decode_boxes(locations, priors, *variances), found, atol=1e-5, rtol=0
    )
    batch = decode_boxes(torch.stack([locations, locations]), priors, *variances)
    torch.testing.assert_close(batch[1], found, atol=1e-5, rtol=0)


def test_an_empty_box_has_finite_offsets():
    prior = boxes([0.5, 0.5, 0.2, 0.4])
    for box in (boxes([0.3, 0.3, 0.3, 0.3]), boxes([0.6, 0.6, 0.2, 0.2])):
        assert torch.isfinite(encode_boxes(box, prior, 0.1, 0.2)).all()
