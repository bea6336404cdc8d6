"""Which priors a run begins with: by --anchors, by the boxes, by the heads that it starts from."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.drawing import write_voc
from tests.tiny import NET, SIDE, tiny_description, tiny_net
from vision.checkpoints.weights_file import save_weights
from vision.datasets.index.builder import IndexBuilder
from vision.datasets.opening import open_split
from vision.ssd import NETS, create_net
from vision.training.options import TrainOptions
from vision.training.prior_choice import choose_config, with_object_balance

STOCK = NETS[NET].config(SIDE)
FITTED = tuple(replace(spec, aspect_ratios=(2.5, 4.0)) for spec in STOCK.prior_specs)


def options(anchors, **others):
    return TrainOptions.of({"net": NET, "resolution": SIDE, "anchors": anchors, **others})


@pytest.fixture
def squares(tmp_path):
    write_voc(tmp_path / "squares", {"train": 6, "test": 1})
    return open_split(tmp_path / "squares", split="train")


@pytest.fixture
def pretrained(tmp_path):
    """Return the file of a detector with priors of its own."""
    config = replace(STOCK, prior_specs=FITTED)
    save_weights(
        tmp_path / "own.pth",
        tiny_net().state_dict(),
        replace(tiny_description(), config=config),
    )
    return tmp_path / "own.pth"


@pytest.mark.parametrize("with_heads", [False, True])
def test_stock_is_what_older_scripts_know(squares, pretrained, with_heads):
    heads = pretrained if with_heads else None
    assert choose_config(options("stock"), squares, heads) == STOCK


def test_without_heads_the_priors_are_fitted_and_the_log_says_what_that_means(squares, caplog):
    with caplog.at_level(logging.INFO):
        config = choose_config(options("auto"), squares, None)
    assert config.prior_specs != STOCK.prior_specs
    assert replace(config, prior_specs=STOCK.prior_specs) == STOCK
    assert "Fitted priors on" in caplog.text
    assert "--anchors stock keeps those" in caplog.text


def test_where_fitting_gains_little_older_scripts_can_go_on_using_the_weights(squares, caplog):
    """Boxes that are priors of the net: nothing overlaps them better."""
    spec = STOCK.prior_specs[0]
    size = spec.min_size / SIDE * 100
    centre = (
        (np.arange(len(squares.boxes)) % spec.feature_map_size + 0.5) * spec.stride * 100 / SIDE
    )
    middle = np.stack([centre, centre, centre, centre], axis=1)
    boxes = (middle + np.array([-1, -1, 1, 1]) * size / 2).astype(np.float32)
    index = replace(squares, boxes=boxes, sizes=np.full_like(squares.sizes, 100))
    with caplog.at_level(logging.INFO):
        config = choose_config(options("auto"), index, None)
    assert config == STOCK
    assert "none fit better than the net's own" in caplog.text
    assert "--anchors" not in caplog.text


def test_a_detector_of_another_net_has_no_heads_to_keep_priors_for(squares, tmp_path):
    path = tmp_path / "sister.pth"
    save_weights(path, tiny_net().state_dict(), tiny_description(net="mb3-large-ssd-lite"))
    config = choose_config(options("auto"), squares, path)
    assert config == choose_config(options("auto"), squares, None) != STOCK
    torch.save(create_net("mb1-ssd-lite", 4, SIDE).state_dict(), path)  # it does not say so
    of_mb1 = options("auto", net="mb1-ssd")
    config = choose_config(of_mb1, squares, path)
    assert config == choose_config(of_mb1, squares, None) != NETS["mb1-ssd"].config(SIDE)


def test_heads_keep_the_priors_that_they_have_learnt_with(squares, pretrained, caplog):
    with caplog.at_level(logging.INFO):
        assert choose_config(options("auto"), squares, pretrained).prior_specs == FITTED
    assert f"The priors are those of {pretrained}" in caplog.text


def test_priors_of_heads_grow_with_the_input(squares, pretrained):
    config = choose_config(options("auto", resolution=2 * SIDE), squares, pretrained)
    assert config.image_size == 2 * SIDE
    for spec, own in zip(config.prior_specs, FITTED):
        assert (spec.min_size, spec.aspect_ratios) == (2 * own.min_size, own.aspect_ratios)


def test_heads_without_a_description_have_the_priors_of_the_net(squares, tmp_path):
    torch.save(tiny_net().state_dict(), tmp_path / "bare.pth")
    assert choose_config(options("auto"), squares, tmp_path / "bare.pth") == STOCK


def test_fitted_wins_over_heads(squares, pretrained):
    config = choose_config(options("fitted"), squares, pretrained)
    assert config == choose_config(options("auto"), squares, None)


def test_a_run_of_an_earlier_version_said_net_and_meant_stock():
    assert options("net").anchors == "stock"


def marked(**sizes):
    """Build an index of pictures of 100 x 100, with twelve squares of each class and size."""
    builder = IndexBuilder()
    for number in range(12):
        boxes = [[10, 10, 10 + side, 10 + side] for side in sizes.values()]
        builder.add(str(number), f"/{number}.jpg", boxes, list(sizes), size=(100, 100))
    return builder.build()


# One prior lies on the small squares, and four on the large ones, or one.
PRIORS = torch.tensor([[0.2, 0.2, 0.2, 0.2], *[[0.5, 0.5, 0.8, 0.8 + 0.01 * n] for n in range(4)]])


@pytest.mark.parametrize(
    ("sizes", "priors", "expected"),
    [
        ({"cell": 80, "platelet": 20}, PRIORS, 1.0),
        ({"cell": 80, "platelet": 20}, PRIORS[:2], 0.0),
        ({"cell": 80, "large": 81}, PRIORS, 0.0),
    ],
)
def test_objects_count_alike_where_their_priors_differ_much(sizes, priors, expected, caplog):
    with caplog.at_level(logging.INFO):
        overlap = options("auto", assignment="overlap")
        chosen = with_object_balance(overlap, marked(**sizes), priors)
    assert chosen.object_balance == expected
    told = "Objects of cell have 4.0 priors each, those of platelet 1.0" in caplog.text
    assert told == bool(expected)


def test_a_number_stays_and_few_objects_decide_nothing():
    asked = options("auto", object_balance=0.5)
    assert with_object_balance(asked, marked(cell=80, platelet=20), PRIORS) is asked
    overlap = options("auto", assignment="overlap")
    few = marked(cell=80, platelet=20).select(np.arange(9))
    assert with_object_balance(overlap, few, PRIORS).object_balance == 0.0
    nothing = marked(cell=80).select(np.arange(0))
    assert with_object_balance(overlap, nothing, PRIORS).object_balance == 0.0


@pytest.mark.parametrize("sizes", [{"cell": 80, "platelet": 20}, {"cell": 80}])
def test_where_predictions_decide_objects_count_alike(sizes):
    assert with_object_balance(options("auto"), marked(**sizes), PRIORS).object_balance == 1.0
