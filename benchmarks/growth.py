"""Measure how time and memory grow with the work: pictures, boxes, classes, size of the input.

Usage:
    python3 benchmarks/growth.py
    python3 benchmarks/growth.py --only boxes,classes

Each point is measured in a process of its own, as the best of some rounds on one core. A power of 1
means that ten times the work takes ten times the time; the goal is that no power is above 1.1.
Writes docs/pictures/growth.png.
"""

from __future__ import annotations

import argparse
import atexit
import json
import math
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, NamedTuple, Sequence

import numpy as np
from compared import Compared, hand_on

ROOT = Path(__file__).resolve().parents[1]
PLOT = ROOT / "docs" / "pictures" / "growth.png"
MOST = 1.1  # power of the work
ROUNDS = 5
BATCH, CLASSES, RESOLUTION = 8, 9, 300


class Point(NamedTuple):
    """What one amount of work took."""

    seconds: float
    megabytes: float  # more than before the work, at the peak


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(KINDS), help="(default: %(default)s)")
    parser.add_argument("--point", nargs=2, metavar=("KIND", "AMOUNT"), help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    args.only = args.only.split(",")
    unknown = [name for name in args.only if name not in KINDS]
    if unknown:
        parser.error(f"--only has {unknown[0]}; there are {', '.join(KINDS)}")
    return args


def pictures(amount: int) -> Callable[[], object]:
    """Read and check a table of boxes of this number of pictures, as training does at its start."""
    from annotation_index import NAME, write_table

    from vision.datasets.checks.boxes import check_annotations
    from vision.datasets.checks.problems import Problems
    from vision.datasets.formats.open_images import read_boxes

    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    # In a process of its own, so that the memory for writing does not count.
    writer = multiprocessing.Process(
        target=write_table, args=(Path(folder) / NAME, amount, 8 * amount)
    )
    writer.start()
    writer.join()

    def work() -> object:
        table = read_boxes(Path(folder) / NAME)
        index = table.build(f"{folder}/train/{image_id}.jpg" for image_id in table.rows)
        return check_annotations(index, place, Problems())

    return work


def place(image_id: str, origin: int) -> tuple[str, int | None, str]:
    """Return where a problem of a picture is; there is none."""
    return image_id, origin, image_id


def boxes(amount: int) -> Callable[[], object]:
    """Match a batch whose pictures have this number of boxes, and compute its loss."""
    import torch

    from vision.nn.multibox_loss import MultiboxLoss
    from vision.ssd import create_net
    from vision.training.assignment import ByPrediction
    from vision.transforms import Batch
    from vision.utils.device import keep_freed_memory

    keep_freed_memory()  # as training does
    torch.manual_seed(0)
    net = create_net("mb1-ssd", CLASSES, RESOLUTION)
    corners = torch.rand(BATCH, amount, 2) * 0.8
    objects = torch.cat([corners, corners + 0.02 + 0.18 * torch.rand(BATCH, amount, 2)], dim=2)
    labels = torch.randint(1, CLASSES, (BATCH, amount))
    images, difficult = torch.empty(BATCH, 0), torch.zeros_like(labels, dtype=torch.bool)
    batch = Batch(images, objects, labels, difficult, [""] * BATCH)
    priors = len(net.priors)
    logits, locations = torch.randn(BATCH, priors, CLASSES), torch.randn(BATCH, priors, 4)
    criterion = MultiboxLoss()

    def work() -> object:
        assigned = ByPrediction(net, batch)
        totals = assigned.totals(criterion)
        targets = assigned.targets(slice(None), logits, locations)
        return criterion(logits, locations, targets, totals)

    return work


def classes(amount: int) -> Callable[[], object]:
    """Suppress the overlapping boxes of a picture among this number of classes."""
    import torch

    from vision.utils.device import keep_freed_memory
    from vision.utils.nms import Suppression, nms_per_picture

    keep_freed_memory()  # as programs that detect do
    torch.manual_seed(0)
    priors = 3000
    scores = (2 * torch.randn(1, priors, amount + 1)).softmax(dim=2)
    corners = torch.rand(1, priors, 2) * 250
    found = torch.cat([corners, corners + 10 + 40 * torch.rand(1, priors, 2)], dim=2)
    return lambda: nms_per_picture(scores, found, Suppression())


def resolution(amount: int) -> Callable[[], object]:
    """Detect in a picture of this number of pixels, on the nearest possible square."""
    import torch

    from vision.checkpoints.initial_weights import initialise
    from vision.ssd import create_net
    from vision.ssd.predictor import Predictor
    from vision.utils.device import keep_freed_memory

    keep_freed_memory()  # as programs that detect do
    torch.manual_seed(0)
    side = round(math.sqrt(amount))
    net = create_net("mb1-ssd", CLASSES, side).eval()
    initialise(net)
    predictor = Predictor(net.detect, side, net.config.image_mean, net.config.image_std)
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    return lambda: predictor.predict(image)


class Kind(NamedTuple):
    """Something that grows."""

    prepare: Callable[[int], Callable[[], object]]
    amounts: tuple[int, ...]
    unit: str
    what: str


KINDS = {
    "pictures": Kind(pictures, (1_000, 10_000, 100_000), "pictures", "reading and checking boxes"),
    "boxes": Kind(boxes, (1, 10, 100, 1_000), "boxes a picture", "matching and loss of a batch"),
    "classes": Kind(classes, (1, 6, 60, 600), "classes", "suppression of a picture"),
    "resolution": Kind(
        resolution, tuple(side**2 for side in (160, 300, 512, 1024)), "pixels", "detection"
    ),
}


def measure(kind: str, amount: int) -> Point:
    """Do the work in this process; return what it took."""
    import torch

    torch.set_num_threads(1)
    with torch.inference_mode():
        work = KINDS[kind].prepare(amount)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        times = []
        for _ in range(ROUNDS):
            start = time.process_time()  # other processes do not count
            work()
            times.append(time.process_time() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Point(min(times), (peak - before) / 1024)


def measured(kind: str, amount: int) -> Point:
    """Do the work in a new process; return what it took."""
    command = [sys.executable, __file__, "--point", kind, str(amount)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return Point(*json.loads(output.stdout))


def power(amounts: Sequence[int], seconds: Sequence[float]) -> float:
    """Return the power of the work that the time grows with, between the two largest amounts.

    Below them what every call costs hides how the work grows.
    """
    return math.log(seconds[-1] / seconds[-2]) / math.log(amounts[-1] / amounts[-2])


def draw(found: dict[str, list[Point]]) -> None:
    """Draw time and memory of every kind."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(found), figsize=(3.2 * len(found), 5), squeeze=False)
    for column, (name, points) in enumerate(found.items()):
        kind = KINDS[name]
        rows = [("ms", [1000 * one.seconds for one in points])]
        rows.append(("MB more", [max(one.megabytes, 0.1) for one in points]))
        for row, (unit, values) in enumerate(rows):
            axis = axes[row][column]
            axis.loglog(kind.amounts, values, "o-")
            line = [values[-1] * amount / kind.amounts[-1] for amount in kind.amounts]
            axis.loglog(kind.amounts, line, ":", color="grey", label="as the work")
            axis.set_ylim(0.5 * min(values), 2 * max(values))
            axis.set_ylabel(unit)
            axis.grid(alpha=0.3)
        axes[0][column].set_title(kind.what, fontsize=9)
        axes[1][column].set_xlabel(kind.unit)
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(PLOT, dpi=100)


def main(args: argparse.Namespace) -> int:
    """Print a table and a sentence for each kind; return how many grow faster than the work."""
    if args.point:
        print(json.dumps(measure(args.point[0], int(args.point[1]))))
        return 0
    found = {name: [measured(name, amount) for amount in KINDS[name].amounts] for name in args.only}
    too_fast = 0
    for name, points in found.items():
        kind = KINDS[name]
        print(kind.what)
        for amount, point in zip(kind.amounts, points):
            times = f"{1000 * point.seconds:>10.2f} ms{point.megabytes:>9.1f} MB more"
            print(f"  {amount:>10,} {kind.unit:<16}{times}")
        exponent = power(kind.amounts, [one.seconds for one in points])
        work = kind.amounts[-1] / kind.amounts[-2]
        longer = points[-1].seconds / points[-2].seconds
        print(
            f"  {work:.0f} times the work takes {longer:.1f} times the time: power {exponent:.2f}"
        )
        too_fast += exponent > MOST
        what = f"{kind.what}, {work:.0f} times the {kind.unit}"
        limit = f"{work:.1f} times the work"
        goal = f"at most {work ** (MOST - 1):.2f}"
        hand_on([Compared(what, f"{longer:.1f} times", limit, longer / work, goal)])
    if set(args.only) == set(KINDS):
        draw(found)
    return too_fast


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(parse_args()))
