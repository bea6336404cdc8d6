from __future__ import annotations

import pytest
import torch

from vision.checkpoints.recognition import (
    count_classes,
    recognise,
    recognise_net,
    recognise_width,
)
from vision.ssd import NETS, create_net
from vision.ssd.config import SSDConfig
from vision.utils.labels import write_labels
from vision.utils.overrides import Overrides


@pytest.mark.parametrize("name", NETS)
def test_every_net_is_recognised_by_its_names(name, tmp_path):
    with torch.device("meta"):
        state = create_net(name, 7).state_dict()
    assert recognise_net(state, tmp_path) == name


@pytest.mark.parametrize("name", NETS)
def test_the_wrong_net_is_said_and_nothing_else_is_blamed(name, tmp_path):
    with torch.device("meta"):
        state = create_net(name, 7).state_dict()
    path, labels = tmp_path / "bare.pth", tmp_path / "labels.txt"
    with pytest.raises(ValueError, match="name a file of 6 classes with --labels"):
        recognise(state, path, Overrides(net=name))
    others = [one for one in NETS if one != name]
    for names in ("", "ab", "abcdef"):
        if names:
            write_labels(labels, ["BACKGROUND", *names])
        for named in others:
            message = rf"bare\.pth is a {name}, not a {named}; name that net, or leave --net out"
            with pytest.raises(ValueError, match=message):
                recognise(state, path, Overrides(net=named))
    assert recognise(state, path, Overrides(net=name)).net == name


@pytest.mark.parametrize(
    ("name", "width"),
    [("mb2-ssd-lite", 1.0), ("mb2-ssd-lite", 0.75), ("mb3-large-ssd-lite", 1.25)],
)
def test_widths_are_recognised_by_their_shapes(name, width):
    with torch.device("meta"):
        state = create_net(name, 7, width_mult=width).state_dict()
    assert recognise_width(name, state) == width


@pytest.mark.parametrize("name", NETS)
def test_the_classes_are_counted_by_the_last_head(name):
    with torch.device("meta"):
        weights = create_net(name, 5).state_dict()
    assert count_classes(weights, NETS[name].config(300)) == 5
    assert count_classes({"base_net.0.weight": torch.zeros(3)}, NETS[name].config(300)) == 0


@pytest.mark.parametrize("maps", [1, 4, 6])
def test_the_last_head_is_that_of_the_last_map(maps):
    specs = NETS["vgg16-ssd"].config(300).prior_specs[-maps:]  # 4 or 6 priors a cell
    weights = {
        f"classification_headers.{number}.weight": torch.zeros(spec.priors_per_cell * 7, 2, 3, 3)
        for number, spec in enumerate(specs)
    }
    assert count_classes(weights, SSDConfig(300, specs)) == 7
    weights[f"classification_headers.{maps - 1}.weight"] = torch.zeros(())
    assert count_classes(weights, SSDConfig(300, specs)) == 0
