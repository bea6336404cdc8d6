from __future__ import annotations

import numpy as np
import pytest

from vision.deploy.candidates import CandidateTrial, fewest_candidates
from vision.deploy.nms import GraphNms, suppress_rows
from vision.deploy.outputs import Outputs
from vision.deploy.tuning import DEFAULTS, Measured, Rating, Tuning, tuning_lines
from vision.evaluation.matching import GroundTruth

LABELS = ["BACKGROUND", "cell"]


def crowd(cells, boxes_each):
    """Return what is on a picture of cells in a row, its size, and many rows for each cell."""
    left = np.arange(cells) / cells
    corners = np.stack([left, 0 * left, left + 0.8 / cells, 0 * left + 1], axis=1)
    truth = GroundTruth(
        np.float32(corners * [200, 100, 200, 100]), np.ones(cells, np.int64), np.zeros(cells, bool)
    )
    scores = np.linspace(0.9, 0.1, cells * boxes_each, dtype=np.float32)
    rows = np.repeat(corners, boxes_each, axis=0).astype(np.float32)
    return truth, (200, 100), Outputs(np.stack([1 - scores, scores], axis=1), rows)


def test_each_candidate_that_is_missing_is_an_object_that_is_missing():
    """Ten cells with 50 boxes each: 200 candidates reach four of them, 500 all."""
    trial = CandidateTrial(LABELS, GraphNms(candidates=250))
    trial.add(*crowd(10, 50))
    means = trial.mean_precisions()
    # The fifth cell begins at candidate 200, so that 250 have five.
    expected = {100: 0.2, 200: 0.4, 250: 0.5, 300: 0.6, 400: 0.8, 500: 1.0, 1000: 1.0}
    assert {count: means[count] for count in expected} == pytest.approx(expected)
    assert fewest_candidates(means) == 500


def test_what_is_kept_of_few_is_what_is_kept_of_many():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.7, (1500, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.05, 0.3, (1500, 2))], axis=1)
    scores = rng.dirichlet([1, 1, 1], 1500)
    rows = scores.astype(np.float32), boxes.astype(np.float32)
    many, _ = suppress_rows(*rows, GraphNms(candidates=1000))
    for count in (1, 150, 600):
        few, _ = suppress_rows(*rows, GraphNms(candidates=count))
        assert np.array_equal(few, many[:count])


def test_pictures_without_objects_say_nothing():
    _, size, rows = crowd(4, 2)
    nothing = GroundTruth(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool))
    trial = CandidateTrial(LABELS, GraphNms())
    trial.add(nothing, size, rows)
    assert trial.mean_precisions() == {}
    assert fewest_candidates({200: 0.7, 300: 0.704, 1000: 0.704}) == 200
    assert fewest_candidates({200: 0.7, 300: 0.704, 1000: 0.706}) == 300


@pytest.mark.parametrize("is_in_file", [True, False])
@pytest.mark.parametrize(("means", "needed"), [({200: 0.6, 400: 0.62}, 400), ({200: 0.6}, 200)])
def test_more_candidates_are_advised_where_few_lose_objects(is_in_file, means, needed):
    plain = Measured(Rating(DEFAULTS, 80, 40, 40), Rating(DEFAULTS, 60, 40, 40))
    nms = Measured(Rating(DEFAULTS, 40, 40, 40), Rating(DEFAULTS, 40, 40, 40))
    tuning = Tuning(20, 40, plain, nms, GraphNms(), is_in_file, means)
    assert tuning.needed_candidates == needed
    last = tuning_lines(tuning)[-1]
    assert ("--nms-candidates=400" in last) == (needed == 400)
    if is_in_file and needed == 400:
        assert "200 candidates leave out boxes of low scores: mAP 0.600, 0.620 with 400." in last
        assert "export with --nms=0.45 --nms-candidates=400;" in last
    if not is_in_file:
        assert "export with --nms" in last
