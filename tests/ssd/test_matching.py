from __future__ import annotations

import pytest
import torch

from vision.ssd.matching import match_and_encode, match_priors
from vision.utils import device
from vision.utils.box_utils import box_iou, cxcywh_to_xyxy, decode_boxes, xyxy_to_cxcywh

VARIANCES = (0.1, 0.2)  # of the reference
# Two squares of 0.4 side by side, and one of 0.2 in the corner, each 0.1 apart from the next.
PRIORS = xyxy_to_cxcywh(
    torch.tensor([[0.0, 0.0, 0.4, 0.4], [0.5, 0.0, 0.9, 0.4], [0.0, 0.5, 0.2, 0.7]])
)


def match(*objects, priors=PRIORS, threshold=0.5):
    """Match (label, x1, y1, x2, y2) of one picture; return the boxes and labels of its priors."""
    rows = torch.tensor(objects, dtype=torch.float32).reshape(1, -1, 5)
    boxes, labels, _ = match_priors(rows[..., 1:], rows[..., 0].long(), priors, threshold)
    return boxes[0], labels[0]


def crowd(batch, count, seed=0):
    """Return random boxes (B, M, 4) of every size and labels (B, M) from 1 on, all different."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(batch, count, 2, 2, generator=generator)
    boxes = torch.cat([corners.amin(2), corners.amax(2)], dim=2)
    return boxes, torch.arange(1, count + 1).expand(batch, count)


def test_a_prior_that_fits_and_two_that_do_not():
    boxes, labels = match((7, 0.0, 0.0, 0.4, 0.4))
    assert labels.tolist() == [7, 0, 0]
    assert boxes[0].tolist() == pytest.approx([0.0, 0.0, 0.4, 0.4])


def test_a_prior_takes_the_object_that_it_overlaps_most():
    # The first object is half of the prior, the second three quarters.
    boxes, labels = match((1, 0.0, 0.0, 0.2, 0.4), (2, 0.0, 0.0, 0.3, 0.4), (3, 0.0, 0.5, 0.2, 0.7))
    assert labels[0] == 2
    assert boxes[0].tolist() == pytest.approx([0.0, 0.0, 0.3, 0.4])


def test_an_overlap_of_exactly_the_threshold_is_enough():
    priors = xyxy_to_cxcywh(torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.25, 0.5]]))
    assert match((1, 0.0, 0.0, 0.25, 0.5), priors=priors)[1].tolist() == [1, 1]
    assert match((1, 0.0, 0.0, 0.25, 0.5), priors=priors, threshold=0.51)[1].tolist() == [0, 1]


def test_an_object_that_no_prior_fits_gets_the_best_of_them():
    # A tenth of the second prior.
    assert match((5, 0.5, 0.0, 0.54, 0.4))[1].tolist() == [0, 5, 0]


def test_an_object_that_no_prior_touches_gets_one_all_the_same():
    labels = match((5, 0.95, 0.95, 1.0, 1.0))[1]
    assert labels.count_nonzero() == 1
    assert labels.max() == 5


def test_two_objects_that_want_one_prior():
    # Both overlap the first prior most. The last of them gets it, the other its next best: the
    # wide one reaches into the second prior, the tall one into the third.
    wide, tall = (1, 0.0, 0.0, 0.7, 0.4), (2, 0.1, 0.1, 0.3, 0.6)
    assert match(wide, tall)[1].tolist() == [2, 1, 0]
    assert match(tall, wide)[1].tolist() == [1, 0, 2]


def test_three_of_the_same_place_fill_three_priors():
    box = (0.05, 0.05, 0.35, 0.35)
    assert sorted(match((1, *box), (2, *box), (3, *box))[1].tolist()) == [1, 2, 3]


def test_more_objects_than_priors_leave_some_without():
    labels = match(*[(label, 0.0, 0.0, 0.4, 0.4) for label in range(1, 9)])[1]
    assert len(set(labels.tolist())) == 3
    assert labels.min() > 0


def test_no_objects():
    for boxes, labels in (
        (torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64)),
        (torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.int64)),  # padding only
    ):
        matched_boxes, matched_labels, _ = match_priors(boxes, labels, PRIORS)
        assert matched_boxes.shape == (2, 3, 4)
        assert matched_labels.tolist() == [[0, 0, 0]] * 2
        locations, *_ = match_and_encode(boxes, labels, PRIORS, VARIANCES)
        assert locations.eq(0).all()


@pytest.mark.parametrize("place", [0, 1, 2])
def test_padding_is_no_object_wherever_it_stands(place):
    rows = [(7, 0.0, 0.0, 0.4, 0.4), (8, 0.5, 0.0, 0.54, 0.4)]
    rows.insert(place, (0, 0.0, 0.5, 0.2, 0.7))  # would be the third prior's
    assert match(*rows)[1].tolist() == [7, 8, 0]


def test_every_object_of_a_crowd_is_found_by_some_prior(many_priors):
    boxes, labels = crowd(3, 40)
    _, matched, _ = match_priors(boxes, labels, many_priors)
    for row in matched:
        assert set(row.tolist()) == set(range(41))


def owners_one_by_one(iou):
    """Give each object its best free prior, in rounds; who wants the same as the last one waits."""
    owners, waiting, free = {}, list(range(len(iou))), iou.clone()
    while waiting:
        wanted = {number: int(free[number].argmax()) for number in waiting}
        owners.update({prior: number for number, prior in wanted.items()})  # in rising order
        free[:, list(owners)] = -2
        waiting = [number for number in waiting if owners[wanted[number]] != number]
    return owners


@pytest.mark.parametrize("at_once", [frozenset({"cpu"}), frozenset()])
def test_rounds_of_a_crowd_in_one_place(many_priors, monkeypatch, at_once):
    """A processor drops the objects that have a prior, a GPU goes on with all: it is the same."""
    monkeypatch.setattr(device, "READ_AT_ONCE", at_once)
    boxes, labels = crowd(2, 60, seed=1)
    boxes = 0.4 + 0.2 * boxes  # so many want the same priors
    labels = labels.masked_fill(torch.arange(60) >= torch.tensor([[60], [45]]), 0)
    _, matched, _ = match_priors(boxes, labels, many_priors, iou_threshold=1.1)
    for row, count in enumerate((60, 45)):
        iou = box_iou(boxes[row, :count], cxcywh_to_xyxy(many_priors))
        assert len(iou.argmax(dim=1).unique()) < count  # some have to wait
        owners = owners_one_by_one(iou)
        expected = torch.zeros(len(many_priors), dtype=torch.int64)
        for prior, number in owners.items():
            expected[prior] = number + 1
        assert len(owners) == count
        assert matched[row].equal(expected)


def test_a_batch_is_its_pictures_one_by_one(many_priors):
    boxes, labels = crowd(4, 12, seed=3)
    counts = torch.tensor([12, 0, 5, 1])
    labels = labels.masked_fill(torch.arange(12) >= counts[:, None], 0)
    locations, matched, *_ = match_and_encode(boxes, labels, many_priors, VARIANCES)
    for row, count in enumerate(counts):
        alone = match_and_encode(
            boxes[row : row + 1, :count], labels[row : row + 1, :count], many_priors, VARIANCES
        )
        assert alone[0][0].equal(locations[row])
        assert alone[1][0].equal(matched[row])


def test_locations_lead_back_to_the_objects(many_priors):
    boxes, labels = crowd(1, 6, seed=5)
    locations, matched, *_ = match_and_encode(boxes, labels, many_priors, VARIANCES)
    positive = matched[0] > 0
    decoded = decode_boxes(locations[0], many_priors, *VARIANCES)[positive]
    torch.testing.assert_close(decoded, boxes[0, matched[0][positive] - 1], atol=1e-5, rtol=0)
    assert locations[0][~positive].eq(0).all()


@pytest.mark.parametrize("number", range(4))
def test_reference_matches(golden, many_priors, number):
    core = golden("core.npz")
    boxes = torch.from_numpy(core[f"match{number}_boxes"])[None]
    labels = torch.from_numpy(core[f"match{number}_labels"])[None]
    locations, matched, *_ = match_and_encode(boxes, labels, many_priors, VARIANCES)
    assert matched[0].tolist() == core[f"match{number}_target_labels"].tolist()
    expected = core[f"match{number}_positive_locations"]
    assert locations[0][matched[0] > 0].numpy() == pytest.approx(expected, abs=1e-5)


def test_the_priors_of_an_object_share_it(many_priors):
    boxes, labels = crowd(2, 7, seed=9)
    targets = match_and_encode(boxes, labels, many_priors, VARIANCES)
    assert targets.shares[targets.labels == 0].eq(0).all()
    for row, matched in zip(targets.shares, targets.labels):  # in `crowd` labels number objects
        for label in matched[matched > 0].unique():
            own = row[matched == label]
            assert own.sum().item() == pytest.approx(1)
            assert own.unique().numel() == 1
