from __future__ import annotations

import pytest
import torch

from vision.ssd import aligned_matching
from vision.ssd.aligned_matching import expected_counts, match_aligned
from vision.utils.box_utils import box_iou, cxcywh_to_xyxy, xyxy_to_cxcywh

SQUARE = (0.0, 0.0, 0.4, 0.4)
LEFT, RIGHT = (0.0, 0.0, 0.2, 0.4), (0.2, 0.0, 0.4, 0.4)  # halves of it
FAR = (0.6, 0.6, 1.0, 1.0)


@pytest.fixture
def one_each(monkeypatch):
    """Give an object one prior, beside the nearest."""
    monkeypatch.setattr(aligned_matching, "MOST_PRIORS", 1)


def match(objects, priors, predicted, scores):
    """Match (label, box) of one picture; return the label of each prior.

    `scores` are of class 1 and class 2, `predicted` the boxes, one for each prior.
    """
    rows = torch.tensor([[label, *box] for label, box in objects]).reshape(1, -1, 5)
    scores = torch.tensor(scores)
    scores = torch.cat([1 - scores.sum(1, keepdim=True), scores], dim=1)
    boxes, labels, _ = match_aligned(
        rows[..., 1:],
        rows[..., 0].long(),
        xyxy_to_cxcywh(torch.tensor(priors)),
        scores[None],
        torch.tensor(predicted)[None],
    )
    for label, box in zip(labels[0].tolist(), boxes[0]):
        assert not label or box.tolist() == pytest.approx(dict(objects)[label])
    return labels[0].tolist()


