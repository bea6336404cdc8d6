"""From files to samples: whole transforms on drawn squares and on real pictures."""

from __future__ import annotations

import pickle
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.transforms import squares
from vision.pictures.reading import PictureError
from vision.structures import Annotation
from vision.transforms import EvalTransform, TrainTransform, load_sample, resize
from vision.transforms.augmentation import GEOMETRY, GEOMETRY_OF_THE_PAPER

SIZE = 96
BOX = (203, 121, 358, 299)


def annotate(path, boxes=(BOX,), relative=False) -> Annotation:
    boxes = np.float32(boxes).reshape(-1, 4)
    labels = np.arange(1, len(boxes) + 1)
    return Annotation("picture", str(path), boxes, labels, labels % 2 == 0, relative)


def write(path, picture):
    path.write_bytes(squares.encode(picture, path.suffix))
    return path


@pytest.mark.parametrize("extension", [".jpg", ".png"])
@pytest.mark.parametrize("geometry", [GEOMETRY, GEOMETRY_OF_THE_PAPER])
def test_square_and_box_move_together_through_a_hundred_plans(tmp_path, extension, geometry):
    path = write(tmp_path / f"square{extension}", squares.draw(640, 480, BOX))
    transform = TrainTransform(SIZE, squares.FILL, geometry, colours=())
    for seed in range(100):
        sample = transform(annotate(path), np.random.default_rng(seed))
        assert sample.image.shape == (SIZE, SIZE, 3) and sample.boxes.dtype == np.float32
        (box,) = sample.boxes  # a cut keeps one object at least, and a frame one in the middle
        assert abs(squares.find(sample.image) - box).max() <= 1, seed


@pytest.mark.parametrize(("geometry", "fewest"), [(GEOMETRY, 2), (GEOMETRY_OF_THE_PAPER, 1)])
def test_labels_and_flags_stay_with_their_boxes(tmp_path, geometry, fewest):
    """Four squares, each of its own brightness."""
    picture = np.full((400, 400, 3), squares.DARK, np.uint8)
    boxes = [(20, 30, 120, 150), (230, 20, 390, 160), (30, 220, 190, 380), (250, 240, 370, 390)]
    for label, (left, top, right, bottom) in enumerate(boxes, start=1):
        picture[top:bottom, left:right] = 60 * label
    path = write(tmp_path / "squares.png", picture)
    transform = TrainTransform(200, squares.FILL, geometry, colours=())
    counts = set()
    for seed in range(60):
        sample = transform(annotate(path, boxes), np.random.default_rng(seed))
        counts.add(len(sample.labels))
        np.testing.assert_array_equal(sample.difficult, sample.labels % 2 == 0)
        for box, label in zip(sample.boxes, sample.labels):
            x, y = ((box[:2] + box[2:]) / 2).astype(int)
            assert sample.image[y, x, 0] == 60 * label
    assert (min(counts), max(counts)) == (fewest, 4)


def test_a_picture_without_objects_is_a_sample(tmp_path):
    path = write(tmp_path / "empty.jpg", squares.draw(320, 240, (0, 0, 0, 0)))
    for seed in range(30):
        sample = TrainTransform(SIZE)(annotate(path, ()), np.random.default_rng(seed))
        assert sample.boxes.shape == (0, 4) and sample.labels.shape == (0,)
        assert sample.image.shape == (SIZE, SIZE, 3)
    assert EvalTransform(SIZE)(annotate(path, ())).boxes.shape == (0, 4)
    assert load_sample(annotate(path, ())).boxes.shape == (0, 4)


def test_one_pixel_is_a_picture(tmp_path):
    path = write(tmp_path / "dot.png", squares.draw(1, 1, (0, 0, 1, 1)))
    for seed in range(30):
        sample = TrainTransform(SIZE)(annotate(path, [(0, 0, 1, 1)]), np.random.default_rng(seed))
        assert len(sample.boxes) == 1
    np.testing.assert_array_equal(
        EvalTransform(SIZE)(annotate(path, [(0, 0, 1, 1)])).boxes, [[0, 0, SIZE, SIZE]]
    )


def test_what_is_narrower_than_a_pixel_of_the_input_is_dropped(tmp_path):
    """On 100 of 1000 pixels, ten are one."""
    path = write(tmp_path / "thin.png", squares.draw(1000, 1000, BOX))
    boxes = [(0, 0, 9, 500), (0, 0, 500, 9), (0, 0, 10, 10), (700, 700, 700, 800)]
    plain = TrainTransform(100, geometry=(), colours=())
    sample = plain(annotate(path, boxes), np.random.default_rng(0))
    np.testing.assert_array_equal(sample.boxes, [[0, 0, 1, 1]])
    np.testing.assert_array_equal(sample.labels, [3])
    # Evaluation counts every object that the dataset marks.
    assert len(EvalTransform(100)(annotate(path, boxes)).boxes) == 4


