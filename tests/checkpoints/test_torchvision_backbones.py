"""Torchvision's classifiers against the backbones made of them: the same features, where possible.

Padding is by zeros on both sides, and zero is another colour here than there. Where whole maps are
compared, both nets repeat the border instead, and then they must agree everywhere.
"""

from __future__ import annotations

import sys
from urllib.error import URLError

import pytest
import torch
from torch import nn

from vision.checkpoints.initial_weights import initialise, load_base_net, load_imagenet
from vision.checkpoints.torchvision_backbones import (
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    TORCHVISION,
    convert,
    find_backbone,
)
from vision.nn.mobilenetv3 import InvertedResidualV3
from vision.ssd import create_net

models = pytest.importorskip("torchvision.models")


def classifier(name):
    """Build torchvision's net with random weights and with statistics as if it were trained."""
    torch.manual_seed(0)
    net = getattr(models, name)(weights=None)
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.normal_(layer.bias, std=0.3)
            nn.init.normal_(layer.running_mean, std=0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    return net.eval()


def detector(name, **options):
    torch.manual_seed(1)
    net = create_net(name, 3, **options)
    initialise(net)
    return net.eval()


def load(net, name, weights):
    given = convert(weights, TORCHVISION[name], net, "a file")
    net.base_net.load_state_dict({**net.base_net.state_dict(), **given})
    return net


def inputs(net, side):
    """Return one random picture as the detector sees it, and as the classifier does."""
    pixels = torch.randint(0, 256, (1, 3, side, side), generator=torch.Generator().manual_seed(2))
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    return net.normalise(pixels), (pixels / 255 - mean) / deviation


def repeat_border(*nets):
    for net in nets:
        for layer in net.modules():
            if isinstance(layer, nn.Conv2d):
                layer.padding_mode = "replicate"


def assert_same(actual, expected):
    assert actual.shape == expected.shape
    assert expected.std() > 1e-3
    assert (actual - expected).abs().max() <= 1e-4 * expected.abs().max()


@torch.no_grad()
def test_mobilenet_v2_computes_the_same_features():
    theirs, net = classifier("mobilenet_v2"), detector("mb2-ssd-lite")
    load(net, "mb2-ssd-lite", theirs.state_dict())
    ours_in, theirs_in = inputs(net, 64)
    first = net.base_net[0](ours_in)[..., 1:, 1:]
    assert_same(first, theirs.features[0](theirs_in)[..., 1:, 1:])
    repeat_border(net, theirs)
    assert_same(net.base_net(ours_in), theirs.features(theirs_in))


@torch.no_grad()
def test_squeezenet_computes_the_same_features_where_poolings_end_alike():
    """Of 63 pixels every pooling takes an odd side; of others torchvision's keeps one cell more."""
    theirs, net = classifier("squeezenet1_1"), detector("sq-ssd-lite")
    load(net, "sq-ssd-lite", theirs.state_dict())
    ours_in, theirs_in = inputs(net, 63)
    assert_same(net.base_net(ours_in), theirs.features(theirs_in))
    for name, tensor in theirs.features.state_dict().items():
        if not name.startswith("0."):
            torch.testing.assert_close(net.base_net.state_dict()[name], tensor, rtol=0, atol=0)
    ours_in, theirs_in = inputs(net, 300)
    assert (net.base_net(ours_in).shape[-1], theirs.features(theirs_in).shape[-1]) == (17, 18)


@pytest.fixture(scope="module")
def vgg():
    """VGG-16's real convolutions; fc6 and fc7 hold the number of their row or column, in no memory.

    fc6's columns are (channel, y, x) of 512 x 7 x 7.
    """
    with torch.device("meta"):
        net = models.vgg16(weights=None, init_weights=False)
    torch.manual_seed(0)
    features = net.features.to_empty(device="cpu").eval()
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.normal_(layer.bias, std=0.1)
    weights = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    weights["classifier.0.weight"] = torch.arange(512.0 * 49).expand(4096, -1)
    weights["classifier.0.bias"] = torch.arange(4096.0)
    weights["classifier.3.weight"] = torch.arange(4096.0)[:, None].expand(-1, 4096)
    weights["classifier.3.bias"] = -torch.arange(4096.0)
    return features, weights


@torch.no_grad()
def test_vgg_computes_the_same_features_and_takes_every_fourth_channel_behind(vgg):
    features, weights = vgg
    net = load(detector("vgg16-ssd"), "vgg16-ssd", weights)
    ours_in, theirs_in = inputs(net, 64)
    assert_same(net.base_net[0](ours_in)[..., 1:-1, 1:-1], features[0](theirs_in)[..., 1:-1, 1:-1])
    repeat_border(net, features)
    assert_same(net.base_net[:30](ours_in), features[:30](theirs_in))

    fc6, fc7 = net.base_net[31], net.base_net[33]
    assert fc6.weight[0, 0].tolist() == [[0, 3, 6], [21, 24, 27], [42, 45, 48]]
    assert (fc6.weight[5, 2] - 98 == fc6.weight[0, 0]).all()
    assert fc6.bias[:3].tolist() == [0, 4, 8] and fc7.bias[:3].tolist() == [0, -4, -8]
    assert fc7.weight[:3, 7, 0, 0].tolist() == [0, 4, 8]


def hold_excitation(net):
    """Let torchvision's squeeze-and-excite weigh channels by constants, whatever it sees."""
    torch.manual_seed(3)
    for name, layer in net.named_modules():
        if name.endswith(("fc1", "fc2")):
            nn.init.zeros_(layer.weight)
            nn.init.normal_(layer.bias)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "model", "layers", "step"),
    [
        ("mb3-small-ssd-lite", "mobilenet_v3_small", 17, 1),
        # Layer 15 here has stride 1, torchvision's 13 stride 2.
        ("mb3-large-ssd-lite", "mobilenet_v3_large", 15, 1),
        ("mb3-large-ssd-lite", "mobilenet_v3_large", 16, 2),
    ],
)
def test_mobilenet_v3_computes_the_same_features_if_excitation_is_constant(
    name, model, layers, step
):
    theirs, net = classifier(model), detector(name)
    hold_excitation(theirs)
    load(net, name, theirs.state_dict())
    repeat_border(net, theirs)
    ours_in, theirs_in = inputs(net, 64)
    there = 13 if layers == 17 else layers - 2
    expected = theirs.features[:there](theirs_in)
    assert_same(net.base_net[:layers](ours_in)[..., ::step, ::step], expected)


