"""A detector of 32 pixels, small enough to read its whole graph."""

from __future__ import annotations

from types import SimpleNamespace

import onnx
import pytest
import torch
from torch import nn

from vision.deploy.export import build_model

CLASSES = 3
SIDE = 32
PRIORS = 2 * 4 * 4


class ToyDetector(nn.Module):
    """Two convolutions, a head each for scores and boxes, two priors a cell on a 4 x 4 map."""

    def __init__(self, mean=127.5, std=127.5):
        super().__init__()
        self.config = SimpleNamespace(image_size=SIDE, image_mean=(mean,) * 3, image_std=std)
        generator = torch.Generator().manual_seed(5)
        self.base = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.BatchNorm2d(8), nn.ReLU6()
        )
        self.classes = nn.Conv2d(8, 2 * CLASSES, 3, stride=2, padding=1)
        self.boxes = nn.Conv2d(8, 2 * 4, 3, stride=2, padding=1)
        for parameter in self.parameters():
            if parameter.ndim == 4:  # Biases stay as they are: equal, as in any untrained net.
                values = torch.randn(parameter.shape, generator=generator) * 0.2
                parameter.data.copy_(values)
        for layer in (self.base[0], self.classes, self.boxes):
            nn.init.zeros_(layer.bias)
        self.classes.bias.data[::CLASSES] = 5.0  # background
        priors = torch.rand(PRIORS, 4, generator=generator) * 0.5 + 0.25
        self.register_buffer("priors", priors, persistent=False)

    def detect(self, images):
        x = self.base(images)
        rows = images.shape[0], PRIORS
        scores = self.classes(x).permute(0, 2, 3, 1).reshape(*rows, CLASSES).softmax(-1)
        locations = self.boxes(x).permute(0, 2, 3, 1).reshape(*rows, 4)
        # The slice without an end is what torch exports as the largest 64-bit integer.
        centers = locations[..., :2] * 0.1 + self.priors[:, :2]
        halves = torch.exp(locations[..., 2:] * 0.2) * self.priors[:, 2:] / 2
        return scores, torch.cat([centers - halves, centers + halves], dim=-1)


@pytest.fixture
def make_net():
    """Return a function that builds the toy detector for a mean and a deviation."""

    def make(mean=127.5, std=127.5):
        return ToyDetector(mean, std).eval()

    return make


@pytest.fixture(scope="session")
def toy_bytes():
    """Return the toy detector as the exporter writes it."""
    model = build_model(ToyDetector().eval(), (1, 3, SIDE, SIDE), opset=11)
    return model.SerializeToString()


@pytest.fixture
def toy_model(toy_bytes):
    """Return the toy detector's graph, free to be broken."""
    return onnx.load_model_from_string(toy_bytes)


@pytest.fixture
def labels_path(tmp_path):
    """Return a labels.txt that fits the toy detector."""
    path = tmp_path / "labels.txt"
    path.write_bytes(b"BACKGROUND\napple\npear\n")
    return path
