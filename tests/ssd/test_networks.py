from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tests.conftest import DATA
from tests.synthetic import synthetic_picture, synthetic_state
from vision.ssd import NETS, create_net, resolve_net
from vision.ssd.config import PriorSpec, mobilenet_config
from vision.ssd.mobilenetv1_ssd import create_mobilenetv1_ssd

KEYS = json.loads((DATA / "state_dict_keys.json").read_text(encoding="utf-8"))
OURS = {"mb2-fpn-ssd-lite"}  # the older scripts have no such nets
SCALABLE = [name for name in NETS if NETS[name].has_width_mult]
# The smallest input, by the maps; batch norm on a single cell needs two pictures to learn from.
SMALL = {"vgg16-ssd": (1, 268)}


def build(key, num_classes=4, resolution=300):
    """Build a net named as in the reference files, such as "mb2-ssd-lite@0.5"."""
    name, _, width = key.partition("@")
    return create_net(name, num_classes, resolution, float(width or 1))


def on_meta(*arguments, **options):
    """Build a net of shapes without numbers, which takes no time."""
    with torch.device("meta"):
        return create_net(*arguments, **options).eval()


def test_the_references_are_of_all_nets():
    assert {key.partition("@")[0] for key in KEYS} == set(NETS) - OURS


@pytest.mark.parametrize("key", KEYS)
def test_tensor_names_and_shapes_in_order(key):
    with torch.device("meta"):
        state = build(key).state_dict()
    assert [(name, list(tensor.shape)) for name, tensor in state.items()] == list(KEYS[key].items())


@pytest.mark.parametrize(
    "key", [key[: -len("|n")] for key in np.load(DATA / "networks.npz").files if key.endswith("|n")]
)
def test_reference_outputs(golden, key):
    name, resolution = key.split("|")
    net = build(name, resolution=int(resolution)).eval()
    net.load_state_dict(synthetic_state(KEYS[name], gain=0.8 if name.startswith("mb3") else 2.0))
    with torch.no_grad():
        scores, boxes = net.detect(synthetic_picture(int(resolution)))
    expected = golden("networks.npz")
    assert scores.shape[1:] == tuple(expected[f"{key}|n"])
    assert scores[0, ::17].numpy() == pytest.approx(expected[f"{key}|scores"], abs=1e-4)
    assert boxes[0, ::17].numpy() == pytest.approx(expected[f"{key}|boxes"], abs=1e-4)


# At 256 pixels VGG's last map would have no cell.
@pytest.mark.parametrize(
    ("name", "resolution"),
    [
        (name, side)
        for name in NETS
        for side in (300, 268 if name == "vgg16-ssd" else 256, 512, 330)
    ],
)
def test_as_many_predictions_as_priors(name, resolution):
    net = on_meta(name, 4, resolution)
    class_logits, locations = net(torch.empty(2, 3, resolution, resolution, device="meta"))
    assert class_logits.shape == (2, len(net.priors), 4)
    assert locations.shape == (2, len(net.priors), 4)


@pytest.mark.parametrize("name", NETS)
def test_every_weight_learns(name):
    batch, side = SMALL.get(name, (2, 64))
    net = create_net(name, 3, side)
    class_logits, locations = net(synthetic_picture(side).expand(batch, -1, -1, -1))
    (class_logits.square().mean() + locations.square().mean()).backward()
    for parameter_name, parameter in net.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name


@pytest.mark.parametrize("name", [name for name in NETS if name not in SMALL])
def test_a_saved_net_is_the_same(name, tmp_path):
    net, other = create_net(name, 3, 64).eval(), create_net(name, 3, 64).eval()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    other.load_state_dict(torch.load(tmp_path / "net.pth", weights_only=True))
    with torch.no_grad():
        for one, loaded in zip(net(synthetic_picture(64)), other(synthetic_picture(64))):
            assert one.equal(loaded)


