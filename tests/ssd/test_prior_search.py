"""Priors fitted to boxes, on data whose best priors are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vision.ssd import NETS, create_net, prior_search
from vision.ssd.config import mobilenet_config, squeezenet_config, vgg_config
from vision.ssd.prior_search import cluster_sizes, fit_priors, measure_priors
from vision.ssd.priors import generate_priors
from vision.utils.box_utils import box_iou, cxcywh_to_xyxy

CONFIG = mobilenet_config(300)


def around(centres, width, height):
    half = np.array([width, height]) / 2
    return np.hstack([centres - half, centres + half])


def cell_centres(rows=range(2, 17)):
    """Centres of the finest map's cells, away from the border: 16 pixels apart."""
    return np.array([((x + 0.5) * 16, (y + 0.5) * 16) for x in rows for y in rows])


def random_boxes(count, smallest, largest, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(smallest, largest, (count, 2))
    corners = rng.uniform(0, 300 - sizes)
    return np.hstack([corners, corners + sizes])


@pytest.mark.parametrize(
    "config",
    [mobilenet_config(300), mobilenet_config(512), squeezenet_config(300), vgg_config(300)],
)
def test_measure_is_that_of_all_priors_as_the_net_lays_them(config):
    boxes = random_boxes(200, 2, 300) * config.image_size / 300
    priors = cxcywh_to_xyxy(generate_priors(config.prior_specs, config.image_size)).double()
    iou = box_iou(torch.from_numpy(boxes / config.image_size), priors).max(dim=1).values
    coverage = measure_priors(boxes, config.prior_specs, config.image_size)
    assert coverage.mean_iou == pytest.approx(iou.mean().item(), abs=1e-6)
    assert coverage.uncovered == (iou < 0.5).double().mean().item()


def test_one_size_only_gets_a_prior_of_that_size():
    """37 x 37 in squares of 60 has IoU (37 / 60) ** 2 = 0.38."""
    fit = fit_priors(around(cell_centres(), 37, 37), CONFIG)
    assert fit.changed
    assert fit.before.mean_iou == pytest.approx((37 / 60) ** 2) and fit.before.uncovered == 1
    assert fit.after.mean_iou > 0.97 and fit.after.uncovered == 0
    assert "225 boxes: mean best IoU 0.380 ->" in str(fit) and "100.0% -> 0.0%" in str(fit)


def test_long_objects_get_a_long_prior():
    """Number plates, 110 x 25: 4.4 to 1, which no prior is."""
    fit = fit_priors(around(cell_centres(range(4, 15)), 110, 25), CONFIG)
    assert fit.before.mean_iou < 0.7 and fit.after.mean_iou > 0.95
    ratios = [ratio for spec in fit.specs for ratio in spec.aspect_ratios]
    assert min(abs(ratio - 4.4) for ratio in ratios) < 0.3


def test_tiny_objects_are_covered_better_and_sizes_stay_in_order():
    fit = fit_priors(random_boxes(200, 8, 30), CONFIG)
    assert fit.before.uncovered > 0.98 and fit.after.uncovered < 0.65
    assert fit.after.mean_iou > fit.before.mean_iou + 0.3
    for sizes in ([s.min_size for s in fit.specs], [s.max_size for s in fit.specs]):
        assert sizes == sorted(sizes)
    assert all(4 <= spec.min_size <= spec.max_size <= 330 for spec in fit.specs)


@pytest.mark.parametrize("name", NETS)
def test_trained_weights_still_load_and_the_priors_are_used(name):
    config = NETS[name].config(300)
    fit = fit_priors(random_boxes(20, 10, 60), config)
    assert fit.changed
    with torch.device("meta"):
        own = create_net(name, 4).state_dict()
        fitted = create_net(name, 4, config=replace(config, prior_specs=fit.specs)).state_dict()
    assert {key: tensor.shape for key, tensor in fitted.items()} == {
        key: tensor.shape for key, tensor in own.items()
    }
    for spec, old in zip(fit.specs, config.prior_specs):
        assert (spec.feature_map_size, spec.stride) == (old.feature_map_size, old.stride)
    assert generate_priors(fit.specs, 300).shape == generate_priors(config.prior_specs, 300).shape


@pytest.mark.parametrize("seed", range(3))
def test_neither_number_gets_worse(seed):
    for smallest, largest in ((5, 300), (60, 90), (200, 300), (1, 6)):
        fit = fit_priors(random_boxes(40, smallest, largest, seed), CONFIG, seed)
        assert fit.after.mean_iou >= fit.before.mean_iou
        assert fit.after.uncovered <= fit.before.uncovered
        assert fit.changed or fit.specs == CONFIG.prior_specs


def test_boxes_that_are_priors_leave_them_as_they_are():
    boxes = cxcywh_to_xyxy(generate_priors(CONFIG.prior_specs, 300)).double().numpy()[::7] * 300
    fit = fit_priors(boxes, CONFIG)
    assert fit.before.mean_iou == pytest.approx(1, abs=1e-4)
    assert not fit.changed and fit.specs == CONFIG.prior_specs and fit.after == fit.before
    assert "none fit better than the net's own, which leave 0.0% without one" in str(fit)


@pytest.mark.parametrize("boxes", [np.zeros((0, 4)), np.zeros((3, 4)), np.array([[5, 5, 5.5, 90]])])
def test_no_boxes_worth_the_name_leave_the_priors_as_they_are(boxes):
    fit = fit_priors(boxes, CONFIG)
    assert fit.specs == CONFIG.prior_specs and not fit.changed and fit.before.boxes == 0
    assert str(fit) == "priors: there are no boxes to fit them to, they stay as they are"


def test_same_seed_same_priors_also_of_a_sample(monkeypatch):
    monkeypatch.setattr(prior_search, "MAX_BOXES", 50)
    boxes = random_boxes(90, 10, 120).astype(np.float32)
    first, second = fit_priors(boxes, CONFIG, 3), fit_priors(boxes, CONFIG, 3)
    assert first == second and first.before.boxes == 50


@pytest.mark.parametrize("boxes", [np.zeros(4), np.zeros((2, 5)), np.full((1, 4), np.nan)])
def test_bad_boxes_are_refused(boxes):
    with pytest.raises(ValueError, match=r"boxes must be \(N, 4\) and finite, got"):
        fit_priors(boxes, CONFIG)


def test_k_means_finds_the_sizes_that_there_are():
    sizes = np.array([[10.0, 10], [20, 40], [90, 30]]).repeat(20, axis=0)
    for seed in range(10):
        centres = cluster_sizes(sizes, 3, np.random.default_rng(seed))
        assert sorted(centres.tolist()) == [[10, 10], [20, 40], [90, 30]]


def test_k_means_with_fewer_sizes_than_clusters():
    centres = cluster_sizes(np.full((1, 2), 7.0), 3, np.random.default_rng(0))
    assert centres.tolist() == [[7, 7]] * 3
