from __future__ import annotations

import pytest

from vision.ssd import NETS
from vision.ssd.config import (
    MOBILENET_PRIORS,
    PriorSpec,
    halved,
    mobilenet_config,
    prior_specs_for,
    squeezenet_config,
    upstream_normalisation,
    vgg_config,
)


def test_shapes_on_paper():
    # Squares of 4 and of the square root of 4 * 9, then 4:1 both ways with the area of the first.
    square, between, *stretched = PriorSpec(1, 1, 4, 9, (4,)).shapes()
    assert (square, between) == ((4, 4), (6, 6))
    assert stretched == [(8, 2), (2, 8)]


def test_halving_rounds_up():
    assert [halved(300, times) for times in range(10)] == [300, 150, 75, 38, 19, 10, 5, 3, 2, 1]
    assert halved(1) == 1


def test_priors_per_cell():
    assert PriorSpec(1, 1, 1, 1, ()).priors_per_cell == 2
    assert PriorSpec(1, 1, 1, 1, (2, 3)).priors_per_cell == 6


@pytest.mark.parametrize(
    ("config", "sizes"),
    [
        (mobilenet_config, [19, 10, 5, 3, 2, 1]),
        (squeezenet_config, [17, 10, 5, 3, 2, 1]),
        (vgg_config, [38, 19, 10, 5, 3, 1]),
    ],
)
def test_map_sizes_at_300_pixels(config, sizes):
    assert [spec.feature_map_size for spec in config(300).prior_specs] == sizes


def test_tables_at_300_pixels():
    first, *_, last = mobilenet_config(300).prior_specs
    assert first == PriorSpec(19, 16, 60, 105, (2, 3))
    assert last == PriorSpec(1, 300, 285, 330, (2, 3))
    first, *_, last = vgg_config(300).prior_specs
    assert first == PriorSpec(38, 8, 30, 60, (2,))
    assert last == PriorSpec(1, 300, 264, 315, (2,))


def test_derived_sizes_on_paper():
    # A tenth of the side, then 20, 37, 54, 71, 88 and 105 per cent; strides are rounded up.
    specs = prior_specs_for(200, [13, 7, 4, 2, 1, 1], MOBILENET_PRIORS)
    assert [spec.min_size for spec in specs] == pytest.approx([20, 40, 74, 108, 142, 176])
    assert [spec.max_size for spec in specs] == pytest.approx([40, 74, 108, 142, 176, 210])
    assert [spec.stride for spec in specs] == [16, 29, 50, 100, 200, 200]


@pytest.mark.parametrize(("name", "too_small"), [("vgg16-ssd", 267), ("sq-ssd-lite", 30)])
def test_a_resolution_that_leaves_no_cell_is_refused(name, too_small):
    with pytest.raises(ValueError, match=rf"resolution of {too_small} .*choose a larger"):
        NETS[name].config(too_small)
    NETS[name].config(too_small + 1)


def test_normalisation_of_new_and_of_older_trainings():
    assert (mobilenet_config().image_mean, mobilenet_config().image_std) == ((127.5,) * 3, 127.5)
    older = upstream_normalisation(mobilenet_config())
    assert (older.image_mean, older.image_std) == ((127.0,) * 3, 128.0)
    assert older.prior_specs == mobilenet_config().prior_specs
    assert upstream_normalisation(vgg_config()) == vgg_config()
    assert (vgg_config().image_mean, vgg_config().image_std) == ((123.0, 117.0, 104.0), 1.0)


def test_fill_colours_are_the_mean_in_whole_numbers():
    assert vgg_config().fill_colour == (123, 117, 104)
    assert mobilenet_config().fill_colour in ((127, 127, 127), (128, 128, 128))
