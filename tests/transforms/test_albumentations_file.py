"""Pipelines that Albumentations saved: what is refused, and, where it is installed, what comes out.

Albumentations is no requirement of the project; `pip install albumentations` runs all of these.
"""

from __future__ import annotations

import json
import pickle
import random
import sys

import numpy as np
import pytest

from tests.transforms import squares
from vision.structures import Annotation
from vision.transforms.albumentations_file import AlbumentationsTransform

SIZE = 96
BOX = (203, 121, 358, 299)
BOXES = {"format": "coco", "label_fields": ["names"], "min_area": 0.0, "min_visibility": 0.0}
FLIP = {"__class_fullname__": "HorizontalFlip", "p": 1.0}


def step(name, **arguments):
    return {"__class_fullname__": name, "p": 1.0, **arguments}


def write_pipeline(folder, *steps, bbox_params=BOXES, name="pipeline.json"):
    compose = step("Compose", transforms=list(steps), bbox_params=bbox_params)
    path = folder / name
    path.write_text(json.dumps({"__version__": "2.0.8", "transform": compose}))
    return path


def annotate(path, boxes=(BOX,)) -> Annotation:
    boxes = np.float32(boxes).reshape(-1, 4)
    labels = np.arange(1, len(boxes) + 1)
    return Annotation("picture", str(path), boxes, labels, labels % 2 == 0)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "square.png"
    path.write_bytes(squares.encode(squares.draw(640, 480, BOX), ".png"))
    return path


def test_not_installed_is_one_line_that_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "albumentations", None)
    path = write_pipeline(tmp_path, FLIP)
    with pytest.raises(ImportError, match=r"pip install albumentations, or leave") as caught:
        AlbumentationsTransform(path, SIZE)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("missing.json", None, "there is no pipeline file"),
        ("broken.json", "{", "is not JSON or YAML"),
        ("list.json", "[]", "must hold an Albumentations Compose"),
        ("single.json", json.dumps({"transform": FLIP}), "must hold an Albumentations Compose"),
    ],
)
def test_files_that_are_no_pipeline_are_refused(tmp_path, name, text, fault):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=fault) as caught:
        AlbumentationsTransform(path, SIZE)
    assert "albumentations.save(" in str(caught.value)


def test_yaml_that_is_none_is_refused(tmp_path):
    pytest.importorskip("yaml")
    path = tmp_path / "broken.yaml"
    path.write_text("a: [")
    with pytest.raises(ValueError, match="is not JSON or YAML"):
        AlbumentationsTransform(path, SIZE)


def test_pipeline_that_moves_no_boxes_is_refused(tmp_path):
    path = write_pipeline(tmp_path, FLIP, bbox_params=None)
    with pytest.raises(ValueError, match="has no bbox_params, so it moves no boxes"):
        AlbumentationsTransform(path, SIZE)


@pytest.fixture
def albumentations(monkeypatch):
    monkeypatch.setenv("NO_ALBUMENTATIONS_UPDATE", "1")
    return pytest.importorskip("albumentations")


def test_step_that_the_installed_version_lacks_is_named(tmp_path, albumentations):
    with pytest.raises(ValueError, match=r"saved by Albumentations 2\.0\.8.*Nonsense"):
        AlbumentationsTransform(write_pipeline(tmp_path, step("Nonsense")), SIZE)


def test_box_moves_with_its_square_and_is_stretched_with_the_picture(
    tmp_path, albumentations, picture
):
    """640 x 480, mirrored: x becomes 640 - x; then both sides shrink to 96."""
    transform = AlbumentationsTransform(write_pipeline(tmp_path, FLIP), SIZE)
    sample = transform(annotate(picture), np.random.default_rng(0))
    assert sample.image.shape == (SIZE, SIZE, 3)
    expected = np.array([640 - 358, 121, 640 - 203, 299]) / [640, 480, 640, 480] * SIZE
    np.testing.assert_allclose(sample.boxes, [expected], atol=1e-3)
    assert abs(squares.find(sample.image) - sample.boxes[0]).max() <= 1


