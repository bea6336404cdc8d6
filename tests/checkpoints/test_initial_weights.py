from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.drawing import CLASS_NAMES
from tests.tiny import NET, tiny_description, tiny_net
from vision.checkpoints.initial_weights import (
    HEAD_DEVIATION,
    VOC_CLASS_NAMES,
    Transferred,
    initialise,
    load_base_net,
    load_imagenet,
    load_pretrained,
)
from vision.checkpoints.weights_file import save_weights
from vision.ssd import NETS, create_net
from vision.utils.labels import write_labels


@pytest.fixture
def path(tmp_path):
    return tmp_path / "given.pth"


def same(one, other):
    return one.keys() == other.keys() and all(one[name].equal(other[name]) for name in one)


def test_training_from_scratch_starts_undecided():
    net = tiny_net().eval()
    with torch.no_grad():
        scores, boxes = net.detect(torch.randn(1, 3, 64, 64))
    assert scores.min() > 0.15
    assert scores.max() < 0.4  # four classes
    centres, sizes = net.priors[:, :2], net.priors[:, 2:]
    priors = torch.cat([centres - sizes / 2, centres + sizes / 2], dim=1)
    assert (boxes[0] - priors).abs().max() < 0.1


def test_what_an_initial_layer_is():
    net = create_net("mb1-ssd", 3, 64)
    initialise(net)
    layer = net.base_net[13][3]  # 1024 inputs, in front of a ReLU
    assert layer.weight.std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.01)
    for headers in (net.classification_headers, net.regression_headers):
        assert headers[0].weight.std().item() == pytest.approx(HEAD_DEVIATION, rel=0.05)
        assert headers[0].bias.eq(0).all()


@pytest.mark.parametrize(
    "prefix", ["", "model.", "features.", "module.", "module.model.", "base_net."]
)
def test_backbones_under_the_names_of_this_family(path, prefix):
    given, net = tiny_net(seed=1), tiny_net()
    weights = {f"{prefix}{name}": t for name, t in given.base_net.state_dict().items()}
    weights.update({"classifier.0.weight": torch.zeros(10, 3), "fc.bias": torch.zeros(10)})
    torch.save(weights, path)
    heads = {name: tensor.clone() for name, tensor in net.regression_headers.state_dict().items()}
    load_base_net(net, path)
    assert same(net.base_net.state_dict(), given.base_net.state_dict())
    assert same(net.regression_headers.state_dict(), heads)


def test_a_whole_detector_gives_its_backbone(path):
    given, net = tiny_net(seed=1, class_names=["BACKGROUND", "other"]), tiny_net()
    torch.save(given.state_dict(), path)
    load_base_net(net, path)
    assert same(net.base_net.state_dict(), given.base_net.state_dict())


def test_other_names_in_the_same_order(path):
    given, net = tiny_net(seed=1), tiny_net()
    state = given.base_net.state_dict()
    weights = {f"layer {number}": tensor for number, tensor in enumerate(state.values())}
    torch.save({**weights, "linear4.weight": torch.zeros(10, 3)}, path)
    load_base_net(net, path)
    assert same(net.base_net.state_dict(), state)


@pytest.mark.parametrize("other", [name for name in NETS if name not in (NET, "vgg16-ssd")])
def test_backbones_of_other_nets_are_named_and_change_nothing(path, other):
    net = tiny_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    torch.save(create_net(other, 3, 64).base_net.state_dict(), path)
    with pytest.raises(
        ValueError, match=rf"given\.pth is a backbone of another net: .*\b{other}\b"
    ):
        load_base_net(net, path)
    assert same(net.state_dict(), before)


def test_torchvisions_backbone_of_another_net_is_named(real_models):
    path = real_models / "mobilenet_v2-b0353104.pth"
    with pytest.raises(ValueError, match="of mb2-ssd-lite or mb2-fpn-ssd-lite; type --net mb2-ssd"):
        load_base_net(create_net("mb1-ssd", 3), path)


