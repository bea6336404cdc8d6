"""Show what the training step of mb1-ssd cannot undercut: its convolutions alone, kind by kind.

Usage:
    python3 benchmarks/step_limit.py --batch-size 8

Each convolution of the net is timed by itself, forward and backward, on a map of the size that it
sees in the net. FLOP and bytes are those of three passes: the output, and the gradients of input
and weights; every tensor counts once a pass. Beside them stands what the machine can do at best: a
large product of matrices, and a copy of memory.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from compared import Compared, hand_on
from training import make_training, run

if TYPE_CHECKING:
    import torch
    from torch import nn

    from vision.ssd.ssd import SSD

sys.path.insert(0, str(Path(__file__).parents[1]))

ROUNDS = 7  # of which the fastest counts
PASSES = 3  # output, gradient of the input, gradient of the weights
STEPS = 4  # whole steps in a round


class Cost(NamedTuple):
    """What convolutions take together."""

    layers: int
    seconds: float
    flop: float
    bytes: float

    def plus(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(
            self.layers + other.layers,
            self.seconds + other.seconds,
            self.flop + other.flop,
            self.bytes + other.bytes,
        )


NOTHING = Cost(0, 0.0, 0.0, 0.0)


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--batch-size", type=int, default=8, help="pictures (default: 8)")
    parser.add_argument("--resolution", type=int, default=300, help="pixels (default: 300)")
    return parser.parse_args(argv)


def fastest(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest round."""
    work()
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def kind_of(layer: nn.Conv2d) -> str:
    """Return what a convolution is called in the table."""
    size = f"{layer.kernel_size[0]} x {layer.kernel_size[1]}"
    return f"{size}, depthwise" if layer.groups > 1 else size


def maps_seen(net: SSD, images: torch.Tensor) -> list[tuple[nn.Conv2d, torch.Size]]:
    """Return each convolution of a net with the shape of its input."""
    from torch import nn

    seen: list[tuple[nn.Conv2d, torch.Size]] = []

    def note(layer: nn.Conv2d, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
        seen.append((layer, inputs[0].shape))

    hooks = [
        layer.register_forward_hook(note) for layer in net.modules() if isinstance(layer, nn.Conv2d)
    ]
    net(images)
    for hook in hooks:
        hook.remove()
    return seen


def cost_of(layer: nn.Conv2d, shape: torch.Size, is_first: bool) -> Cost:
    """Time a convolution forward and backward; nobody needs the gradient of a picture."""
    import torch

    x = torch.randn(shape).to(memory_format=torch.channels_last).requires_grad_(not is_first)
    gradient = torch.randn_like(layer(x))
    wanted = [one for one in (x, *layer.parameters()) if one.requires_grad]

    def work() -> None:
        torch.autograd.grad(layer(x), wanted, gradient)

    passes = PASSES - is_first
    per_output = 2 * layer.weight[0].numel()
    flop = passes * per_output * gradient.numel()
    size = 4 * passes * (x.numel() + gradient.numel() + layer.weight.numel())
    return Cost(1, fastest(work), flop, size)


def best_of_machine() -> tuple[float, float]:
    """Return FLOP/s of a product of matrices, and bytes/s of a copy, which reads and writes."""
    import torch

    a, large = torch.randn(2048, 2048), torch.randn(32 << 20)
    target = torch.empty_like(large)
    product = 2 * 2048**3 / fastest(lambda: a @ a)
    return product, 2 * 4 * large.numel() / fastest(lambda: target.copy_(large))


def main(args: argparse.Namespace) -> None:
    """Print the table, and what the rest of the step takes."""
    import torch

    from vision.utils.device import keep_freed_memory
    from vision.utils.threads import share_cores

    share_cores()
    keep_freed_memory()
    training, batch = make_training(torch.channels_last, args.batch_size, args.resolution)
    step = fastest(lambda: run(training, batch, STEPS, reads_losses=False)) / STEPS
    kinds: dict[str, Cost] = {}
    pictures = training.net.normalise(batch.images)
    for number, (layer, shape) in enumerate(maps_seen(training.net, pictures)):
        cost = cost_of(layer, shape, is_first=number == 0)
        kinds[kind_of(layer)] = kinds.get(kind_of(layer), NOTHING).plus(cost)
    total = NOTHING
    print("convolutions           layers       ms   GFLOP/s    GB/s   of the step")
    for kind, cost in sorted(kinds.items(), key=lambda item: -item[1].seconds):
        print_row(kind, cost, step)
        total = total.plus(cost)
    print_row("all", total, step)
    product, copy = best_of_machine()
    print(f"{'the machine at best':29} {'':8} {product / 1e9:9.1f} {copy / 1e9:7.1f}")
    print(f"whole step {1000 * step:.1f} ms = {args.batch_size / step:.1f} pictures/s")
    what = f"training step, mb1-ssd, batch {args.batch_size}"
    figures = f"{1000 * step:.0f} ms", f"its convolutions alone, {1000 * total.seconds:.0f} ms"
    hand_on([Compared(what, *figures, step / total.seconds, "")])


def print_row(kind: str, cost: Cost, step: float) -> None:
    """Print what convolutions of a kind take."""
    print(
        f"{kind:22} {cost.layers:6} {1000 * cost.seconds:8.1f} "
        f"{cost.flop / cost.seconds / 1e9:9.1f} {cost.bytes / cost.seconds / 1e9:7.1f} "
        f"{cost.seconds / step:10.0%}"
    )


if __name__ == "__main__":
    main(parse_args())