def test_saved_by_the_package_itself_json_and_yaml(tmp_path, albumentations, picture):
    pipeline = albumentations.Compose(
        [
            albumentations.RandomSizedBBoxSafeCrop(SIZE, SIZE),
            albumentations.HorizontalFlip(p=0.5),
            albumentations.RandomBrightnessContrast(brightness_limit=0.05, contrast_limit=0.05),
        ],
        bbox_params=albumentations.BboxParams("yolo", label_fields=["whatever"]),
    )
    samples = []
    for data_format in ("json", "yaml"):
        path = tmp_path / f"saved.{data_format}"
        albumentations.save(pipeline, path, data_format=data_format)
        transform = AlbumentationsTransform(path, SIZE)
        for seed in range(8):
            sample = transform(annotate(picture), np.random.default_rng(seed))
            assert abs(squares.find(sample.image) - sample.boxes[0]).max() <= 2, seed
            samples.append(sample)
    for first, second in zip(samples[:8], samples[8:]):
        np.testing.assert_array_equal(first.image, second.image)


def test_only_the_generator_decides_and_no_global_one_is_touched(tmp_path, albumentations, picture):
    path = write_pipeline(tmp_path, {**FLIP, "p": 0.5}, step("RandomBrightnessContrast"))
    transform = AlbumentationsTransform(path, SIZE)
    copy = pickle.loads(pickle.dumps(transform))
    states = random.getstate(), np.random.get_state()[1].copy()
    images = [transform(annotate(picture), np.random.default_rng(seed)).image for seed in range(9)]
    for seed in reversed(range(9)):
        again = copy(annotate(picture), np.random.default_rng(seed)).image
        np.testing.assert_array_equal(again, images[seed])
    assert len({image.tobytes() for image in images}) == 9
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(np.random.get_state()[1], states[1])


def test_labels_and_flags_stay_with_the_boxes_that_a_crop_leaves(tmp_path, albumentations, picture):
    """The left half keeps boxes 2 and 3; 1 lies in the right half, 4 has no area."""
    boxes = [(400, 100, 500, 200), (10, 10, 110, 110), (50, 200, 150, 400), (20, 20, 20, 90)]
    crop = step("Crop", x_min=0, y_min=0, x_max=320, y_max=480)
    transform = AlbumentationsTransform(write_pipeline(tmp_path, crop), SIZE)
    sample = transform(annotate(picture, boxes), np.random.default_rng(0))
    assert sample.labels.tolist() == [2, 3] and sample.difficult.tolist() == [True, False]
    np.testing.assert_allclose(sample.boxes[0], [3, 2, 33, 22], atol=1e-3)


def test_picture_without_objects(tmp_path, albumentations, picture):
    transform = AlbumentationsTransform(write_pipeline(tmp_path, FLIP), SIZE)
    sample = transform(annotate(picture, ()), np.random.default_rng(0))
    assert sample.boxes.shape == (0, 4) and sample.labels.shape == (0,)


def test_pipeline_that_returns_no_uint8_is_refused(tmp_path, albumentations, picture):
    path = write_pipeline(tmp_path, FLIP, step("ToFloat", max_value=255.0))
    transform = AlbumentationsTransform(path, SIZE)
    with pytest.raises(ValueError, match=r"must return .* uint8, it returns .* float32; leave"):
        transform(annotate(picture), np.random.default_rng(0))


def test_pipeline_that_fails_is_named(tmp_path, albumentations, picture):
    path = write_pipeline(tmp_path, step("Crop", x_min=0, y_min=0, x_max=9000, y_max=9000))
    transform = AlbumentationsTransform(path, SIZE)
    with pytest.raises(ValueError, match=r"pipeline .*pipeline\.json fails: "):
        transform(annotate(picture), np.random.default_rng(0))