def test_a_backbone_of_no_net_says_what_is_taken(path):
    torch.save({"layer.weight": torch.zeros(2, 3)}, path)
    with pytest.raises(ValueError, match=r"of no net here \(tensors: 1, .* --base-net imagenet"):
        load_base_net(tiny_net(), path)


def test_a_backbone_of_another_width_is_refused(path):
    torch.save(create_net("mb2-ssd-lite", 3, width_mult=0.5).base_net.state_dict(), path)
    with pytest.raises(ValueError, match=r"given\.pth .*\(16, 3, 3, 3\), .* \(32, 3, 3, 3\)"):
        load_base_net(create_net("mb2-ssd-lite", 3), path)


def test_the_real_backbone_of_mobilenet_v1(real_models):
    path = real_models / "mobilenet_v1_imagenet.pth"
    net = create_net("mb1-ssd", 3)
    load_base_net(net, path)
    state = torch.load(path, weights_only=True)
    assert net.base_net[0][0].weight.equal(state["model.0.0.weight"])
    assert net.base_net[13][3].weight.equal(state["model.13.3.weight"])


def rows(net, head, class_names):
    """Return the rows of a class head by class: {name: (priors a cell, ...)}."""
    layer = net.classification_headers[head]
    weight = (layer if head == 5 else layer[-1]).weight
    by_class = weight.unflatten(0, (-1, len(class_names)))
    return {name: by_class[:, label] for label, name in enumerate(class_names)}


def test_head_rows_go_by_class_name(path):
    names = ["BACKGROUND", "blue", "yellow", "red"]
    given, net = tiny_net(seed=1, class_names=names), tiny_net()
    save_weights(path, given.state_dict(), tiny_description(class_names=names))
    fresh = {head: rows(tiny_net(), head, CLASS_NAMES) for head in (0, 5)}
    taken = load_pretrained(net, NET, path, CLASS_NAMES)
    for head in (0, 5):
        ours, theirs = rows(net, head, CLASS_NAMES), rows(given, head, names)
        for name in ("BACKGROUND", "red", "blue"):
            assert ours[name].equal(theirs[name])
        assert ours["green"].equal(fresh[head]["green"])
    for part in ("base_net", "extras", "regression_headers"):
        assert same(getattr(net, part).state_dict(), getattr(given, part).state_dict())
    count = len(net.state_dict())
    assert taken == Transferred(count, count, ("red", "blue"))
    assert str(taken) == f"{count} of {count} tensors; heads of red, blue"


@pytest.mark.parametrize("more", [0, 17])  # with 17 there are as many as in PASCAL VOC
def test_a_bare_file_has_the_names_of_the_labels_beside_it(path, more):
    others = [f"other {i}" for i in range(more)]
    names = ["BACKGROUND", "blue", *others, "yellow", "red"]
    given, net = tiny_net(seed=1, class_names=names), tiny_net()
    torch.save(given.state_dict(), path)
    write_labels(path.with_name("labels.txt"), names)
    assert load_pretrained(net, NET, path, CLASS_NAMES).classes == ("red", "blue")
    for head in (0, 5):
        ours, theirs = rows(net, head, CLASS_NAMES), rows(given, head, names)
        for name in ("BACKGROUND", "red", "blue"):
            assert ours[name].equal(theirs[name])


def test_labels_of_another_run_are_not_those_of_a_bare_file(path, caplog):
    voc = tiny_net(seed=1, class_names=VOC_CLASS_NAMES)
    published = path.with_name("mobilenet-v1-ssd-mp-0_675.pth")
    for one in (path, published):
        torch.save(voc.state_dict(), one)
    names = ["BACKGROUND", "person", "helmet"]
    write_labels(path.with_name("labels.txt"), names)
    assert load_pretrained(tiny_net(class_names=names), NET, path, names).classes == ("person",)
    assert "given.pth has 21 classes with BACKGROUND, and " in caplog.text
    # The published file lies in models/, where the labels.txt of 20 other classes may lie.
    write_labels(path.with_name("labels.txt"), ["BACKGROUND", *map(str, range(20))])
    taken = load_pretrained(tiny_net(class_names=names), NET, published, names)
    assert taken.classes == ("person",)