@pytest.mark.parametrize(
    ("name", "width", "first", "last"),
    [
        ("mb2-ssd-lite", 0.5, 16, 1280),  # the last layer is not narrowed (paper, section 5)
        ("mb2-ssd-lite", 1.4, 44, 1792),
        ("mb3-large-ssd-lite", 0.5, 8, 480),  # multiples of 8
        ("mb3-large-ssd-lite", 1.4, 24, 1344),
        ("mb3-small-ssd-lite", 0.5, 8, 288),
        ("mb3-small-ssd-lite", 1.4, 24, 808),
    ],
)
def test_width_multipliers_scale_the_backbone(name, width, first, last):
    net, plain = on_meta(name, 4, width_mult=width), on_meta(name, 4)
    shapes = [tensor.shape[0] for tensor in net.base_net.parameters()]
    assert (shapes[0], shapes[-1]) == (first, last)
    scale = parameters(net.base_net) / parameters(plain.base_net)
    assert scale == pytest.approx(width**2, rel=0.45)  # weights have inputs and outputs
    class_logits, _ = net(torch.empty(1, 3, 300, 300, device="meta"))
    assert class_logits.shape == (1, 3000, 4)


def parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", [name for name in NETS if name not in SCALABLE])
def test_nets_of_one_width_say_so(name):
    with pytest.raises(ValueError, match=rf"{name} has one width only; mb2-ssd-lite, mb2-fpn"):
        create_net(name, 4, width_mult=0.5)


def test_priors_and_normalisation_follow_the_net_and_stay_out_of_its_state():
    net = create_net("mb3-small-ssd-lite", 3, 64)
    assert not any("prior" in name or "image" in name for name in net.state_dict())
    assert net.double().priors.dtype == net.image_mean.dtype == torch.float64
    half = net.half()
    assert half.priors.dtype == half.image_std.dtype == torch.float16
    assert half.normalise(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)).dtype == torch.float16
    assert net.to("meta").priors.device.type == "meta"


def test_a_net_of_double_precision_agrees_with_one_of_single():
    net = create_net("mb3-small-ssd-lite", 3, 64).eval()
    picture = synthetic_picture(64)
    with torch.no_grad():
        single = net.detect(picture)
        double = net.double().detect(picture.double())
    for one, other in zip(single, double):
        assert other.dtype == torch.float64
        torch.testing.assert_close(one.double(), other, atol=1e-3, rtol=1e-3)


def test_normalising_on_paper():
    images = torch.tensor([0, 255, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    mobile, vgg = on_meta("mb1-ssd", 3), on_meta("vgg16-ssd", 3, 300)
    for net, expected in ((mobile, [-1, 1, -0.6]), (vgg, [-123, 138, -53])):
        net.image_mean = torch.tensor(net.config.image_mean).view(1, 3, 1, 1)
        net.image_std = torch.tensor(net.config.image_std)
        assert net.normalise(images).flatten().tolist() == pytest.approx(expected)
        assert net.normalise(images.float()).flatten().tolist() == pytest.approx(expected)


def test_detect_is_softmax_and_boxes_round_the_priors():
    net = create_net("mb3-small-ssd-lite", 3, 64).eval()
    scores, boxes = net.decode(torch.zeros(1, 4, 3), torch.zeros(1, len(net.priors), 4))
    assert scores[0, 0].tolist() == pytest.approx([1 / 3] * 3)
    middle = (boxes[0, :, :2] + boxes[0, :, 2:]) / 2
    torch.testing.assert_close(middle, net.priors[:, :2])
    torch.testing.assert_close(boxes[0, :, 2:] - boxes[0, :, :2], net.priors[:, 2:])


def test_names_and_aliases():
    assert resolve_net("ssd-mobilenet") == resolve_net("mb1-ssd") == "mb1-ssd"
    assert resolve_net("mobilenet-v1-ssd") == "mb1-ssd"  # of the first version of the older scripts
    assert resolve_net("mb1-lite-ssd") == "mb1-ssd-lite"
    with pytest.raises(ValueError, match="there is no net 'mb9'; there are mb1-ssd, mb1-ssd-lite"):
        create_net("mb9", 4)
    with pytest.raises(ValueError, match="BACKGROUND and one class at least, got 1"):
        create_net("mb1-ssd", 1)


def test_a_config_of_ones_own_needs_a_spec_for_every_map():
    config = mobilenet_config(64)
    assert on_meta("mb1-ssd", 3, config=config).config is config
    short = type(config)(64, (PriorSpec(4, 16, 6, 12, (2, 3)),))
    with pytest.raises(ValueError, match="6 maps needs 6 prior specs, got"):
        create_mobilenetv1_ssd(3, short)