@torch.no_grad()
def test_mobilenet_v3_large_leaves_untrained_what_torchvision_has_not():
    net = detector("mb3-large-ssd-lite")
    before = {name: tensor.clone() for name, tensor in net.base_net.state_dict().items()}
    load(net, "mb3-large-ssd-lite", classifier("mobilenet_v3_large").state_dict())
    kept = [int(name.split(".")[0]) for name, x in before.items() if int(name.split(".")[0]) >= 16]
    assert set(kept) == {16, 17, 18, 19}
    for name, tensor in net.base_net.state_dict().items():
        if name.split(".")[0] in ("16", "17", "18", "19"):
            assert torch.equal(tensor, before[name]), name


def test_what_starts_neutral_in_mobilenet_v3_can_learn():
    """Squeeze-and-excite and the shortcuts that torchvision has not get a gradient at once."""
    net = detector("mb3-small-ssd-lite")
    load(net, "mb3-small-ssd-lite", classifier("mobilenet_v3_small").state_dict())
    net.train()
    batch = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(4))
    net.base_net(batch).square().mean().backward()
    for layer in net.base_net:
        if isinstance(layer, InvertedResidualV3) and not isinstance(layer.se, nn.Identity):
            assert layer.se.se[5].weight.grad.abs().max() > 0
        if isinstance(layer, InvertedResidualV3) and len(layer.shortcut):
            assert layer.shortcut[1].weight.grad.abs().max() > 0


def test_every_table_names_layers_that_both_sides_have():
    for name, backbone in TORCHVISION.items():
        with torch.device("meta"):
            own = create_net(name, 2).base_net
            theirs = getattr(models, backbone.model)(weights=None).state_dict()
        assert backbone.is_for(own) and backbone.holds(theirs)
        assert find_backbone(own, theirs) is backbone
        assert len(set(backbone.layers.values())) == len(backbone.layers)
        for other in TORCHVISION:
            with torch.device("meta"):
                other_net = create_net(other, 2).base_net
            fits = TORCHVISION[other] is backbone
            assert fits or find_backbone(other_net, theirs) is None
        if not name.startswith("mb3"):
            assert set(own.state_dict()) == set(backbone.rename(theirs))


def fetching(monkeypatch, result):
    def get_state_dict(weights, *args, **kwargs):
        if isinstance(result, Exception):
            raise result
        return result

    enum = models.MobileNet_V2_Weights
    monkeypatch.setattr(enum, "get_state_dict", get_state_dict)


def test_imagenet_is_the_same_as_its_file(monkeypatch, tmp_path):
    weights = classifier("mobilenet_v2").state_dict()
    fetching(monkeypatch, weights)
    path = tmp_path / "mobilenet_v2.pth"
    torch.save(weights, path)
    fetched, read = detector("mb2-ssd-lite"), detector("mb2-ssd-lite")
    load_imagenet(fetched, "mb2-ssd-lite")
    load_base_net(read, path)
    for name, tensor in read.state_dict().items():
        assert torch.equal(fetched.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    "error",
    [URLError("Name or service not known"), RuntimeError("invalid hash value"), OSError("disk")],
)
def test_what_cannot_be_fetched_ends_in_one_line_with_the_address(monkeypatch, error):
    fetching(monkeypatch, error)
    with pytest.raises(ValueError, match=r"mobilenet_v2-b0353104\.pth .*--base-net FILE") as caught:
        load_imagenet(detector("mb2-ssd-lite"), "mb2-ssd-lite")
    assert "\n" not in str(caught.value)


def test_net_without_one_is_told_what_to_do():
    with pytest.raises(ValueError, match=r"no backbone of mb1-ssd, only of .*--base-net FILE"):
        load_imagenet(detector("mb1-ssd"), "mb1-ssd")


def test_torchvision_that_does_not_load_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    with pytest.raises(ValueError, match="needs a torchvision that fits torch"):
        load_imagenet(detector("mb2-ssd-lite"), "mb2-ssd-lite")


def test_another_width_is_refused(monkeypatch):
    fetching(monkeypatch, classifier("mobilenet_v2").state_dict())
    with pytest.raises(ValueError, match="torchvision's mobilenet_v2 is a backbone of another"):
        load_imagenet(detector("mb2-ssd-lite", width_mult=0.5), "mb2-ssd-lite")


@torch.no_grad()
def test_real_weights_differ_at_the_border_only(real_models):
    """Torchvision's own file, 300 pixels: its features, but for what zero padding lets in."""
    path = real_models / "mobilenet_v2-b0353104.pth"
    theirs, net = classifier("mobilenet_v2"), detector("mb2-ssd-lite")
    theirs.load_state_dict(torch.load(path, weights_only=True))
    load_base_net(net, path)
    ours_in, theirs_in = inputs(net, 300)
    expected = theirs.features(theirs_in)
    assert (net.base_net(ours_in) - expected).norm() < 0.1 * expected.norm()
    repeat_border(net, theirs)
    assert_same(net.base_net(ours_in), theirs.features(theirs_in))
