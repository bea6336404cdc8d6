"""Damaged and hostile ONNX files: each is run, or refused in a sentence that names it."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.deploy.onnx_mutations import mutated_bytes, mutated_graph
from tests.fuzzing import Process, fault_of, seed, tries

FEW = 200


def find_objects(path, postprocess):
    """Find objects in a picture and draw them, as run_ssd_example.py does."""
    from vision.live.finders import open_finder
    from vision.live.options import FinderOptions
    from vision.pictures.drawing import draw_detections

    finder = open_finder(FinderOptions(model=path, postprocess=postprocess, threshold=0.01))
    found = finder.find(picture())
    assert np.isfinite(found.boxes).all()
    draw_detections(picture(), found, finder.class_names)


def as_a_net(path):
    """Find objects with our suppression."""
    find_objects(path, "nms")


def as_detectnet(path):
    """Find objects as detectnet does."""
    find_objects(path, "detectnet")


def settings(path):
    """Read the settings that eval_ssd.py takes from the file."""
    from vision.deploy.emulation.clustering import recommended_settings
    from vision.deploy.onnx_reading import metadata, read_model

    recommended_settings(metadata(read_model(path)), path)


def as_a_check(path):
    """Do what onnx_export.py --check does."""
    from vision.deploy.onnx_reading import read_model
    from vision.deploy.readiness.readiness import guess_bindings, judge, open_candidate

    labels = path.with_name("labels.txt")
    assert judge(open_candidate(path, labels, guess_bindings(read_model(path))))


WAYS = as_a_net, as_detectnet, settings, as_a_check


def picture():
    """Return a picture that shows something."""
    from vision.deploy.readiness.probes import camera_pictures

    return camera_pictures(48, 64)["scene by day"]


def try_file(word, folder):
    """Open a file in every way that a user can; return what is wrong with how that ended."""
    path = Path(folder) / word
    faults = [fault_of(partial(way, path), path.name) for way in WAYS]
    return "\n".join(filter(None, faults)) or None


@pytest.fixture(scope="module")
def seeds(toy_bytes):
    """Return the files to begin with: bare, and with NMS in the graph."""
    from vision.deploy.graph.suppression import add_nms
    from vision.deploy.nms import GraphNms

    suppressed = add_nms(onnx.load_model_from_string(toy_bytes), GraphNms(candidates=8, rounds=2))
    return toy_bytes, suppressed.SerializeToString()


def test_any_change_of_a_file_is_run_or_refused_in_a_sentence(tmp_path, seeds):
    rng = random.Random(seed())
    path = tmp_path / "some.onnx"
    (tmp_path / "labels.txt").write_text("BACKGROUND\napple\npear\n")
    faults = Counter()
    with Process(try_file, str(tmp_path)) as process:
        for number in range(tries(FEW)):
            change = mutated_bytes if rng.random() < 0.3 else mutated_graph
            path.write_bytes(change(rng.choice(seeds), rng))
            fault = process.fault_of(path.name)
            if fault:
                faults[fault] += 1
                path.replace(tmp_path / f"fault{number}.onnx")
    assert sorted(path.name for path in tmp_path.iterdir() if "fault" not in path.name) == [
        "labels.txt",
        *(["some.onnx"] if path.exists() else []),
    ]
    assert not faults, "\n\n".join(f"{count} x {fault}" for fault, count in faults.items())