def drawn(batch, count, priors, seed=0):
    """Return random boxes (B, M, 4), labels (B, M), and predictions for the priors."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(batch, count, 2, 2, generator=generator)
    boxes = torch.cat([corners.amin(2), corners.amax(2)], dim=2)
    labels = torch.randint(1, 4, (batch, count), generator=generator)
    scores = torch.randn(batch, len(priors), 4, generator=generator).softmax(dim=2)
    shifts = torch.randn(batch, len(priors), 4, generator=generator) * 0.05
    return boxes, labels, scores, cxcywh_to_xyxy(priors) + shifts


# Both halves overlap the square by 0.5. The nearest prior, which it has in any case, is the third.
@pytest.mark.parametrize(
    ("scores", "predicted", "expected"),
    [
        # The whole box with a score of 0.25 fits 0.5; half of it, with a score of 1, fits 0.0625.
        ([0.25, 1.0], [SQUARE, RIGHT], [1, 0, 1]),
        # Of two boxes that are equally good the one with the higher score.
        ([0.3, 0.4], [SQUARE, SQUARE], [0, 1, 1]),
        # Half the box: 0.0625. So is the whole with a score of 0.0039.
        ([1.0, 0.0038], [LEFT, SQUARE], [1, 0, 1]),
        ([1.0, 0.0040], [LEFT, SQUARE], [0, 1, 1]),
    ],
)
def test_the_prediction_that_fits_best_learns_it(one_each, scores, predicted, expected):
    priors = [LEFT, RIGHT, SQUARE]
    both = [[score, 0.0] for score in (*scores, 0.0)]
    assert match([(1, SQUARE)], priors, [*predicted, FAR], both) == expected


def test_only_the_score_of_its_own_class_counts(one_each):
    scores = [[0.1, 0.9], [0.2, 0.0], [0.0, 0.0]]
    found = match([(1, SQUARE)], [LEFT, RIGHT, SQUARE], [SQUARE, SQUARE, FAR], scores)
    assert found == [0, 1, 1]


def test_a_prior_that_is_far_away_is_no_candidate_however_well_it_predicts():
    scores = [[1.0, 0.0], [0.1, 0.0]]
    assert match([(1, SQUARE)], [FAR, SQUARE], [SQUARE, LEFT], scores) == [0, 1]


def test_an_overlap_of_a_fifth_is_not_enough():
    fifth, more = (0.0, 0.0, 0.08, 0.4), (0.0, 0.0, 0.09, 0.4)
    scores = [[1.0, 0.0]] * 3
    found = match([(1, SQUARE)], [SQUARE, fifth, more], [SQUARE] * 3, scores)
    assert found == [1, 0, 1]


def test_a_prior_that_two_want_goes_to_the_one_that_it_fits_better(one_each):
    # Two halves of one square, and a prior over both that predicts the right one. Their nearest
    # priors are the others.
    objects = [(1, LEFT), (2, RIGHT)]
    priors, predicted = [SQUARE, LEFT, RIGHT], [RIGHT, FAR, FAR]
    assert match(objects, priors, predicted, [[0.5, 0.5], [0, 0], [0, 0]]) == [2, 1, 2]
    assert match(objects[::-1], priors, predicted, [[0.5, 0.5], [0, 0], [0, 0]]) == [2, 1, 2]


def test_where_nothing_is_predicted_the_nearest_priors_learn(one_each):
    near = (0.0, 0.0, 0.3, 0.4)
    found = match([(1, SQUARE)], [LEFT, near, SQUARE], [FAR] * 3, [[0.5, 0.0]] * 3)
    assert found == [0, 0, 1]


def test_an_object_that_no_prior_touches_gets_one_all_the_same():
    assert sorted(match([(2, FAR)], [LEFT, RIGHT], [LEFT, RIGHT], [[0.5, 0.5]] * 2)) == [0, 2]


def test_no_objects():
    priors = xyxy_to_cxcywh(torch.tensor([LEFT, RIGHT]))
    scores, predicted = torch.full((2, 2, 3), 1 / 3), torch.zeros(2, 2, 4)
    for count in (0, 3):  # none, and padding only
        boxes, labels = torch.zeros(2, count, 4), torch.zeros(2, count, dtype=torch.int64)
        matched = match_aligned(boxes, labels, priors, scores, predicted)
        assert matched.boxes.shape == (2, 2, 4)
        assert matched.labels.tolist() == [[0, 0]] * 2
        assert expected_counts(boxes, labels, priors).tolist() == [[0.0] * count] * 2


def test_an_object_has_ten_priors_at_most_and_the_nearest(many_priors):
    boxes, labels, scores, predicted = drawn(8, 1, many_priors)
    matched = match_aligned(boxes, labels, many_priors, scores, predicted)
    expected = expected_counts(boxes, labels, many_priors)[:, 0]
    found = (matched.labels > 0).sum(dim=1)
    assert expected.max() == 10
    assert ((found == expected) | (found == expected + 1)).all()
    overlaps = box_iou(boxes, cxcywh_to_xyxy(many_priors))[:, 0]
    nearest = overlaps.argmax(dim=1, keepdim=True)
    assert matched.labels.gather(1, nearest).equal(labels)
    chosen = overlaps.masked_fill(matched.labels == 0, 1).scatter(1, nearest, 1)
    assert chosen.min() > 0.2


def test_every_object_of_a_crowd_has_a_prior(many_priors):
    boxes, labels, scores, predicted = drawn(2, 40, many_priors)
    matched = match_aligned(boxes, labels, many_priors, scores, predicted)
    for row in range(2):
        objects = matched.objects[row][matched.labels[row] > 0]
        assert set(objects.tolist()) == set(range(40))


def test_a_batch_is_its_pictures_one_by_one(many_priors):
    boxes, labels, scores, predicted = drawn(4, 12, many_priors, seed=3)
    counts = torch.tensor([12, 0, 5, 1])
    labels = labels.masked_fill(torch.arange(12) >= counts[:, None], 0)
    matched = match_aligned(boxes, labels, many_priors, scores, predicted)
    numbers = expected_counts(boxes, labels, many_priors)
    for row, count in enumerate(counts):
        one, rows = slice(row, row + 1), (slice(row, row + 1), slice(0, int(count)))
        alone = match_aligned(boxes[rows], labels[rows], many_priors, scores[one], predicted[one])
        positive = alone.labels[0] > 0
        assert alone.labels[0].equal(matched.labels[row])
        assert alone.objects[0][positive].equal(matched.objects[row][positive])
        alone = expected_counts(boxes[rows], labels[rows], many_priors)
        assert alone[0].equal(numbers[row, :count])


def test_a_box_without_a_number_is_learnt_so_that_the_loss_has_none_either(many_priors):
    boxes, labels, scores, predicted = drawn(1, 5, many_priors)
    boxes[0, 3, 1] = float("nan")
    matched = match_aligned(boxes, labels, many_priors, scores, predicted)
    assert matched.boxes[matched.labels > 0].isnan().any()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_predictions_without_a_number_break_nothing(many_priors, value):
    boxes, labels, scores, predicted = drawn(1, 5, many_priors)
    predicted = torch.full_like(predicted, value)
    matched = match_aligned(boxes, labels, many_priors, scores, predicted)
    assert matched.boxes.isfinite().all()
    assert set(matched.objects[matched.labels > 0].tolist()) == set(range(5))