def test_boxes_beyond_the_picture_are_clipped(tmp_path):
    path = write(tmp_path / "square.png", squares.draw(200, 100, (150, 50, 200, 100)))
    annotation = annotate(path, [(150, 50, 260, 180)])
    for sample in (EvalTransform(50)(annotation), load_sample(annotation)):
        np.testing.assert_array_equal(sample.boxes[0, 2:], sample.image.shape[1::-1])
    transform, seen = TrainTransform(SIZE, squares.FILL, colours=()), 0
    for seed in range(60):
        sample = transform(annotation, np.random.default_rng(seed))
        if len(sample.boxes):  # its centre is in the frame
            assert abs(squares.find(sample.image) - sample.boxes[0]).max() <= 1
            seen += 1
    assert seen > 15


@pytest.mark.parametrize("interpolation", ["linear", "nearest"])
def test_evaluation_stretches_the_whole_picture(tmp_path, interpolation):
    picture = squares.draw(640, 480, BOX)
    path = write(tmp_path / "square.png", picture)
    sample = EvalTransform(SIZE, interpolation)(annotate(path))
    np.testing.assert_array_equal(sample.image, resize(picture, SIZE, interpolation))
    np.testing.assert_allclose(sample.boxes, [[30.45, 24.2, 53.7, 59.8]], atol=1e-4)
    assert abs(squares.find(sample.image) - sample.boxes[0]).max() <= 1


def test_an_unknown_interpolation_is_refused(tmp_path):
    path = write(tmp_path / "square.png", squares.draw(640, 480, BOX))
    with pytest.raises(ValueError, match="interpolation must be"):
        EvalTransform(SIZE, "cubic")(annotate(path))


def test_fractions_become_pixels(tmp_path):
    path = write(tmp_path / "square.png", squares.draw(200, 100, (50, 25, 100, 75)))
    annotation = annotate(path, [(0.25, 0.25, 0.5, 0.75)], relative=True)
    np.testing.assert_array_equal(load_sample(annotation).boxes, [[50, 25, 100, 75]])
    np.testing.assert_array_equal(EvalTransform(40)(annotation).boxes, [[10, 10, 20, 30]])


def test_the_same_generator_gives_the_same_sample(tmp_path):
    path = write(tmp_path / "square.jpg", squares.draw(640, 480, BOX))
    transform = TrainTransform(SIZE)
    samples = [
        again(annotate(path), np.random.default_rng([5, 0, 7]))
        for again in (transform, transform, pickle.loads(pickle.dumps(transform)))
    ]
    for sample in samples[1:]:
        np.testing.assert_array_equal(sample.image, samples[0].image)
        np.testing.assert_array_equal(sample.boxes, samples[0].boxes)
    other = transform(annotate(path), np.random.default_rng([5, 1, 7]))
    assert (other.image != samples[0].image).any()


def test_no_global_random_state_is_used(tmp_path):
    path = write(tmp_path / "square.jpg", squares.draw(640, 480, BOX))
    before = np.random.get_state()[1].copy()
    TrainTransform(SIZE)(annotate(path), np.random.default_rng(0))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_transforms_are_values():
    assert TrainTransform(300) == pickle.loads(pickle.dumps(TrainTransform(300)))
    assert EvalTransform(300) == pickle.loads(pickle.dumps(EvalTransform(300)))
    assert TrainTransform(300).geometry is GEOMETRY


@pytest.mark.parametrize("read", [TrainTransform(SIZE), EvalTransform(SIZE)])
def test_a_missing_picture_is_named(tmp_path, read):
    with pytest.raises(PictureError, match=r"gone\.jpg"):
        read(annotate(tmp_path / "gone.jpg"), np.random.default_rng(0))


@pytest.mark.slow
def test_real_pictures_come_through(real_datasets):
    folder = real_datasets / "fruit"
    transform = TrainTransform(300)
    kept = []
    for number, path in enumerate(sorted((folder / "Annotations").glob("*.xml"))[::5]):
        boxes = [
            [float(box.find(edge).text) for edge in ("xmin", "ymin", "xmax", "ymax")]
            for box in ElementTree.parse(path).iter("bndbox")
        ]
        picture = next((folder / "JPEGImages").glob(path.stem + ".*"))
        sample = transform(annotate(picture, boxes), np.random.default_rng(number))
        assert (sample.boxes >= 0).all() and (sample.boxes <= 300).all()
        assert ((sample.boxes[:, 2:] - sample.boxes[:, :2]) >= 1).all()
        kept.append(len(sample.boxes))
    assert min(kept) >= 1
