from __future__ import annotations

import pytest
import torch

from vision.checkpoints.recognition import recognise_net, recognise_width
from vision.ssd import NETS, create_net


@pytest.mark.parametrize("name", NETS)
def test_every_net_is_recognised_by_its_names(name, tmp_path):
    with torch.device("meta"):
        state = create_net(name, 7).state_dict()
    assert recognise_net(state, tmp_path) == name


@pytest.mark.parametrize(
    ("name", "width"),
    [("mb2-ssd-lite", 1.0), ("mb2-ssd-lite", 0.75), ("mb3-large-ssd-lite", 1.25)],
)
def test_widths_are_recognised_by_their_shapes(name, width):
    with torch.device("meta"):
        state = create_net(name, 7, width_mult=width).state_dict()
    assert recognise_width(name, state) == width
