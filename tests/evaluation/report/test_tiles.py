from __future__ import annotations

import cv2
import numpy as np
import pytest

from tests.datasets.picture_bytes import find_red, red_corner, turned_jpeg
from tests.drawing import draw_samples, write_picture
from tests.evaluation.report.drawn import drawn_evaluation
from vision.evaluation.collection import EvaluatedPicture, collect
from vision.evaluation.matching import GroundTruth
from vision.evaluation.measure import MeasureSettings, measure
from vision.evaluation.report import tiles
from vision.evaluation.report.plots import matrix_labels
from vision.evaluation.report.tiles import (
    CROP_SIDE,
    MISSED,
    RIGHT,
    WHOLE_SIDE,
    WRONG,
    Request,
    cell_crops,
    draw_tiles,
    surest_mistakes,
    worst_pictures,
)
from vision.pictures.reading import read_picture
from vision.structures import Detections


def pixels(tile):
    return cv2.imdecode(np.frombuffer(tile.jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def count_near(image, colour):
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 40).sum())


def test_the_worst_pictures_come_first(tmp_path):
    evaluation = drawn_evaluation(tmp_path, count=9)
    requests = worst_pictures(evaluation)
    assert [request.picture % 3 for request in requests] == [0] * len(requests)
    assert requests[0].caption.endswith("missed")
    wrong = np.bincount(evaluation.collection.found.pictures[evaluation.shown_wrong], minlength=9)
    missed = np.bincount(evaluation.collection.objects.pictures[evaluation.missed], minlength=9)
    counts = [(wrong + missed)[request.picture] for request in requests]
    assert counts == sorted(counts, reverse=True)
    assert min(counts) > 0


def test_the_surest_mistakes_say_what_is_wrong(tmp_path):
    evaluation = drawn_evaluation(tmp_path, count=9)
    requests = surest_mistakes(evaluation)
    scores = [float(request.caption.split(":")[0].split()[-1]) for request in requests]
    assert scores == sorted(scores, reverse=True)
    assert any("here is" in request.caption for request in requests)
    assert any("nothing is marked here" in request.caption for request in requests)


def test_tiles_show_what_is_right_wrong_and_missed(tmp_path):
    evaluation = drawn_evaluation(tmp_path, count=7)
    worst = worst_pictures(evaluation)[0]
    (tile,) = draw_tiles(evaluation, [worst])
    assert (tile.width, tile.height) == (WHOLE_SIDE, WHOLE_SIDE * 120 // 160)
    assert tile.name == f"drawn {worst.picture}"
    image = pixels(tile)
    assert count_near(image, WRONG) > 200
    assert count_near(image, MISSED) > 200
    (good,) = draw_tiles(evaluation, [Request(1, "good")])
    assert count_near(pixels(good), RIGHT) > 200
    assert count_near(pixels(good), MISSED) == 0


def test_a_crop_shows_its_focus_in_the_middle(tmp_path):
    evaluation = drawn_evaluation(tmp_path, count=7)
    row = int(np.flatnonzero(evaluation.outcome.true_positive)[0])
    found = evaluation.collection.found
    request = Request(int(found.pictures[row]), "", found.boxes[row])
    (tile,) = draw_tiles(evaluation, [request])
    assert max(tile.width, tile.height) == CROP_SIDE
    # The square has a colour of its own, and is the largest thing in the crop.
    image, centre = pixels(tile), found.boxes[row].reshape(2, 2).mean(axis=0)
    whole = cv2.imread(evaluation.collection.pictures[request.picture].path)[..., ::-1]
    colour = whole[int(centre[1]), int(centre[0])].astype(int)
    assert count_near(image, colour) > 0.08 * image.shape[0] * image.shape[1]


@pytest.mark.parametrize("upright", [True, False])
def test_phone_pictures_are_shown_as_they_were_measured(upright, tmp_path):
    path = tmp_path / "phone.jpg"
    path.write_bytes(turned_jpeg(red_corner(96, 64), orientation=6))
    image = read_picture(path, upright=upright)
    box = np.float32([find_red(image)])
    facts = EvaluatedPicture("phone", str(path), image.shape[1], image.shape[0], upright)
    truth = GroundTruth(box, np.array([1]), np.array([False]))
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.float32([]))
    evaluation = measure(collect([(facts, truth, nothing)], ["BACKGROUND", "patch"]))
    (tile,) = draw_tiles(evaluation, [Request(0, "", box[0])])
    left, top, right, bottom = find_red(pixels(tile))
    assert (right - left) * (bottom - top) > 0.06 * tile.width * tile.height


def test_examples_of_every_cell_are_limited(tmp_path, monkeypatch):
    evaluation = drawn_evaluation(tmp_path, count=12)
    labels = matrix_labels(evaluation)
    cells = cell_crops(evaluation, labels)
    matrix = evaluation.confusion.matrix
    assert set(cells) == {(row, column) for row, column in np.argwhere(matrix).tolist()}
    assert all(len(some) == min(matrix[cell], tiles.PER_CELL) for cell, some in cells.items())
    missed = [some for cell, some in cells.items() if cell[1] == 0]
    assert {request.caption for some in missed for request in some} == {"not found"}
    monkeypatch.setattr(tiles, "MOST_CROPS", 3)
    few = cell_crops(evaluation, labels)
    assert sum(map(len, few.values())) == 3
    assert all(row != column for row, column in few)  # mistakes first


def test_a_picture_that_is_gone_is_left_out(tmp_path, caplog):
    evaluation = drawn_evaluation(tmp_path, count=4)
    (tmp_path / "drawn 0.png").unlink()
    assert [one is None for one in draw_tiles(evaluation, [Request(0, ""), Request(1, "")])] == [
        True,
        False,
    ]
    assert "1 tiles of the report are left out" in caplog.text


@pytest.mark.parametrize(
    "box", [[-1e8, -1e8, 1e8, 1e8], [150, 100, 400, 300], [5, 5, 5, 5], [np.nan, 0, 10, 10]]
)
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_boxes_that_are_none_do_not_stop_a_report(box, suffix, tmp_path):
    (sample,) = draw_samples(1, size=(320, 240))
    path = tmp_path / f"one{suffix}"
    write_picture(path, sample.image)
    found = Detections(np.float32([box]), np.array([1]), np.float32([0.9]))
    truth = GroundTruth(sample.boxes, sample.labels, sample.difficult)
    facts = EvaluatedPicture("one", str(path), 320, 240)
    names = ["BACKGROUND", "red", "green", "größe"]
    evaluation = measure(collect([(facts, truth, found)], names), MeasureSettings(threshold=0.5))
    requests = [*worst_pictures(evaluation), *surest_mistakes(evaluation)]
    assert all(draw_tiles(evaluation, requests))
