from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.drawing import CLASS_NAMES
from tests.tiny import tiny_net
from vision.deploy.emulation.clustering import PostProcessing
from vision.deploy.export import ExportSettings, make_checked
from vision.deploy.nms import GraphNms
from vision.live.finders import open_finder
from vision.live.options import FinderOptions
from vision.live.settings import LiveSettings, SharedSettings
from vision.utils.labels import write_labels

MEASURED = PostProcessing(threshold=0.3, clustering=0.6)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a folder with an exported file that was not measured, and one that was."""
    folder = tmp_path_factory.mktemp("exported")
    made = make_checked(tiny_net(), folder / "a.onnx", ExportSettings(nms=GraphNms()))
    (folder / "plain.onnx").write_bytes(made.content)
    (folder / "measured.onnx").write_bytes(made.with_settings(MEASURED))
    write_labels(folder / "labels.txt", CLASS_NAMES)
    return folder


@pytest.mark.parametrize(
    ("name", "options", "threshold", "clustering"),
    [
        ("plain.onnx", {}, 0.5, 0.75),
        ("measured.onnx", {}, 0.3, 0.6),
        ("measured.onnx", {"threshold": 0.7}, 0.7, 0.6),
        ("measured.onnx", {"clustering": 0.9}, 0.3, 0.9),
        ("measured.onnx", {"threshold": 0.0}, 0.5, 0.6),  # as detectnet takes 0
    ],
)
def test_detectnet_has_the_settings_that_were_measured(
    exported, name, options, threshold, clustering
):
    finder = open_finder(FinderOptions(model=exported / name, postprocess="detectnet", **options))
    assert (finder.threshold, finder.clustering) == (threshold, clustering)


@pytest.mark.parametrize("postprocess", ["nms", "detectnet"])
def test_without_its_labels_a_file_is_said_to_need_a_list_of_classes(
    exported, tmp_path, postprocess
):
    alone = tmp_path / "plain.onnx"
    alone.write_bytes((exported / "plain.onnx").read_bytes())
    with pytest.raises(ValueError, match=r"plain\.onnx does not say its class names .*--labels"):
        open_finder(FinderOptions(model=alone, postprocess=postprocess))
    named = FinderOptions(model=alone, postprocess=postprocess, labels=exported / "labels.txt")
    assert open_finder(named).class_names == CLASS_NAMES


def test_a_threshold_of_0_is_detectnets_default_and_whoever_typed_it_is_told(exported, caplog):
    options = FinderOptions(model=exported / "plain.onnx", postprocess="detectnet", threshold=0.0)
    with caplog.at_level(logging.WARNING):
        finder = open_finder(options)
    assert "detectnet takes --threshold=0 for its default, 0.5" in caplog.text
    caplog.clear()
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert len(finder.find(image, 0.0)) == len(finder.find(image, 0.5))
    assert caplog.text == "", "not for every picture"
    shared = SharedSettings(LiveSettings(), [], finder.least_threshold)
    with pytest.raises(ValueError, match=r"threshold must be a number from 0\.01 to 1, got 0"):
        shared.change({"threshold": 0})


def test_a_file_with_nms_is_not_suppressed_again(exported):
    """However low the overlap: what the file puts out, both ways of looking at it show."""
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    finder = open_finder(FinderOptions(model=exported / "plain.onnx", top_k=-1))
    loose, tight = (len(finder.find(image, 0.1, overlap)) for overlap in (0.99, 0.01))
    assert loose == tight > 1
