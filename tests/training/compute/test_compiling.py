"""Compiling a net for its training."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from vision.ssd import create_net
from vision.training.compute.compiling import compiled, require_compiler
from vision.training.compute.engine import Engine


def counted(calls, name, found):
    """Return a function that notes its calls, in the place of a net."""

    def forward(images):
        calls.append((name, len(images)))
        return found

    return forward


def test_only_parts_of_the_compiled_size_are_computed_by_the_compiled_net():
    calls, net = [], nn.Identity()
    engine = Engine(part_size=4, compiled=counted(calls, "compiled", "found"))
    images = torch.zeros(10, 3, 8, 8)
    found = [engine.predict(net, images[part]) for part in (slice(0, 4), slice(4, 7))]
    assert calls == [("compiled", 4)]
    assert found[0] == "found"
    assert found[1].shape == (3, 3, 8, 8)  # the last batch of an epoch is no reason to compile anew


def test_a_torch_that_cannot_compile_says_so(monkeypatch):
    monkeypatch.delattr(torch, "compile")
    with pytest.raises(ValueError, match=r"--compile needs torch 2\.0 or newer"):
        require_compiler(torch.device("cpu"))


@pytest.mark.parametrize("error", [RuntimeError("No working C++ compiler\nfound"), ImportError()])
def test_a_machine_that_cannot_compile_says_why(monkeypatch, error):
    def fails(*args, **options):
        raise error

    monkeypatch.setattr(torch, "compile", fails)
    reason = str(error).splitlines()[0] if str(error) else "ImportError"
    with pytest.raises(
        ValueError, match=rf"--compile cannot be used here: {reason[:10]}"
    ) as caught:
        require_compiler(torch.device("cpu"))
    assert "\n" not in str(caught.value)
    assert "leave --compile out" in str(caught.value)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
def test_a_compiled_net_computes_the_same():
    torch.manual_seed(0)
    net = create_net("mb1-ssd", 3, 64).train().double()  # else rounding hides what is wrong
    images = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    before = {name: one.clone() for name, one in net.state_dict().items()}
    found = []
    for engine in (Engine(), Engine(part_size=2, compiled=compiled(net))):
        net.load_state_dict(before)
        class_logits, locations = engine.predict(net, images)
        net.zero_grad()
        (class_logits.square().mean() + locations.square().mean()).backward()
        gradients = {name: one.grad.clone() for name, one in net.named_parameters()}
        statistics = {name: one.clone() for name, one in net.named_buffers()}
        found.append({**gradients, **statistics, "logits": class_logits.detach()})
    for name, expected in found[0].items():
        assert torch.allclose(found[1][name], expected, rtol=1e-4, atol=1e-9), name
    assert not found[1]["base_net.0.1.running_mean"].equal(before["base_net.0.1.running_mean"])
