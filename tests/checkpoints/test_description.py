from __future__ import annotations

import json
from dataclasses import replace

import pytest

from vision.checkpoints.description import Description, describe_bare
from vision.ssd import NETS
from vision.ssd.config import vgg_config

CLASS_NAMES = ("BACKGROUND", "apple", "pear")


def description(net="mb1-ssd", **facts):
    return Description(net, CLASS_NAMES, NETS[net].config(300), **facts)


@pytest.mark.parametrize("net", NETS)
def test_through_json_and_back(net):
    facts = description(
        net, epoch=7, metrics={"mAP": 0.5, "loss": 2.25}, versions={"torch": "2.1.0"}
    )
    text = json.dumps(facts.to_dict())
    assert Description.from_dict(json.loads(text)) == facts


def test_a_description_of_a_later_version_is_refused():
    values = {**description().to_dict(), "format_version": 2}
    with pytest.raises(ValueError, match="has format 2, this program reads 1"):
        Description.from_dict(values)
    with pytest.raises(ValueError, match="has format None"):
        Description.from_dict({})


@pytest.mark.parametrize("fact", ["net", "class_names", "config"])
def test_a_fact_that_is_missing_is_named(fact):
    values = description().to_dict()
    del values[fact]
    with pytest.raises(ValueError, match=f"description is incomplete: {fact} is missing"):
        Description.from_dict(values)


def test_a_fact_that_is_unknown_is_named():
    with pytest.raises(ValueError, match="holds what this program does not know: colour"):
        Description.from_dict({**description().to_dict(), "colour": 1})


def test_the_net_it_describes():
    net = description("mb3-small-ssd-lite", width_mult=0.5).create()
    assert (net.num_classes, net.config.image_size) == (3, 300)
    assert net.base_net[0].out_channels == 8


def test_at_another_resolution_all_but_the_priors_stays():
    trained = description("vgg16-ssd", epoch=3)
    trained = replace(trained, config=replace(trained.config, image_std=2.0, size_variance=0.3))
    other = trained.at_resolution(512)
    assert other.config.prior_specs == vgg_config(512).prior_specs
    assert other.config.image_size == 512
    assert (other.config.image_std, other.config.size_variance) == (2.0, 0.3)
    assert other.config.image_mean == (123.0, 117.0, 104.0)
    assert (other.epoch, other.class_names) == (3, CLASS_NAMES)
    assert trained.at_resolution(300) is trained


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"net": "mb1-ssd-lite"}, "net of the run to resume is mb1-ssd, now it would be mb1-ssd-l"),
        ({"class_names": ("BACKGROUND", "pear")}, "class_names of the run .*'apple'"),
        ({"width_mult": 0.5}, r"width_mult of the run to resume is 1\.0, now it would be 0\.5"),
        (
            {"config": NETS["mb1-ssd"].config(512)},
            "resolution of the run .* is 300, now it would be 512",
        ),
    ],
)
def test_what_differs_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        description().require_same(replace(description(), **change))


def test_another_net_is_not_told_to_start_from_weights_that_it_cannot_load():
    with pytest.raises(ValueError, match="start anew without --resume"):
        description().require_same(replace(description(), net="mb2-ssd-lite"))
    with pytest.raises(ValueError, match="start anew by --pretrained-ssd"):
        description().require_same(replace(description(), class_names=("BACKGROUND", "pear")))


def test_epochs_metrics_and_versions_may_differ():
    description(epoch=1, metrics={"loss": 1.0}).require_same(description(versions={"torch": "3"}))


def test_bare_weights_have_the_normalisation_of_older_trainings():
    bare = describe_bare("ssd-mobilenet", CLASS_NAMES, 512, 1.0)
    assert (bare.net, bare.config.image_size) == ("mb1-ssd", 512)
    assert (bare.config.image_mean, bare.config.image_std) == ((127.0,) * 3, 128.0)
    assert describe_bare("vgg16-ssd", CLASS_NAMES).config == vgg_config(300)


def changed(facts, path, value):
    """Return a description as a dict, with another value at a place in it."""
    values = json.loads(json.dumps(facts.to_dict()))
    place = values
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return values


WRONG = (None, True, -1, 10**400, float("nan"), float("inf"), 1e300, " x", "", [], {}, [[]], [None])


@pytest.mark.parametrize(
    "path",
    [
        ("net",),
        ("class_names",),
        ("class_names", 1),
        ("config",),
        ("config", "image_size"),
        ("config", "image_std"),
        ("config", "image_mean"),
        ("config", "image_mean", 0),
        ("config", "size_variance"),
        ("config", "prior_specs"),
        ("config", "prior_specs", 2),
        ("config", "prior_specs", 2, "feature_map_size"),
        ("config", "prior_specs", 2, "aspect_ratios"),
        ("config", "prior_specs", 2, "aspect_ratios", 0),
        ("config", "prior_specs", 2, "min_size"),
        ("width_mult",),
    ],
)
@pytest.mark.parametrize("value", WRONG)
def test_a_value_of_a_wrong_kind_is_named(path, value):
    with pytest.raises(ValueError, match=r"must|there is no net|unknown|incomplete|has maps"):
        Description.from_dict(changed(description(), path, value))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("config", "image_size"), "wide", r"config \(of the net\): image_size must be a whole"),
        (("config", "image_size"), 100_000, "image_size must be a whole number .* at most 4096"),
        (("config", "image_mean", 1), float("nan"), "image_mean must be a number .*, got nan"),
        (("config", "image_std"), 0, "image_std must be a number .*above 0, got 0"),
        (("class_names",), "apple", "class_names must be a list, got apple"),
        (("class_names", 1), "two\nlines", "class_names a class name must be one line"),
        (("class_names", 2), "apple", "names the class 'apple' twice"),
        (("class_names", 2), "background", "only the first class name may be BACKGROUND"),
        (("epoch",), 10**9, "epoch must be a whole number .*, got 1000000000"),
        (("metrics",), [1], r"metrics must be values by name, got \[1\]"),
        (("metrics",), {"mAP": "high"}, "metrics must be a number, got high"),
        (("versions",), {"torch": 2}, "versions must be a text, got 2"),
        (("net",), "yolov8n", "net there is no net 'yolov8n'"),
        (("width_mult",), 0.5, r"mb1-ssd has no width multiplier, got 0\.5"),
    ],
)
def test_the_message_says_what_must_be_and_what_was(path, value, message):
    with pytest.raises(ValueError, match=message):
        Description.from_dict(changed(description(), path, value))


def test_priors_that_the_net_does_not_have():
    facts = description()
    for change in ({"feature_map_size": 18}, {"aspect_ratios": (2.0,)}):
        specs = list(facts.config.prior_specs)
        specs[0] = replace(specs[0], **change)
        other = replace(facts, config=replace(facts.config, prior_specs=tuple(specs)))
        with pytest.raises(ValueError, match=r"mb1-ssd at 300 x 300 has maps of"):
            Description.from_dict(json.loads(json.dumps(other.to_dict())))


def test_priors_that_differ_are_named_by_their_map():
    facts = description()
    specs = list(facts.config.prior_specs)
    specs[1] = replace(specs[1], min_size=90.5, aspect_ratios=(2, 4.25))
    other = replace(facts, config=replace(facts.config, prior_specs=tuple(specs)))
    before, now = "105 to 150 pixels with ratios 2, 3", "90.5 to 150 pixels with ratios 2, 4.25"
    with pytest.raises(ValueError, match=f"priors of map 2 .* is {before}, now it would be {now}"):
        facts.require_same(other)
