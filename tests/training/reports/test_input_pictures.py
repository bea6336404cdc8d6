from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from tests.drawing import write_voc
from vision.datasets.opening import open_split
from vision.loading.loaders import EpochLoader, LoaderOptions
from vision.pictures.mosaic import CAPTION, GAP, TILE
from vision.pictures.reading import read_picture
from vision.training.reports.pictures import write_inputs
from vision.transforms import EvalTransform

CPU = torch.device("cpu")


@pytest.fixture
def drawn(tmp_path):
    """Return a loader of five pictures of 160 x 120, squeezed to 80 x 80, and their samples."""
    samples = write_voc(tmp_path / "data", {"test": 5})["test"]
    options = LoaderOptions(2, 0, CPU, seed=3)
    return EpochLoader(open_split(tmp_path / "data"), EvalTransform(80), options), samples


@pytest.mark.parametrize(
    ("count", "rows"), [(1, [0]), (2, [0, 2]), (5, [0, 1, 2, 3, 4]), (16, [0, 1, 2, 3, 4])]
)
def test_the_pictures_are_spread_over_the_dataset(drawn, tmp_path, count, rows, caplog):
    with caplog.at_level(logging.INFO):
        paths = write_inputs(drawn[0], count, tmp_path / "model")
    assert [path.name for path in paths] == [f"{row:06d}-drawn_{row:04d}.jpg" for row in rows]
    assert sorted((tmp_path / "model" / "inputs").iterdir()) == paths
    assert f"Wrote {len(rows)} pictures" in caplog.text


def test_a_picture_shows_what_the_net_sees_and_its_boxes(drawn, tmp_path):
    loader, samples = drawn
    path = write_inputs(loader, 1, tmp_path)[0]
    picture = read_picture(path)
    assert picture.shape == (TILE + CAPTION + 2 * GAP, TILE + 2 * GAP, 3)
    x2, y2 = samples[0].boxes[0, 2:] * np.float32([TILE / 160, TILE / 120]) + GAP
    shown = picture[int(y2) - 8, int(x2) - 8].astype(int)  # inside, far from the name
    column, row = (samples[0].boxes[0, 2:] - 4).astype(int)
    assert abs(shown - samples[0].image[row, column]).max() < 25


def test_a_dataset_of_nothing(drawn, tmp_path):
    loader = EpochLoader(drawn[0].dataset.index.select([]), EvalTransform(80), drawn[0].options)
    assert write_inputs(loader, 16, tmp_path) == []
