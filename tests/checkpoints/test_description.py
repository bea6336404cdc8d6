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
    with pytest.raises(ValueError, match=f"description is incomplete: .*{fact}"):
        Description.from_dict(values)


def test_a_fact_that_is_unknown_is_named():
    with pytest.raises(ValueError, match=r"description is incomplete: .*colour"):
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
        ({"config": NETS["mb1-ssd"].config(512)}, "is 300 x 300, now it would be 512 x 512"),
    ],
)
def test_what_differs_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        description().require_same(replace(description(), **change))


def test_epochs_metrics_and_versions_may_differ():
    description(epoch=1, metrics={"loss": 1.0}).require_same(description(versions={"torch": "3"}))


def test_bare_weights_have_the_normalisation_of_older_trainings():
    bare = describe_bare("ssd-mobilenet", CLASS_NAMES, 512, 1.0)
    assert (bare.net, bare.config.image_size) == ("mb1-ssd", 512)
    assert (bare.config.image_mean, bare.config.image_std) == ((127.0,) * 3, 128.0)
    assert describe_bare("vgg16-ssd", CLASS_NAMES).config == vgg_config(300)