def test_a_bare_file_of_21_classes_is_of_pascal_voc(path):
    given = tiny_net(seed=1, class_names=VOC_CLASS_NAMES)
    torch.save(given.state_dict(), path)
    names = ["BACKGROUND", "person", "helmet"]
    net = tiny_net(class_names=names)
    assert load_pretrained(net, NET, path, names).classes == ("person",)
    assert rows(net, 0, names)["person"].equal(rows(given, 0, VOC_CLASS_NAMES)["person"])


def test_a_bare_file_of_another_number_of_classes_gives_no_class(path):
    given = tiny_net(seed=1)
    torch.save(given.state_dict(), path)
    net = tiny_net()
    taken = load_pretrained(net, NET, path, CLASS_NAMES)
    assert taken.classes == ()
    assert str(taken).endswith("heads are new")
    background = rows(net, 0, CLASS_NAMES)["BACKGROUND"]
    assert background.equal(rows(given, 0, CLASS_NAMES)["BACKGROUND"])
    assert not rows(net, 0, CLASS_NAMES)["red"].equal(rows(given, 0, CLASS_NAMES)["red"])
    assert same(net.extras.state_dict(), given.extras.state_dict())


@pytest.mark.parametrize("other", ["mb3-large-ssd-lite", "mb1-ssd"])
def test_detectors_with_another_backbone_are_refused_and_change_nothing(path, other):
    net = tiny_net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    state = create_net(other, 4, 64).state_dict()
    save_weights(path, state, replace(tiny_description(), net=other))
    with pytest.raises(
        ValueError,
        match=rf"given\.pth does not hold this net.s backbone .*{other}.* SSD of the same --net",
    ):
        load_pretrained(net, NET, path, CLASS_NAMES)
    assert same(net.state_dict(), before)


@pytest.mark.parametrize(
    ("name", "sister"), [("mb1-ssd", "mb1-ssd-lite"), ("mb2-ssd-lite", "mb2-fpn-ssd-lite")]
)
@pytest.mark.parametrize("is_described", [True, False])
def test_of_a_sister_net_the_backbone_is_taken_and_no_heads(
    path, name, sister, is_described, caplog
):
    given, net = create_net(sister, 4, 64), create_net(name, 4, 64)
    before = {one: tensor.clone() for one, tensor in net.state_dict().items()}
    description = tiny_description(net=sister)
    for head in given.classification_headers.parameters():
        torch.nn.init.ones_(head)
    if is_described:
        save_weights(path, given.state_dict(), description)
    else:
        torch.save(given.state_dict(), path)
    taken = load_pretrained(net, name, path, CLASS_NAMES)
    assert taken.classes == ()
    assert same(net.base_net.state_dict(), given.base_net.state_dict())
    assert f"is a {sister}; {name} takes its backbone only" in caplog.text
    assert taken.tensors == len(net.base_net.state_dict())
    rest = {one for one in before if not one.startswith("base_net.")}
    assert all(before[one].equal(net.state_dict()[one]) for one in rest)


@pytest.mark.parametrize("name", ["mb1-ssd", "mb1-ssd-lite"])
def test_nobody_is_promised_a_published_detector(name):
    with pytest.raises(ValueError, match=r"no backbone of .* or leave --base-net out$"):
        load_imagenet(create_net(name, 2, 64), name)


def test_a_backbone_alone_is_for_another_option(path):
    torch.save({f"model.{n}": t for n, t in tiny_net().base_net.state_dict().items()}, path)
    with pytest.raises(ValueError, match="--base-net a backbone alone"):
        load_pretrained(tiny_net(), NET, path, CLASS_NAMES)


def test_the_real_detector_in_a_net_for_other_classes(real_models):
    path = next(real_models.glob("mb1-ssd-*.pth"))
    net = create_net("mb1-ssd", 3)
    taken = load_pretrained(net, "mb1-ssd", path, ["BACKGROUND", "bolt", "nut"])
    assert taken.tensors == taken.of_tensors
    state = torch.load(path, weights_only=True)
    assert net.regression_headers[0].weight.equal(state["regression_headers.0.weight"])
