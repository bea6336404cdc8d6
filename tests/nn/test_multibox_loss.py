from __future__ import annotations

import math

import pytest
import torch

from vision.nn.multibox_loss import MultiboxLoss, Targets, hardest_negatives

LN2 = math.log(2)


def loss_of(labels, class_logits=None, locations=None, ratio=3):
    """Compute both losses for labels (B, P) of two classes; what is not given is 0."""
    labels = torch.tensor(labels)
    class_logits = torch.zeros(*labels.shape, 2) if class_logits is None else class_logits
    locations = torch.zeros(*labels.shape, 4) if locations is None else locations
    targets = Targets(torch.zeros(*labels.shape, 4), labels)
    losses = MultiboxLoss(ratio)(class_logits, locations, targets)
    return [loss.item() for loss in losses]


def totals_of(positive):
    return MultiboxLoss().totals(Targets(torch.zeros(*positive.shape, 4), positive.long()))


def test_on_paper():
    # Undecided scores cost ln 2 for the positive prior and for three of the four negatives.
    # Offsets of 0.5, 2, 0 and -1 cost 0.5 * 0.25, 2 - 0.5, 0 and 0.5.
    locations = torch.full((1, 5, 4), 9.0)
    locations[0, 2] = torch.tensor([0.5, 2.0, 0.0, -1.0])
    regression, classification = loss_of([[0, 0, 1, 0, 0]], locations=locations)
    assert regression == pytest.approx(0.125 + 1.5 + 0.5)
    assert classification == pytest.approx(4 * LN2)


def test_both_are_divided_by_the_positives_of_the_batch():
    locations = torch.ones(2, 6, 4)
    regression, classification = loss_of(
        [[1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]], locations=locations
    )
    assert regression == pytest.approx(4 * 0.5)
    # 2 positives leave only 4 negatives; 1 takes 3 of 5.
    assert classification == pytest.approx((2 + 4 + 1 + 3) * LN2 / 3)


@pytest.mark.parametrize(("ratio", "negatives"), [(0, 0), (1, 1), (2, 2), (9, 4)])
def test_negatives_for_each_positive(ratio, negatives):
    _, classification = loss_of([[0, 0, 1, 0, 0]], ratio=ratio)
    assert classification == pytest.approx((1 + negatives) * LN2)


def test_no_objects_is_exactly_zero_with_a_gradient():
    class_logits = torch.randn(2, 7, 3, requires_grad=True)
    locations = torch.randn(2, 7, 4, requires_grad=True)
    regression, classification = MultiboxLoss()(
        class_logits,
        locations,
        Targets(torch.zeros(2, 7, 4), torch.zeros(2, 7, dtype=torch.int64)),
    )
    assert (regression.item(), classification.item()) == (0.0, 0.0)
    (regression + classification).backward()
    assert class_logits.grad.eq(0).all()
    assert locations.grad.eq(0).all()


def test_the_hardest_negatives_are_taken():
    background_loss = torch.tensor([[0.1, 0.9, 0.3, 0.8, 0.2, 0.7, 5.0]])
    positive = torch.tensor([[False] * 6 + [True]])
    chosen = hardest_negatives(background_loss, positive, 3, totals_of(positive))
    assert chosen.tolist() == [[False, True, False, True, False, True, False]]


def test_a_picture_without_objects_takes_the_average_of_the_others():
    # 1 and 3 positives: 2 on average, 6 negatives at 3 to 1.
    positive = torch.zeros(3, 20, dtype=torch.bool)
    positive[0, :1] = True
    positive[2, :3] = True
    chosen = hardest_negatives(torch.rand(3, 20), positive, 3, totals_of(positive))
    assert chosen.sum(dim=1).tolist() == [3, 6, 9]
    assert not (chosen & positive).any()


def test_the_loss_pulls_the_right_way():
    class_logits = torch.zeros(1, 3, 2, requires_grad=True)
    locations = torch.ones(1, 3, 4, requires_grad=True)
    losses = MultiboxLoss(1)(
        class_logits, locations, Targets(torch.zeros(1, 3, 4), torch.tensor([[1, 0, 0]]))
    )
    sum(losses).backward()
    assert class_logits.grad[0, 0].tolist() == pytest.approx([0.5, -0.5])  # towards class 1
    assert (class_logits.grad[0, 1:].sum(dim=0)).tolist() == pytest.approx([-0.5, 0.5])
    assert locations.grad[0, 0].tolist() == [1.0] * 4
    assert locations.grad[0, 1:].eq(0).all()


def test_half_precision_is_summed_in_single():
    # 70 sums of 1000 each: beyond the 65504 that half precision holds.
    class_logits = torch.zeros(1, 70, 2, dtype=torch.float16)
    class_logits[..., 0] = 1000
    regression, classification = MultiboxLoss()(
        class_logits,
        torch.zeros(1, 70, 4, dtype=torch.float16),
        Targets(torch.zeros(1, 70, 4), torch.ones(1, 70, dtype=torch.int64)),
    )
    assert classification.dtype == regression.dtype == torch.float32
    assert classification.item() == pytest.approx(1000)


def test_reference_losses(golden):
    core = golden("core.npz")
    losses = MultiboxLoss(3)(
        torch.from_numpy(core["loss_class_logits"]),
        torch.from_numpy(core["loss_locations"]),
        Targets(
            torch.from_numpy(core["loss_target_locations"]),
            torch.from_numpy(core["loss_labels"]).long(),
        ),
    )
    expected = [core["loss_regression"].item(), core["loss_classification"].item()]
    assert [loss.item() for loss in losses] == pytest.approx(expected, rel=1e-6)


# An object with four priors, whose offsets cost 0.5 each, and one with a single prior, at 4.5.
# Together the first counts four times as much, twice as much, or as much as the second.
@pytest.mark.parametrize(
    ("balance", "expected"),
    [(0, (4 * 0.5 + 4.5) / 5), (0.5, (2 * 0.5 + 4.5) / 3), (1, (0.5 + 4.5) / 2)],
)
def test_objects_count_alike_as_far_as_asked(balance, expected):
    labels = torch.tensor([[1] * 5 + [0] * 15])
    shares = torch.tensor([[0.25] * 4 + [1.0] + [0] * 15])
    locations = torch.zeros(1, 20, 4)
    locations[0, :4, 0], locations[0, 4, 0] = 1.0, 5.0
    targets = Targets(torch.zeros(1, 20, 4), labels, shares)
    criterion = MultiboxLoss(object_balance=balance)
    losses = criterion(torch.zeros(1, 20, 2), locations, targets)
    assert losses[0].item() == pytest.approx(expected)
    assert losses[1].item() == pytest.approx(4 * LN2)  # the mean of the objects, and 3 negatives


def test_a_batch_in_parts_has_the_same_loss():
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(4, 30, generator=generator) < 0.2).long()
    labels[2] = 0
    shares = torch.rand(4, 30, generator=generator) * labels
    logits, locations = (torch.randn(4, 30, n, generator=generator) for n in (3, 4))
    targets, criterion = Targets(torch.zeros(4, 30, 4), labels, shares), MultiboxLoss(3, 0.5)
    whole = torch.stack(criterion(logits, locations, targets))
    totals = criterion.totals(targets)
    parts = [
        torch.stack(criterion(logits[rows], locations[rows], targets.part(rows), totals))
        for rows in (slice(0, 1), slice(1, 4))
    ]
    torch.testing.assert_close(sum(parts), whole)
