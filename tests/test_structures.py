from __future__ import annotations

import numpy as np
import pytest

from vision.structures import Annotation, Detections, Sample


def objects(count=2, **fields):
    values = {
        "boxes": np.zeros((count, 4), np.float32),
        "labels": np.ones(count, np.int64),
        "difficult": np.zeros(count, bool),
        "image_id": "000005",
    }
    return {**values, **fields}


def sample(image=None, **fields):
    image = np.zeros((6, 8, 3), np.uint8) if image is None else image
    return Sample(image=image, **objects(**fields))


def annotation(**fields):
    return Annotation(path="000005.jpg", **objects(**fields))


def test_a_picture_without_objects():
    assert sample(count=0).boxes.shape == (0, 4)
    assert annotation(count=0).boxes_in_pixels(8, 6).shape == (0, 4)


@pytest.mark.parametrize("make", [sample, annotation])
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"labels": np.ones(3, np.int64)},
            r"labels must be \(2,\) like boxes \(2, 4\), got \(3,\)",
        ),
        ({"difficult": np.zeros(1, bool)}, r"difficult must be \(2,\) .* got \(1,\) bool"),
        ({"boxes": np.zeros((2, 5))}, r"boxes must be \(N, 4\), got \(2, 5\) float64"),
        ({"boxes": np.zeros(4)}, r"boxes must be \(N, 4\), got \(4,\)"),
        ({"labels": np.array([1, 0])}, r"labels must be 1 or more \(0 is BACKGROUND\), got 0"),
        ({"labels": np.array([-1, 1])}, "got -1"),
    ],
)
def test_objects_that_do_not_fit_are_named_with_their_picture(make, fields, message):
    with pytest.raises(ValueError, match=f"{message}.* in 000005$"):
        make(**fields)


@pytest.mark.parametrize(
    "image",
    [np.zeros((6, 8), np.uint8), np.zeros((6, 8, 4), np.uint8), np.zeros((6, 8, 3), np.float32)],
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match=r"image must be \(H, W, 3\) uint8, got \(6, 8.* 000005"):
        sample(image)


def test_boxes_in_pixels_are_clipped_to_the_picture():
    boxes = np.float32([[10, -5, 250, 90], [0, 0, 200, 100]])
    pixels = annotation(boxes=boxes).boxes_in_pixels(200, 100)
    assert pixels.tolist() == [[10, 0, 200, 90], [0, 0, 200, 100]]
    assert pixels.dtype == np.float32
    assert boxes[0, 1] == -5  # the annotation itself stays


def test_fractions_become_pixels():
    boxes = np.float32([[0.25, 0.5, 0.5, 1.25], [0, 0, 1, 1]])
    pixels = annotation(boxes=boxes, relative=True).boxes_in_pixels(200, 100)
    assert pixels.tolist() == [[50, 50, 100, 100], [0, 0, 200, 100]]


def test_detections_unpack():
    found = Detections(np.ones((2, 4)), np.array([1, 2]), np.array([0.9, 0.8]))
    boxes, labels, scores = found
    assert (len(found), boxes.shape, labels.tolist(), scores.tolist()) == (
        2,
        (2, 4),
        [1, 2],
        [0.9, 0.8],
    )
    assert len(Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))) == 0


def test_some_of_the_detections():
    found = Detections(np.arange(12).reshape(3, 4), np.array([1, 2, 3]), np.array([0.9, 0.8, 0.7]))
    for kept in (np.array([True, False, True]), np.array([0, 2]), [0, 2]):
        some = found.select(kept)
        assert [one.tolist() for one in some] == [
            [[0, 1, 2, 3], [8, 9, 10, 11]],
            [1, 3],
            [0.9, 0.7],
        ]
    assert found.select(np.array([2, 0])).labels.tolist() == [3, 1]


def test_no_detections():
    found = Detections(np.ones((2, 4), np.float32), np.array([1, 2]), np.float32([0.9, 0.8]))
    for nothing in (Detections.none(), found.select([]), found.select(np.zeros(2, bool))):
        assert len(nothing) == 0
        assert [(one.shape, one.dtype) for one in nothing] == [
            ((0, 4), np.float32), ((0,), np.int64), ((0,), np.float32)
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((np.zeros((2, 3)), np.zeros(2), np.zeros(2)), r"boxes must be \(N, 4\), got \(2, 3\)"),
        ((np.zeros((2, 4)), np.zeros(1), np.zeros(2)), r"labels must be \(2,\) like boxes"),
        ((np.zeros((2, 4)), np.zeros(2), np.zeros((2, 1))), r"scores must be \(2,\) like boxes"),
    ],
)
def test_detections_that_do_not_fit(arrays, message):
    with pytest.raises(ValueError, match=message):
        Detections(*arrays)
