"""A CPU that multiplies bfloat16 faster computes the backbone in it, and all else in float32."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from vision.ssd.ssd import SSD

logger = logging.getLogger(__name__)

INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})  # as Linux names what a CPU can do
STRIDE = 32  # pixels of the input under a cell of a backbone's last map, at the most


class HalfBackbone(nn.Module):
    """An SSD whose backbone is computed in bfloat16, with weights and gradients in float32.

    Extra layers and heads are small, and their maps shrink to one cell. There torch (2.14, oneDNN)
    computes wrong gradients in bfloat16: of a kernel with a row or column that never meets the
    map, they are whatever was in the memory.
    """

    def __init__(self, net: SSD) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Predict as `SSD.forward` does."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps, x = self.net.backbone_maps(images)
        return self.net.predict(self.net.add_extras([one.float() for one in maps], x.float()))


def with_half_backbone(net: SSD, wanted: bool) -> nn.Module:
    """Return what to call for a net in training: itself, or with its backbone in half precision.

    Args:
        net: on its device.
        wanted: whether it shall be so, where that is possible and faster.
    """
    if not wanted:
        return net
    on_cpu = next(net.parameters()).device.type == "cpu"
    if not on_cpu or net.config.image_size <= STRIDE or not has_bfloat16():
        logger.warning(
            "--half-backbone does nothing here: it is for CPUs with bfloat16 (avx512_bf16 or "
            "amx_bf16 in /proc/cpuinfo), torch 2.0 or newer and more than %d pixels",
            STRIDE,
        )
        return net
    logger.info("The backbone is computed in bfloat16.")
    return HalfBackbone(net)


def has_bfloat16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Say whether this CPU has instructions for bfloat16, and torch uses them."""
    if not hasattr(torch, "compile") or not torch.backends.mkldnn.is_available():
        return False  # torch before 2.0 has not learnt to train with them
    try:
        text = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not INSTRUCTIONS.isdisjoint(text.split())
