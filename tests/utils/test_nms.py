from __future__ import annotations

import builtins
import logging
import math
import sys

import numpy as np
import pytest
import torch

from vision.utils import nms
from vision.utils.box_utils import box_iou
from vision.utils.nms import Kept, Suppression, nms_per_picture


@pytest.fixture(params=["compiled", "own"])
def variant(request, monkeypatch):
    """Run the test with torchvision's compiled function and with our own."""
    if request.param == "own":
        monkeypatch.setattr(nms, "compiled_nms", lambda: None)


def nms_per_class(scores, boxes, suppression=None):
    """Return what is left of one picture: scores (P, C), boxes (P, 4)."""
    return as_tensors(nms_per_picture(scores[None], boxes[None], suppression)[0])


def as_tensors(kept):
    return Kept(*map(torch.from_numpy, kept))


def one_class(scores):
    """Return (P, 2) scores of BACKGROUND and one class."""
    scores = torch.tensor(scores, dtype=torch.float32)
    return torch.stack([1 - scores, scores], dim=1)


# On paper: 10 x 10 boxes shifted by 2 overlap by 80 / 120 = 2/3, by 4 by 60 / 140 = 3/7.
SHIFTED = torch.tensor([[0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10], [50, 50, 60, 60.0]])


def test_a_box_is_suppressed_only_by_boxes_that_stay(variant):
    kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED)
    # The third overlaps the second by 2/3, but that one is gone, and the first by 3/7 < 0.45 only.
    assert torch.equal(kept.boxes, SHIFTED[[0, 2, 3]])
    assert kept.labels.tolist() == [1, 1, 1]
    assert kept.scores.tolist() == pytest.approx([0.9, 0.7, 0.6])


@pytest.mark.parametrize("number", range(3))
def test_golden_vectors(variant, golden, number):
    vectors = golden("core.npz")
    kept = nms_per_class(
        one_class(vectors[f"nms{number}_scores"]),
        torch.from_numpy(vectors[f"nms{number}_boxes"]),
    )
    assert kept.scores.tolist() == vectors[f"nms{number}_kept_scores"].tolist()


def test_classes_do_not_suppress_each_other_and_background_is_skipped(variant):
    scores = torch.tensor([[0.99, 0.2, 0.7], [0.0, 0.6, 0.1], [1.0, 0.0, 0.0]])
    boxes = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1.01], [5, 5, 6, 6]])
    kept = nms_per_class(scores, boxes)
    assert kept.labels.tolist() == [2, 1]
    assert kept.scores.tolist() == pytest.approx([0.7, 0.6])
    assert torch.equal(kept.boxes, boxes[[0, 1]])


def test_overlap_equal_to_the_threshold_stays(variant):
    boxes = torch.tensor([[0, 0, 2, 1], [1, 0, 2, 1.0]])  # overlap 1/2
    scores = one_class([0.9, 0.8])
    assert len(nms_per_class(scores, boxes, Suppression(iou_threshold=0.5)).scores) == 2
    assert len(nms_per_class(scores, boxes, Suppression(iou_threshold=0.49)).scores) == 1
    assert len(nms_per_class(scores, boxes, Suppression(iou_threshold=0.0)).scores) == 1


def test_of_equal_scores_the_earlier_box_stays(variant):
    kept = nms_per_class(one_class([0.5, 0.5, 0.5, 0.5]), SHIFTED)
    assert torch.equal(kept.boxes, SHIFTED[[0, 2, 3]])


@pytest.mark.parametrize("method", ["hard", "soft"])
def test_nothing_to_find(variant, method):
    suppression = Suppression(method=method)
    for priors, classes in ((0, 3), (4, 3), (4, 1)):
        scores = torch.zeros(2, priors, classes)
        for kept in nms_per_picture(scores, torch.zeros(2, priors, 4), suppression):
            assert kept.boxes.shape == (0, 4)
            assert kept.labels.shape == kept.scores.shape == (0,)
            assert kept.labels.dtype == np.int64
    assert nms_per_picture(torch.zeros(0, 4, 3), torch.zeros(0, 4, 4), suppression) == []


