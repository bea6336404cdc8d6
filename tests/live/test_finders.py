from __future__ import annotations

import numpy as np
import pytest
import torch

import run_ssd_example
from tests.drawing import CLASS_NAMES, write_picture
from tests.tiny import tiny_net
from vision.deploy.export import build_model
from vision.live.finders import open_finder
from vision.live.options import FinderOptions
from vision.utils.cli import run_main
from vision.utils.labels import write_labels


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return an exported net of 64 pixels that sees "red" everywhere."""
    net = tiny_net()
    for header in net.classification_headers:
        last = header if isinstance(header, torch.nn.Conv2d) else header[-1]
        torch.nn.init.zeros_(last.weight)
        last.bias.data = torch.tensor([0.0, 3, 0, 0]).repeat(len(last.bias) // 4)
    folder = tmp_path_factory.mktemp("model")
    write_labels(folder / "labels.txt", CLASS_NAMES)
    path = folder / "tiny.onnx"
    path.write_bytes(build_model(net.eval(), (1, 3, 64, 64), opset=11).SerializeToString())
    return path


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)


@pytest.mark.parametrize(("kind", "usual"), [("nms", (0.4, 0.45)), ("detectnet", (0.5, 0.75))])
def test_threshold_and_clustering_are_those_of_the_call(exported, image, kind, usual):
    finder = open_finder(FinderOptions(model=exported, postprocess=kind, top_k=-1))
    assert (finder.threshold, finder.clustering) == usual
    assert list(finder.class_names) == CLASS_NAMES
    many, some = finder.find(image, 0.5, 1.0), finder.find(image, 0.5, 0.3)
    assert len(many) > len(some) >= 1
    assert len(finder.find(image, 0.99)) == 0
    assert set(many.labels.tolist()) == {1}
    chosen = FinderOptions(model_dir=exported.parent, postprocess=kind, clustering=0.3, top_k=-1)
    assert len(open_finder(chosen).find(image)) == len(finder.find(image, None, 0.3))


def test_detectnets_words_on_the_command_line(exported, image, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "a.png", image)
    words = ["--model", str(exported), "--input-blob=input_0", "--output-cvg=scores",
             "--output-bbox=boxes", "--overlay=box,lines", "--postprocess=detectnet",
             "--clustering=0.5", "a.png", "--output=out_%i.png"]  # fmt: skip
    assert run_main(run_ssd_example.main, run_ssd_example.parse_args(words)) == 0
    assert (tmp_path / "out_0.png").is_file()
    words[3] = "--output-cvg=confidence"
    assert run_main(run_ssd_example.main, run_ssd_example.parse_args(words)) == 1
    assert "confidence" in capsys.readouterr().err


def test_no_detector_named():
    with pytest.raises(ValueError, match="--model or --model-dir"):
        open_finder(FinderOptions())
