from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch.nn import functional as F

from tests.drawing import CLASS_NAMES
from tests.tiny import drawn_batches, tiny_net, tiny_training
from vision.training.assignment import ByOverlap
from vision.training.steps import Losses
from vision.training.validation import Validation, all_finite, validate


def precision(mean):
    return SimpleNamespace(mean=mean, classes=())


def net_that_says(batches, certainty=30.0, shift=0.0):
    """Return a net whose answer to the n-th batch is the truth, with boxes shifted if asked."""
    net = tiny_net()
    answers = []
    for batch in batches:
        locations, labels, *_ = ByOverlap(net, batch).all
        logits = F.one_hot(labels, len(CLASS_NAMES)) * certainty
        answers.append((logits, locations + shift))
    remaining = iter(answers)
    net.forward = lambda images: next(remaining)
    return net


def run(net, batches, **options):
    pictures = sum(len(batch.images) for batch in batches)
    return validate(tiny_training(net, average_decay=0), batches, CLASS_NAMES, pictures, **options)


def test_the_truth_is_found_entirely():
    batches = drawn_batches(2, negatives=1)
    validation = run(net_that_says(batches), batches)
    assert validation.precision.mean == 1.0
    assert validation.losses.regression == 0
    assert validation.losses.classification == pytest.approx(0, abs=1e-6)
    counts = [result.ground_truths for result in validation.precision.classes]
    labels = torch.cat([batch.labels.flatten() for batch in batches])
    assert counts == [int((labels == label).sum()) for label in (1, 2, 3)]


def test_boxes_that_are_elsewhere_are_not():
    batches = drawn_batches(1)
    validation = run(net_that_says(batches, shift=20.0), batches)  # by two sizes of the prior
    assert validation.precision.mean < 0.1
    assert validation.losses.regression > 10


def test_the_loss_alone_is_measured_without_decoding():
    batches = drawn_batches(1)
    net = net_that_says(batches)
    net.decode = None
    validation = run(net, batches, measure_precision=False)
    assert validation.precision is None
    assert list(validation.metrics) == ["loss"]


def test_nothing_changes_and_nothing_learns():
    batches, net = drawn_batches(1), tiny_net().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    validation = run(net, batches)
    assert not net.training
    assert all(tensor.equal(before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert math.isfinite(validation.losses.total)


def test_scores_order_epochs():
    def score(loss, mean=None, measured=True):
        return Validation(Losses(0.0, loss), precision(mean) if measured else None).score

    assert score(9.0, mean=0.5) > score(1.0, mean=0.4)
    assert score(1.0, measured=False) > score(2.0, measured=False)
    assert score(1.0) > score(2.0)  # no class has objects, so there is no mean
    assert score(math.nan) == score(math.inf, measured=False) == -math.inf
    assert Validation(Losses(1.0, 2.0), precision(0.25)).metrics == {"loss": 3.0, "mAP": 0.25}


def test_no_pictures():
    assert "mAP" not in run(tiny_net(), []).metrics


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_net_with_a_number_that_is_none_is_worse_than_any(value):
    training = tiny_training()
    assert all_finite(training.net)
    good = validate(training, drawn_batches(1), CLASS_NAMES, 4)
    assert good.weights_are_finite and math.isfinite(good.score)
    training.best_net.state_dict()["regression_headers.0.3.bias"][0] = value
    bad = validate(training, drawn_batches(1), CLASS_NAMES, 4)
    assert not bad.weights_are_finite
    assert bad.score == -math.inf


def test_a_loss_that_is_none_is_worse_than_any_precision():
    assert Validation(Losses(math.nan, 1.0), precision(0.9)).score == -math.inf
    assert Validation(Losses(1.0, 1.0), precision(0.9)).score == 0.9


def test_the_score_of_an_epoch():
    validation, losses = Validation(Losses(1.0, 1.0), precision(0.9)), Losses(2.0, 3.0)
    assert validation.score_after(losses, objects=5) == 0.9
    nothing = Validation(Losses(0.0, 0.0), precision(None))
    assert nothing.score_after(losses, objects=0) == -5.0
    assert validation.score_after(Losses(math.nan, math.nan), objects=5) == -math.inf
    broken = Validation(Losses(0.0, 0.0), precision(None), weights_are_finite=False)
    assert broken.score_after(losses, objects=0) == -math.inf


def test_the_examples_are_those_asked_for_with_their_names():
    batches = drawn_batches(3)
    ids = [name for batch in batches for name in batch.image_ids]
    training = tiny_training()
    assert validate(training, batches, CLASS_NAMES, 12).examples is None
    asked = {ids[1], ids[6], ids[11]}
    examples = validate(training, batches, CLASS_NAMES, 12, shown_ids=asked).examples
    assert list(examples.image_ids) == [ids[1], ids[6], ids[11]]
    assert examples.images[1].equal(batches[1].images[2])
    assert len(examples.truths[1].boxes) == int((batches[1].labels[2] > 0).sum())
    assert len(examples.detections) == 3