@pytest.mark.parametrize("method", ["hard", "soft"])
def test_nan_is_no_candidate(variant, method):
    scores = one_class([math.nan, 0.8, 0.7, 0.6])
    kept = nms_per_class(scores, SHIFTED, Suppression(method=method, score_threshold=0.65))
    assert kept.scores[0].item() == pytest.approx(0.8)
    assert not kept.scores.isnan().any()


def test_a_threshold_of_zero_is_a_threshold(variant):
    scores = one_class([0.0, 0.005, 0.3, 0.3])
    boxes = SHIFTED * 10 * torch.arange(1, 5)[:, None]
    assert len(nms_per_class(scores, boxes).scores) == 2
    assert len(nms_per_class(scores, boxes, Suppression(score_threshold=0.0)).scores) == 3


def test_only_the_best_candidates_are_looked_at_and_the_best_kept(variant):
    boxes = torch.arange(10.0)[:, None] * 10 + torch.tensor([0, 0, 5, 5.0])
    scores = torch.linspace(0.1, 0.9, 10)
    scores = torch.stack([torch.zeros(10), scores, scores.flip(0)], dim=1)
    for suppression in (Suppression(candidate_size=3), Suppression(top_k=3)):
        kept = nms_per_class(scores, boxes, suppression)
        assert kept.labels.tolist() == [1, 2] * 3
        assert torch.equal(kept.boxes[:, 0], torch.tensor([90, 0, 80, 10, 70, 20.0]))


def test_of_a_crowd_the_earliest_of_equal_scores_are_candidates(variant):
    """Thousands of candidates are not all sorted: those that cannot be among the best are left."""
    corners = torch.arange(50.0)[:, None] * 10
    boxes = torch.cat([corners, corners, corners + 5, corners + 5], dim=1)
    scores = one_class([0.5] * 20 + [0.9] * 3 + [0.5] * 20 + [0.2] * 7)
    kept = nms_per_class(scores, boxes, Suppression(candidate_size=8))
    assert (kept.boxes[:, 0] / 10).tolist() == [20, 21, 22, 0, 1, 2, 3, 4]


def test_pictures_do_not_mix(variant):
    scores = torch.stack([one_class([0.9, 0.8, 0.7, 0.6]), one_class([0.0, 0.8, 0.9, 0.0])])
    first, second = map(as_tensors, nms_per_picture(scores, SHIFTED.expand(2, 4, 4)))
    assert torch.equal(first.boxes, SHIFTED[[0, 2, 3]])
    assert torch.equal(second.boxes, SHIFTED[[2]])


def test_soft_suppression_lowers_scores():
    kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED, Suppression(method="soft"))
    # 0.6 stands apart. The third loses to the first, the second to both.
    third = 0.7 * math.exp(-((3 / 7) ** 2) / 0.5)
    second = 0.8 * math.exp(-(2 * (2 / 3) ** 2) / 0.5)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.6, third, second], abs=1e-6)
    assert torch.equal(kept.boxes, SHIFTED[[0, 3, 2, 1]])


def test_soft_suppression_drops_what_falls_to_the_threshold():
    suppression = Suppression(method="soft", score_threshold=0.2)
    kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED, suppression)
    assert torch.equal(kept.boxes, SHIFTED[[0, 3, 2]])
    kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED, Suppression(0.2, top_k=2))
    assert len(kept.scores) == 2


@pytest.mark.parametrize(("top_k", "count"), [(0, 0), (1, 1), (3, 3), (9, 3), (-1, 3)])
def test_at_most_none_is_none_and_not_all(variant, top_k, count):
    kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED, Suppression(top_k=top_k))
    assert kept.boxes.shape == (count, 4)


def random_boxes(generator, count, grid):
    """Return random boxes; on a grid many overlaps are equal to a threshold, many scores equal."""
    if grid:
        corners = torch.randint(0, 8, (count, 2), generator=generator).float()
        sizes = torch.randint(1, 6, (count, 2), generator=generator).float()
    else:
        corners = torch.rand(count, 2, generator=generator)
        sizes = torch.rand(count, 2, generator=generator) / 2
    scores = torch.rand(count, 3, generator=generator)
    return torch.cat([corners, corners + sizes], 1), (scores * 10).round() / 10 if grid else scores


