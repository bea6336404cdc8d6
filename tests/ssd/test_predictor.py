from __future__ import annotations

import numpy as np
import pytest
import torch

from vision.ssd.predictor import Predictor
from vision.utils.nms import Suppression

MEAN, STD = (100.0, 110.0, 120.0), 50.0
SIDE = 20


class SquareFinder:
    """Finds the bright pixels of a picture: one prior round them, one on the whole picture."""

    def __init__(self, scores=((0.1, 0.9, 0.0), (0.4, 0.1, 0.5))):
        self.scores = torch.tensor(scores)
        self.seen = None

    def __call__(self, images):
        self.seen = images
        boxes = []
        for image in images:
            rows, columns = torch.nonzero(image.mean(0) > 1, as_tuple=True)
            corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            boxes.append(torch.tensor([[float(c) / SIDE for c in corners], [-0.5, 0.2, 0.9, 1.5]]))
        return self.scores.expand(len(images), -1, -1), torch.stack(boxes)


def picture(width, height, box):
    image = np.full((height, width, 3), 30, np.uint8)
    x1, y1, x2, y2 = box
    image[y1:y2, x1:x2] = 250
    return image


def predictor(**options):
    return Predictor(SquareFinder(), SIDE, MEAN, STD, **options)


@pytest.mark.parametrize(("width", "height"), [(20, 20), (200, 100), (40, 300)])
def test_boxes_are_in_pixels_of_the_picture_given(width, height):
    box = [width // 4, height // 10, width // 2, height // 2]
    boxes, labels, scores = predictor().predict(picture(width, height, box))
    assert labels.tolist() == [1, 2, 1]
    assert scores.tolist() == pytest.approx([0.9, 0.5, 0.1])
    assert boxes[0].tolist() == pytest.approx(box, abs=max(width, height) / SIDE)
    # -0.5, 0.2, 0.9, 1.5 of the picture, clipped to it.
    assert boxes[1].tolist() == pytest.approx([0, 0.2 * height, 0.9 * width, height])


def test_the_net_gets_normalised_rgb():
    detect = SquareFinder()
    image = picture(SIDE, SIDE, (5, 5, 15, 15))
    image[0, 0] = (150, 110, 20)
    Predictor(detect, SIDE, MEAN, STD).predict(image)
    assert detect.seen.shape == (1, 3, SIDE, SIDE)
    assert detect.seen.dtype == torch.float32
    assert detect.seen[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, -2.0])


def test_a_std_of_each_colour():
    detect = SquareFinder()
    image = picture(SIDE, SIDE, (5, 5, 15, 15))
    Predictor(detect, SIDE, (0.0, 0.0, 0.0), (1.0, 2.0, 3.0)).predict(image)
    assert detect.seen[0, :, 0, 0].tolist() == pytest.approx([30, 15, 10])


def test_upstreams_call():
    image = picture(100, 60, (10, 10, 50, 40))
    boxes, labels, probs = predictor().predict(image, 10, 0.4)
    assert boxes.shape == (2, 4)
    assert labels.tolist() == [1, 2]
    assert probs.tolist() == pytest.approx([0.9, 0.5])


def test_thresholds_of_the_call_go_before_those_of_the_suppression():
    image = picture(100, 60, (10, 10, 50, 40))
    strict = predictor(suppression=Suppression(score_threshold=0.6, top_k=1))
    assert len(strict.predict(image)) == 1
    assert len(strict.predict(image, prob_threshold=0.3)) == 2
    # A threshold of 0 is given, not absent; scores have to exceed it.
    assert len(strict.predict(image, prob_threshold=0.0)) == 2
    assert len(strict.predict(image, top_k=2, prob_threshold=0.0)) == 3
    assert len(strict.predict(image, top_k=0, prob_threshold=0.0)) == 0


def test_nothing_found_has_the_usual_shapes():
    found = predictor().predict(picture(100, 60, (10, 10, 50, 40)), prob_threshold=0.95)
    assert [array.shape for array in found] == [(0, 4), (0,), (0,)]


def test_a_batch_of_pictures_of_different_sizes():
    images = [picture(100, 60, (10, 10, 50, 40)), picture(30, 80, (10, 10, 20, 40))]
    together = predictor().predict_batch(images)
    for image, found in zip(images, together):
        alone = predictor().predict(image)
        assert all(np.array_equal(one, other) for one, other in zip(found, alone))
    assert predictor().predict_batch([]) == []


def test_a_tensor_is_answered_in_its_pixels_without_clipping():
    images = torch.from_numpy(picture(SIDE, SIDE, (5, 6, 15, 10))).permute(2, 0, 1)[None]
    (found,) = predictor().predict_tensor(images)
    assert found.boxes[0].tolist() == pytest.approx([5, 6, 15, 10])
    assert found.boxes[1].tolist() == pytest.approx([-10, 4, 18, 30])


def test_a_mirrored_view_is_a_picture():
    image = picture(100, 60, (10, 10, 50, 40))
    found = predictor().predict(image[:, ::-1, ::-1])
    assert found.boxes[0].tolist() == pytest.approx([50, 10, 90, 40], abs=5)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((5, 5), np.uint8),
        np.zeros((5, 5, 4), np.uint8),
        np.zeros((5, 5, 3), np.float32),
        np.zeros((0, 5, 3), np.uint8),
    ],
)
def test_what_is_no_picture_is_named(image):
    with pytest.raises(ValueError, match="must be \\(H, W, 3\\) uint8 RGB"):
        predictor().predict(image)
