from __future__ import annotations

import pytest
import torch

from tests.tiny import drawn_batches, tiny_net, tiny_training, train_on
from vision.nn.multibox_loss import MultiboxLoss
from vision.training.assignment import ASSIGNMENTS, ByOverlap, ByPrediction
from vision.training.options import TrainOptions
from vision.training.steps import batch_losses

ALL = slice(None)


def predicted(net, batch):
    with torch.no_grad():
        return net.eval()(net.normalise(batch.images))


def test_the_option_knows_every_assignment_and_no_other():
    for name in ASSIGNMENTS:
        assert TrainOptions.of({"assignment": name}).assignment == name
    with pytest.raises(ValueError, match="aligned, overlap"):
        TrainOptions.of({"assignment": "nearest"})


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_the_targets_of_some_pictures_are_those_of_all(assignment):
    net, (batch,) = tiny_net(), drawn_batches(1, negatives=1)
    batch = batch._replace(confidences=batch.labels.clamp(max=1) * 0.5)
    assigned = assignment(net, batch)
    logits, locations = predicted(net, batch)
    whole = assigned.targets(ALL, logits, locations)
    for rows in (slice(0, 1), slice(1, 4)):
        some = assigned.targets(rows, logits[rows], locations[rows])
        assert all(map(torch.equal, some, whole.part(rows)))
    assert whole.labels[whole.labels > 0].numel() > 0


@pytest.mark.parametrize("balance", [0, 0.5, 1])
def test_totals_are_those_of_the_targets(balance):
    """Exactly by overlap; by prediction before it is known which priors two objects want."""
    net, (batch,) = tiny_net(), drawn_batches(1, negatives=1)
    criterion = MultiboxLoss(object_balance=balance)
    for assignment, tolerance in ((ByOverlap, 0), (ByPrediction, 0.15)):
        assigned = assignment(net, batch)
        expected = criterion.totals(assigned.targets(ALL, *predicted(net, batch)))
        found = assigned.totals(criterion)
        assert found.pictures == expected.pictures
        for one, other in zip(found, expected):
            assert one.item() == pytest.approx(other.item(), rel=tolerance)


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_a_batch_without_objects_has_loss_0(assignment):
    (batch,) = drawn_batches(1)
    empty = batch._replace(labels=torch.zeros_like(batch.labels))
    none = batch._replace(boxes=batch.boxes[:, :0], labels=batch.labels[:, :0])
    training = tiny_training()
    training.assignment = assignment
    for one in (empty, none):
        losses = batch_losses(training, one)
        assert [loss.item() for loss in losses] == [0, 0]


def test_what_predicts_an_object_well_learns_it():
    """A prior that finds an object exactly is told to do so, though others lie nearer."""
    net, (batch,) = tiny_net(), drawn_batches(1)
    by_overlap = ByOverlap(net, batch).all
    logits = torch.zeros(4, len(net.priors), net.num_classes)
    perfect = ByPrediction(net, batch).targets(ALL, logits, by_overlap.locations)
    positive = by_overlap.labels > 0
    chosen = perfect.labels.where(positive, torch.zeros_like(perfect.labels))
    assert (chosen[positive] > 0).float().mean() > 0.9


@pytest.mark.parametrize("assignment", ASSIGNMENTS.values())
def test_steps_reduce_the_loss(assignment):
    batches = drawn_batches(1) * 12
    training = tiny_training()
    training.assignment = assignment
    first, last = (train_on(training, part).average() for part in (batches[:2], batches[-2:]))
    assert last.total < first.total
