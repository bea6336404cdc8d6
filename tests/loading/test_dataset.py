from __future__ import annotations

import pytest
from torch.utils.data import DataLoader

from tests.drawing import CLASS_NAMES, write_open_images, write_voc
from vision.datasets.opening import open_split
from vision.loading.dataset import DetectionDataset
from vision.loading.sampler import EpochSampler
from vision.loading.workers import worker_init


def draw_number(annotation, rng):
    """Stands for a transform: something random, and what it was made from."""
    return annotation.image_id, len(annotation.boxes), int(rng.integers(1 << 30))


def keep_list(batch):
    return batch


@pytest.fixture
def index(tmp_path):
    write_voc(tmp_path, {"train": 6, "test": 2})
    return open_split(tmp_path, split="train")


def test_without_a_transform_a_sample_is_the_picture_on_disk(tmp_path):
    drawn = write_voc(tmp_path / "voc", {"test": 3}, negatives=1)["test"]
    dataset = DetectionDataset(open_split(tmp_path / "voc", class_names=CLASS_NAMES))
    assert len(dataset) == 3
    assert dataset.class_names == CLASS_NAMES
    for row, expected in enumerate(drawn):
        sample = dataset[row]
        assert (sample.image == expected.image).all()
        assert sample.boxes.tolist() == expected.boxes.tolist()
        assert sample.labels.tolist() == expected.labels.tolist()


def test_relative_boxes_become_pixels(tmp_path):
    drawn = write_open_images(tmp_path, {"test": 2}, suffix=".png")["test"]
    dataset = DetectionDataset(open_split(tmp_path, class_names=CLASS_NAMES))
    assert dataset[1].boxes == pytest.approx(drawn[1].boxes, abs=1e-3)


def test_a_sample_depends_on_seed_epoch_and_picture_alone(index):
    dataset = DetectionDataset(index, draw_number, seed=7)
    assert (
        dataset[(2, 3)] == dataset[(2, 3)] == DetectionDataset(index, draw_number, seed=7)[(2, 3)]
    )
    assert dataset[3] == dataset[(0, 3)] == dataset[-3]
    numbers = {dataset[key][2] for key in ((0, 0), (0, 1), (1, 0), (1, 1))}
    assert len(numbers) == 4
    assert DetectionDataset(index, draw_number, seed=8)[0] != dataset[0]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_make_the_same_samples(index, start):
    dataset = DetectionDataset(index, draw_number, seed=7)
    sampler = EpochSampler(len(dataset), seed=7)
    sampler.set_epoch(2)
    expected = [dataset[key] for key in sampler]
    loader = DataLoader(
        dataset,
        batch_size=2,
        sampler=sampler,
        num_workers=1,
        collate_fn=keep_list,
        worker_init_fn=worker_init,
        multiprocessing_context=start,
    )
    assert [sample for batch in loader for sample in batch] == expected


def test_a_picture_that_cannot_be_read_is_named(tmp_path):
    write_voc(tmp_path, {"test": 1})
    index = open_split(tmp_path)
    (tmp_path / "JPEGImages" / "drawn_0000.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"drawn_0000\.png"):
        DetectionDataset(index)[0]
