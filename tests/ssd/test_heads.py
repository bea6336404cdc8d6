from __future__ import annotations

import pytest
import torch
from torch import nn

from vision.ssd import heads


@pytest.mark.parametrize("head", [heads.conv_head, heads.lite_head, heads.lite_bn_head])
@pytest.mark.parametrize("is_last", [False, True])
def test_a_head_keeps_the_cells_and_gives_its_channels(head, is_last):
    built = head(8, 24, is_last)
    assert built(torch.zeros(2, 8, 5, 5)).shape == (2, 24, 5, 5)
    if is_last:
        assert isinstance(built, nn.Conv2d)


@pytest.mark.parametrize("head", [heads.lite_head, heads.lite_bn_head])
def test_lite_heads_look_at_each_channel_by_itself_first(head):
    weights = [layer for layer in head(8, 24, False) if isinstance(layer, nn.Conv2d)]
    assert [tuple(layer.weight.shape) for layer in weights] == [(8, 1, 3, 3), (24, 8, 1, 1)]
    assert head(8, 24, True).kernel_size == (1, 1)


@pytest.mark.parametrize("build", [heads.extra_layer, heads.lite_extra_layer])
def test_extra_layers_halve(build):
    layer = build(8, 4, 16)
    assert layer(torch.zeros(1, 8, 10, 10)).shape == (1, 16, 5, 5)
    assert layer(torch.zeros(1, 8, 5, 5)).shape == (1, 16, 3, 3)
    assert layer(torch.zeros(1, 8, 1, 1)).shape == (1, 16, 1, 1)


def test_extra_layers_of_other_strides():
    # VGG's last two lose the border; SqueezeNet's first one gains a cell.
    narrowing = heads.extra_layer(8, 4, 16, stride=1, padding=0)
    assert narrowing(torch.zeros(1, 8, 5, 5)).shape == (1, 16, 3, 3)
    widening = heads.lite_extra_layer(8, 4, 16, padding=2)
    assert widening(torch.zeros(1, 8, 17, 17)).shape == (1, 16, 10, 10)
