"""Batches: pixels become fractions, and padding fills what is missing."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from vision.structures import Sample
from vision.transforms import Batch, collate
from vision.transforms.collate import padded_count


def sample(count: int, width: int = 10, height: int = 10, image_id: str = "") -> Sample:
    image = np.full((height, width, 3), (1, 2, 3), np.uint8)
    boxes = np.float32([[1, 2, 5, 10]] * count).reshape(-1, 4)
    labels = np.arange(1, count + 1)
    return Sample(image, boxes, labels, labels == 2, image_id or f"with {count}")


def test_boxes_become_fractions_and_are_padded():
    batch = collate([sample(2), sample(0), sample(1)])
    box, nothing = [0.1, 0.2, 0.5, 1.0], [0.0] * 4
    expected = torch.tensor([[box, box], [nothing, nothing], [box, nothing]])
    torch.testing.assert_close(batch.boxes[:, :2], expected)
    assert batch.labels.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert batch.difficult[:, :2].tolist() == [[False, True], [False, False], [False, False]]
    assert not batch.boxes[:, 2:].any() and not batch.difficult[:, 2:].any()
    assert batch.image_ids == ["with 2", "with 0", "with 1"]


def test_images_are_planes_in_channels_last_memory():
    images = collate([sample(1), sample(1)]).images
    assert images.shape == (2, 3, 10, 10) and images.dtype == torch.uint8
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, :, 4, 7].tolist() == [1, 2, 3]


def test_types():
    batch = collate([sample(2)])
    assert (batch.boxes.dtype, batch.labels.dtype, batch.difficult.dtype) == (
        torch.float32,
        torch.int64,
        torch.bool,
    )


def test_a_batch_without_any_object():
    batch = collate([sample(0), sample(0)])
    assert batch.boxes.shape == (2, 4, 4) and not batch.boxes.any()
    assert batch.labels.tolist() == batch.difficult.tolist() == [[0] * 4] * 2


def test_batches_have_few_shapes():
    rooms = [padded_count(most) for most in range(26)]
    assert rooms == [4] * 5 + [6] * 2 + [8] * 2 + [12] * 4 + [16] * 4 + [24] * 8 + [32]
    assert len({padded_count(most) for most in range(1025)}) == 17
    for most in range(5, 3000):
        assert most <= padded_count(most) < most * 1.5


def test_width_and_height_are_not_confused():
    batch = collate([sample(1, width=10, height=20)])
    torch.testing.assert_close(batch.boxes[0, 0], torch.tensor([0.1, 0.1, 0.5, 0.5]))


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(10, 10, 3\) like with 1, got \(10, 9, 3\) in odd"):
        collate([sample(1), sample(1, width=9, image_id="odd")])


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="at least one sample"):
        collate([])


def test_a_batch_moves_as_a_whole():
    batch = collate([sample(1)])
    moved = batch.to(torch.device("meta"), non_blocking=True)
    assert isinstance(moved, Batch) and moved.image_ids == batch.image_ids
    assert all(tensor.device.type == "meta" for tensor in moved[:4])
    again = pickle.loads(pickle.dumps(batch))
    torch.testing.assert_close(again.boxes, batch.boxes)


def test_it_comes_out_of_a_loader_as_it_is():
    loader = torch.utils.data.DataLoader([sample(1), sample(2)], batch_size=2, collate_fn=collate)
    (batch,) = loader
    assert isinstance(batch, Batch) and batch.labels[:, :2].tolist() == [[1, 0], [1, 2]]