def picked_one_by_one(boxes, scores, suppression):
    """Return (score, index) of one class by the definition: pick the best, treat the rest."""
    order = scores.argsort(descending=True, stable=True)[: suppression.candidate_size].tolist()
    left = {i: float(scores[i]) for i in order if scores[i] > suppression.score_threshold}
    picked = []
    while left:
        best = max(left, key=lambda i: (left[i], -i))
        picked.append((left.pop(best), best))
        for i in list(left):
            overlap = float(box_iou(boxes[best : best + 1], boxes[i : i + 1]))
            if suppression.method == "soft":
                left[i] *= math.exp(-(overlap**2) / suppression.sigma)
                if left[i] <= suppression.score_threshold:
                    del left[i]
            elif overlap > suppression.iou_threshold:
                del left[i]
    return picked


@pytest.mark.parametrize("seed", range(6))
def test_own_result_is_the_compiled_one_bit_for_bit(monkeypatch, seed):
    generator = torch.Generator().manual_seed(seed)
    boxes, scores = random_boxes(generator, 50 * (seed + 1), grid=seed % 2)
    for threshold in (0.0, 0.3, 1 / 3, 0.45, 0.7, 1.0):
        suppression = Suppression(iou_threshold=threshold)
        compiled = nms_per_class(scores, boxes, suppression)
        with monkeypatch.context() as patch:
            patch.setattr(nms, "compiled_nms", lambda: None)
            patch.setattr(nms, "MATRIX_ELEMENTS", 1)  # one group at a time
            own = nms_per_class(scores, boxes, suppression)
        assert all(torch.equal(one, other) for one, other in zip(compiled, own))


@pytest.mark.parametrize("method", ["hard", "soft"])
@pytest.mark.parametrize("seed", range(4))
def test_result_is_that_of_the_definition(variant, method, seed):
    generator = torch.Generator().manual_seed(seed)
    boxes, scores = random_boxes(generator, 40, grid=False)
    suppression = Suppression(method=method, candidate_size=30)
    kept = nms_per_class(scores, boxes, suppression)
    for label in (1, 2):
        expected = picked_one_by_one(boxes, scores[:, label], suppression)
        mine = kept.labels == label
        assert torch.equal(kept.boxes[mine], boxes[[index for _, index in expected]])
        assert kept.scores[mine].tolist() == pytest.approx([score for score, _ in expected], 1e-5)


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "hrad"},
        {"iou_threshold": 1.5},
        {"candidate_size": 0},
        {"sigma": 0.0},
    ],
)
def test_bad_settings_are_named(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Suppression(**bad)


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(1, 5, 2\) and \(1, 4, 4\)"):
        nms_per_class(torch.zeros(5, 2), torch.zeros(4, 4))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        ImportError("libtorch_cuda.so: undefined symbol"),
        AttributeError("partially initialized module 'torchvision' has no attribute 'extension'"),
    ],
)
def test_a_torchvision_that_does_not_load_costs_one_warning(monkeypatch, caplog, error):
    """The mismatched pairs that are common on Jetsons."""
    import_module = builtins.__import__

    def failing_import(name, *args, **kwargs):
        if name.startswith("torchvision"):
            raise error
        return import_module(name, *args, **kwargs)

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", failing_import)
    nms.compiled_nms.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                kept = nms_per_class(one_class([0.9, 0.8, 0.7, 0.6]), SHIFTED)
                assert torch.equal(kept.boxes, SHIFTED[[0, 2, 3]])
    finally:
        nms.compiled_nms.cache_clear()
    assert len(caplog.messages) == 1
    assert str(error) in caplog.messages[0]


def test_what_is_not_finite_is_never_a_candidate():
    boxes = torch.tensor([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9], [60, 0, 69, 9.0]])
    boxes[1, 2], boxes[2, 0] = torch.inf, torch.nan
    scores = torch.tensor([0.9, 0.9, 0.9, torch.inf])
    scores = torch.stack([torch.zeros(4), scores], dim=1)
    for method in ("hard", "soft", "none"):
        (kept,) = nms_per_picture(scores[None], boxes[None], Suppression(method=method))
        assert kept.boxes.tolist() == [[0, 0, 9, 9]]
