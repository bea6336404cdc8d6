from __future__ import annotations

import pytest
import torch

from tests.tiny import SIDE, drawn_batches, tiny_net, tiny_training
from vision.ssd import create_net
from vision.training.compute import half_backbone
from vision.training.compute.engine import Engine
from vision.training.compute.half_backbone import HalfBackbone, has_bfloat16, with_half_backbone
from vision.training.steps import train_step

needs_cpu_autocast = pytest.mark.skipif(
    not hasattr(torch, "compile"), reason="torch before 2.0 does not train in bfloat16 on a CPU"
)


@needs_cpu_autocast
def test_a_half_backbone_learns_what_float32_learns():
    (batch,) = drawn_batches(1)
    half, full = tiny_training(), tiny_training()
    half.engine = Engine(model=HalfBackbone(half.net))
    for training in (half, full):
        training.net.train()
        training.results = [train_step(training, batch) for _ in range(3)]
    losses = [training.results[-1].sum().item() for training in (half, full)]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert not torch.equal(half.results[0], full.results[0])  # it did compute otherwise
    assert all(value.dtype == torch.float32 for value in half.net.parameters())


def leave_large_numbers_in_memory():
    blocks = [torch.full((size,), 1e30) for size in (1000, 30_000, 300_000, 600_000) * 4]
    del blocks


@needs_cpu_autocast
@pytest.mark.parametrize("side", [64, 96])  # the last maps of mb1-ssd have one cell
def test_gradients_of_the_smallest_maps_are_those_of_float32(side):
    torch.manual_seed(0)
    net = create_net("mb1-ssd", 3, side).eval()
    images = torch.randn(2, 3, side, side)

    def gradients(model):
        net.zero_grad()
        class_logits, locations = model(images)
        leave_large_numbers_in_memory()
        (class_logits.square().mean() + locations.square().mean()).backward()
        return {
            name: value.grad
            for name, value in net.named_parameters()
            if not name.startswith("base_net")  # bfloat16 rounds those to two digits
        }

    exact = gradients(net)
    for _ in range(3):  # what is left in the memory is not the same each time
        half = gradients(HalfBackbone(net))
        for name, value in exact.items():
            error = (half[name] - value).norm() / value.norm().clamp(min=1e-12)
            assert error < 0.1, (name, error)


def test_which_nets_have_a_half_backbone(monkeypatch, caplog):
    net = tiny_net()
    monkeypatch.setattr(half_backbone, "has_bfloat16", lambda: True)
    assert isinstance(with_half_backbone(net, wanted=True), HalfBackbone)
    assert with_half_backbone(net, wanted=False) is net
    assert "does nothing" not in caplog.text
    dot = create_net("mb1-ssd", 2, 32)  # its backbone ends in a map of one cell
    assert with_half_backbone(dot, wanted=True) is dot
    monkeypatch.setattr(half_backbone, "has_bfloat16", lambda: False)
    assert with_half_backbone(net, wanted=True) is net
    assert caplog.text.count("--half-backbone does nothing here") == 2
    assert net.config.image_size == SIDE


@needs_cpu_autocast
def test_what_a_cpu_has_is_read_from_its_flags(tmp_path):
    info = tmp_path / "cpuinfo"
    assert not has_bfloat16(info)
    info.write_text("processor : 0\nflags : fpu avx2 avx512f avx512_bf16x\n")
    assert not has_bfloat16(info)
    info.write_text("processor : 0\nflags : fpu avx2 avx512f avx512_bf16\n")
    assert has_bfloat16(info) == torch.backends.mkldnn.is_available()
