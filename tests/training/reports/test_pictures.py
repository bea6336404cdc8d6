from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vision.evaluation.matching import GroundTruth
from vision.pictures.drawing import class_colour
from vision.pictures.mosaic import CAPTION, GAP, PAPER, TILE
from vision.structures import Detections, Sample
from vision.training.reports.pictures import draw_batch, draw_predictions
from vision.training.validation import Examples
from vision.transforms import collate

NAMES = ["BACKGROUND", "apple", "pear"]
NO_BOXES = np.zeros((0, 4), np.float32)


def sample(boxes=(), labels=(), side=100, image_id="0"):
    return Sample(
        np.full((side, side, 3), 200, np.uint8),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(labels, np.int64),
        np.zeros(len(labels), bool),
        image_id,
    )


def read(path):
    """Return the picture in a file as (H, W, 3) RGB int."""
    return cv2.imread(str(path))[..., ::-1].astype(int)


def tile_of(picture):
    """Return the first picture of a mosaic."""
    return picture[GAP : GAP + TILE, GAP : GAP + TILE]


def near(pixels, colour):
    return (np.abs(pixels - np.array(colour)) < 40).all(axis=-1)


def test_boxes_of_a_batch_are_where_the_net_gets_them(tmp_path):
    batch = collate([sample([[25, 25, 75, 75]], [2])])
    draw_batch(batch, NAMES, tmp_path / "train_batch.png")
    tile = tile_of(read(tmp_path / "train_batch.png"))
    rows, columns = np.nonzero(near(tile[200:], class_colour(2)))
    assert (columns.min(), columns.max()) == pytest.approx((100, 300), abs=3)
    assert rows.max() + 200 == pytest.approx(300, abs=3)
    assert near(tile[102:112, 200:260], (200, 200, 200)).any(), "the inside stays as it is"
    assert near(tile[86:98, 101:103], class_colour(2)).all(), "the name stands on its colour"


def test_a_batch_of_any_size_makes_a_mosaic(tmp_path):
    for count, rows, columns in ((1, 1, 1), (3, 2, 2), (16, 4, 4), (20, 4, 4)):
        path = tmp_path / f"{count}.jpg"
        draw_batch(collate([sample(side=32) for _ in range(count)]), NAMES, path)
        height, width = read(path).shape[:2]
        assert height == rows * (TILE + CAPTION + GAP) + GAP
        assert width == columns * (TILE + GAP) + GAP
        assert len(list(tmp_path.iterdir())) == 1
        path.unlink()


def test_captions_give_way_at_their_beginning(tmp_path):
    path = tmp_path / "train_batch.png"
    draw_batch(collate([sample(image_id="x" * 500)]), NAMES, path)
    strip = read(path)[GAP + TILE : -GAP, GAP:-GAP]
    assert (strip[:, -2:] == PAPER).all()
    assert (strip < 128).any()


def test_a_name_at_the_border_stays_inside(tmp_path):
    boxes = [[99, 99, 100, 100], [0, 0, 1, 1], [-5, -5, 120, 120]]
    draw_batch(collate([sample(boxes, [1, 1, 2])]), ["", "long" * 40, "p"], tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").is_file()


def found(boxes, scores):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.ones(len(scores), np.int64),
        np.array(scores, np.float32),
    )


def test_predictions_are_coloured_and_the_truth_is_dashed(tmp_path):
    images = torch.full((1, 3, 100, 100), 200, dtype=torch.uint8)
    detections = [found([[50, 50, 90, 90], [0, 50, 30, 80]], [0.9, 0.3])]
    truth = GroundTruth(np.float32([[10, 10, 40, 40]]), np.array([2]), np.array([False]))
    path = tmp_path / "val_predictions.png"
    draw_predictions(Examples(images, detections, [truth], ["a"]), NAMES, path, threshold=0.5)
    tile = tile_of(read(path))
    assert near(tile[220:350, 199:202], class_colour(1)).any(axis=1).all()
    assert not near(tile[:, :100], class_colour(1)).any(), "0.3 is below the threshold"
    edge = tile[40, 40:160]
    assert near(edge, (255, 255, 255)).sum() == pytest.approx(70, abs=12)
    assert near(edge, (0, 0, 0)).sum() == pytest.approx(50, abs=12)
    tag = tile[24:38, 42:80]
    assert near(tag, (255, 255, 255)).any(), "the true name, in black on white"
    assert near(tag, (0, 0, 0)).any()


def test_nothing_found_and_nothing_there(tmp_path):
    images = torch.zeros(2, 3, 50, 50, dtype=torch.uint8)
    empty = GroundTruth(NO_BOXES, np.zeros(0, np.int64), np.zeros(0, bool))
    path = tmp_path / "val_predictions.jpg"
    draw_predictions(Examples(images, [found([], [])] * 2, [empty] * 2, ["a", "b"]), NAMES, path)
    assert tile_of(read(path)).max() < 40


def test_boxes_beyond_the_picture_are_cut_off_at_its_border(tmp_path):
    images = torch.full((1, 3, 100, 100), 200, dtype=torch.uint8)
    empty = GroundTruth(NO_BOXES, np.zeros(0, np.int64), np.zeros(0, bool))
    path = tmp_path / "val_predictions.png"
    detections = [found([[-40, 20, 160, 60]], [0.9])]
    draw_predictions(Examples(images, detections, [empty], ["a"]), NAMES, path)
    tile = tile_of(read(path))
    assert near(tile[100:230, 0], class_colour(1)).all()
    assert near(tile[100:230, -1], class_colour(1)).all()


def test_predictions_name_their_files(tmp_path, monkeypatch):
    from vision.training.reports import pictures

    captions = []
    monkeypatch.setattr(pictures, "mosaic", lambda tiles, texts: captions.extend(texts) or tiles[0])
    truth = GroundTruth(np.float32([[10, 10, 40, 40]]), np.array([2]), np.array([False]))
    images = torch.zeros(1, 3, 50, 50, dtype=torch.uint8)
    examples = Examples(images, [found([[0, 0, 9, 9], [1, 1, 8, 8]], [0.9, 0.3])], [truth], ["a/b"])
    draw_predictions(examples, NAMES, tmp_path / "val_predictions.jpg")
    assert captions == ["a/b: 1 object (dashed), 1 found at 0.5"]
