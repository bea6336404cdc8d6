"""Time the training step of mb1-ssd: ours against the same net stepped as older scripts step it.

Usage:
    python3 benchmarks/training.py --steps 10 --batch-size 8

The older step has pictures and weights in planes (NCHW) and waits for three losses after every
step. Ours has the channels of a pixel together (channels_last), reads losses only to log them,
keeps freed memory for the next layer, and matches priors by their predictions.
On a CPU with instructions for bfloat16, it is also timed with the backbone in it (--half-backbone).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from compared import Compared, hand_on

if TYPE_CHECKING:
    import torch

    from vision.training.steps import Training
    from vision.transforms import Batch

sys.path.insert(0, str(Path(__file__).parents[1]))

OLDER = "planes, losses read every step"
OURS = "channels_last, losses left, memory kept"
IN_HALF = "the same, the backbone in bfloat16"


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=10, help="timed steps (default: 10)")
    parser.add_argument("--batch-size", type=int, default=8, help="pictures (default: 8)")
    parser.add_argument("--resolution", type=int, default=300, help="pixels (default: 300)")
    return parser.parse_args(argv)


def measure(steps: int, batch_size: int, resolution: int) -> list[tuple[str, float]]:
    """Return for each way its name and its rate in pictures per second."""
    import torch

    from vision.training.assignment import ByPrediction
    from vision.training.compute.half_backbone import has_bfloat16, with_half_backbone
    from vision.utils.device import keep_freed_memory

    ways = [OLDER, OURS, IN_HALF] if has_bfloat16() else [OLDER, OURS]
    rows = []
    for name in ways:
        memory_format = torch.contiguous_format if name == OLDER else torch.channels_last
        training, batch = make_training(memory_format, batch_size, resolution)
        if name != OLDER:
            keep_freed_memory()
            training.assignment = ByPrediction
        training.engine.model = with_half_backbone(training.net, wanted=name == IN_HALF)
        run(training, batch, 2, reads_losses=name == OLDER)
        start = time.perf_counter()
        run(training, batch, steps, reads_losses=name == OLDER)
        rows.append((name, steps * batch_size / (time.perf_counter() - start)))
    return rows


def make_training(
    memory_format: torch.memory_format, batch_size: int, resolution: int
) -> tuple[Training, Batch]:
    """Return a training of an untrained net and one batch with three objects on every picture."""
    import torch

    from vision.checkpoints.initial_weights import initialise
    from vision.nn.multibox_loss import MultiboxLoss
    from vision.ssd import create_net
    from vision.training.optimization import Schedule
    from vision.training.steps import Training
    from vision.transforms import Batch

    torch.manual_seed(0)
    net = create_net("mb1-ssd", 21, resolution)
    initialise(net)
    net = net.to(memory_format=memory_format)
    images = torch.randint(0, 256, (batch_size, 3, resolution, resolution), dtype=torch.uint8)
    corners = torch.rand(batch_size, 3, 2) * 0.6
    boxes = torch.cat([corners, corners + 0.3], dim=2)
    labels = torch.randint(1, 21, (batch_size, 3))
    batch = Batch(
        images.to(memory_format=memory_format),
        boxes,
        labels,
        torch.zeros_like(labels, dtype=torch.bool),
        [""] * batch_size,
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return Training(net.train(), MultiboxLoss(), optimizer, Schedule("none")), batch


def run(training: Training, batch: Batch, steps: int, reads_losses: bool) -> None:
    """Do some steps."""
    from vision.training.steps import train_step

    for _ in range(steps):
        losses = train_step(training, batch)
        if reads_losses and losses is not None:
            [loss.item() for loss in (losses[0], losses[1], losses.sum())]


def main(args: argparse.Namespace) -> None:
    """Print the rates and their ratio."""
    from vision.utils.threads import share_cores

    share_cores()
    rows = measure(args.steps, args.batch_size, args.resolution)
    rates = dict(rows)
    for name, rate in rows:
        print(f"{name:45} {rate:8.1f} pictures/s {rate / rates[OLDER]:6.2f}x")
    what, fast, slow = f"training step, mb1-ssd, batch {args.batch_size}", rates[OURS], rates[OLDER]
    held = f"{fast:.1f} pictures/s", f"{OLDER}, {slow:.1f}"
    hand_on([Compared(what, *held, fast / slow, "at least 1.5")])


if __name__ == "__main__":
    main(parse_args())
