"""Measure how fast pictures become training samples on one core, against bare cv2.imread.

    python benchmarks/loading.py
    python benchmarks/loading.py --images 64 --rounds 20 --size 512

Draws textured 1024x768 JPEGs of about 200 KB in a temporary folder, and prints one table. Goal:
TrainTransform reaches 0.9 of the rate of cv2.imread. The row below that says how much of the rest
cv2.resize alone takes, which every net needs.
"""

from __future__ import annotations

import argparse
import functools
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable, NamedTuple

from compared import Compared, hand_on

if TYPE_CHECKING:
    from vision.structures import Annotation

WIDTH, HEIGHT, QUALITY = 1024, 768, 90


class Row(NamedTuple):
    """One line of the table: what was done, and how long it took for one picture."""

    name: str
    milliseconds: float  # of processor time
    ratio: float  # rate against bare cv2.imread


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--images", type=int, default=32, help="pictures to draw")
    parser.add_argument("--rounds", type=int, default=10, help="how often each picture is read")
    parser.add_argument("--size", type=int, default=300, help="side of the network's input, pixels")
    return parser.parse_args(argv)


def measure(images: int = 32, rounds: int = 10, size: int = 300) -> list[Row]:
    """Return one row for cv2.imread, that with cv2.resize, TrainTransform and EvalTransform.

    Args:
        images: how many pictures to draw; they stay in the page cache.
        rounds: how often each is read; all take turns, so that a busy machine slows all down.
        size: side of the network's input, pixels.
    """
    import cv2

    from vision.transforms import EvalTransform, TrainTransform

    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        annotations = [draw_annotation(Path(folder), seed) for seed in range(images)]
        works: dict[str, Callable[[Annotation, int], None]] = {
            "cv2.imread": _read,
            "cv2.imread, cv2.resize": functools.partial(_read_and_resize, size),
            "TrainTransform": functools.partial(_transform, TrainTransform(size)),
            "EvalTransform": functools.partial(_transform, EvalTransform(size)),
        }
        seconds = dict.fromkeys(works, 0.0)
        for round_ in range(rounds + 1):
            for name, work in works.items():
                took = _seconds_for(work, annotations, round_)
                seconds[name] += took if round_ else 0.0  # the first round only warms up
    pictures = images * rounds
    return [
        Row(name, 1000 * seconds[name] / pictures, seconds["cv2.imread"] / seconds[name])
        for name in works
    ]


def draw_annotation(folder: Path, seed: int) -> Annotation:
    """Write a textured JPEG of about 200 KB into `folder` and mark up to four boxes on it."""
    import cv2
    import numpy as np

    from vision.structures import Annotation

    rng = np.random.default_rng(seed)
    picture: np.ndarray = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for cell in (1, 2, 4, 8, 16, 32, 64, 128, 256):
        noise = rng.normal(size=(HEIGHT // cell + 1, WIDTH // cell + 1, 3)).astype(np.float32)
        picture += cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC) * cell**0.3
    picture = cv2.normalize(picture, picture, 0, 255, cv2.NORM_MINMAX)
    path = folder / f"{seed}.jpg"
    cv2.imwrite(str(path), picture.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    count = int(rng.integers(1, 5))
    corners = rng.uniform(0, [0.7 * WIDTH, 0.7 * HEIGHT], (count, 2))
    sides = rng.uniform(0.1, 0.3, (count, 2)) * [WIDTH, HEIGHT]
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return Annotation(str(seed), str(path), boxes, np.ones(count, np.int64), np.zeros(count, bool))


def print_table(rows: list[Row]) -> None:
    """Print the rows under a heading."""
    print(f"{'one core, 1024x768 JPEG':<24}{'ms':>8}{'pictures/s':>12}{'x imread':>10}")
    for row in rows:
        rate = 1000 / row.milliseconds
        print(f"{row.name:<24}{row.milliseconds:>8.2f}{rate:>12.0f}{row.ratio:>10.2f}")


def main(args: argparse.Namespace) -> None:
    """Measure and print."""
    rows = measure(args.images, args.rounds, args.size)
    print_table(rows)
    by_name = {row.name: row for row in rows}
    bare, ours = by_name["cv2.imread"], by_name["TrainTransform"]
    what = "picture to training sample, one core"
    times = f"{ours.milliseconds:.2f} ms", f"cv2.imread {bare.milliseconds:.2f} ms"
    hand_on([Compared(what, *times, ours.ratio, "at least 0.9")])


def _read(annotation: Annotation, round_: int) -> None:
    import cv2

    cv2.imread(annotation.path)


def _read_and_resize(size: int, annotation: Annotation, round_: int) -> None:
    import cv2

    picture = cv2.imread(annotation.path)
    assert picture is not None  # it was drawn just now
    cv2.resize(picture, (size, size))


def _transform(transform: Callable, annotation: Annotation, round_: int) -> None:
    import numpy as np

    transform(annotation, np.random.default_rng([round_, int(annotation.image_id)]))


def _seconds_for(work: Callable, annotations: list[Annotation], round_: int) -> float:
    start = time.process_time()  # other processes do not count
    for annotation in annotations:
        work(annotation, round_)
    return time.process_time() - start


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(parse_args())
