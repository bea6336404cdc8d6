from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.conftest import DATA
from vision.ssd import NETS
from vision.ssd.config import PriorSpec
from vision.ssd.priors import generate_priors


def priors_of(name, resolution):
    config = NETS[name].config(resolution)
    return generate_priors(config.prior_specs, resolution)


@pytest.mark.parametrize("key", np.load(DATA / "priors.npz").files)
def test_reference_priors_to_the_bit(golden, key):
    name, resolution = key.split("|")
    priors = priors_of(name, int(resolution))
    assert priors.dtype == torch.float32
    assert np.array_equal(priors.numpy(), golden("priors.npz")[key])


@pytest.mark.parametrize("name", NETS)
def test_counts_at_300_pixels(name):
    expected = {"sq-ssd-lite": 2568, "vgg16-ssd": 8732, "mb2-fpn-ssd-lite": 8744}.get(name, 3000)
    assert priors_of(name, 300).shape == (expected, 4)


def test_the_shapes_of_one_cell():
    # A square of 20 pixels, one of sqrt(20 * 80) = 40, and 20 * 2 by 20 / 2 both ways.
    priors = generate_priors([PriorSpec(1, 100, 20, 80, (4,))], 100)
    expected = [[0.5, 0.5, w, h] for w, h in ((0.2, 0.2), (0.4, 0.4), (0.4, 0.1), (0.1, 0.4))]
    assert priors.numpy() == pytest.approx(np.array(expected))


def test_cells_go_row_by_row_and_maps_one_behind_the_other():
    specs = [PriorSpec(2, 50, 10, 10, ()), PriorSpec(1, 100, 30, 30, ())]
    centres = generate_priors(specs, 100)[::2, :2]
    expected = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75], [0.5, 0.5]]
    assert centres.numpy() == pytest.approx(np.array(expected))


def test_centres_and_sizes_are_clipped_to_the_picture():
    # Three cells of stride 50 reach beyond a picture of 100 pixels, and so does a box of 150.
    priors = generate_priors([PriorSpec(3, 50, 150, 150, ())], 100)
    assert priors[::2, 0].tolist() == [0.25, 0.75, 1.0] * 3
    assert priors[:, 2:].eq(1).all()
