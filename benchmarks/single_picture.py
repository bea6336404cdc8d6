"""Measure how long the detections of one picture take, against the bare net.

Usage:
    python3 benchmarks/single_picture.py
    python3 benchmarks/single_picture.py --model models/fruit/best.pth models/fruit/mb1-ssd.onnx
    python3 benchmarks/single_picture.py --picture apple.jpg --runs 500

The bare net gets an input that lies ready. Both take turns, as a busy machine then slows both;
medians are printed. Goal: at most 1.15 times the bare net. The parts are timed one after another
in a loop of their own, in the order in which a detection does them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Callable, Sequence

import numpy as np
from compared import Compared, hand_on
from evaluation import draw_picture
from untrained import NET, untrained

if TYPE_CHECKING:
    from vision.ssd.predictor import Predictor

WARM_UP = 10  # runs
MOST = 1.15  # times the bare net


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("--model", type=Path, nargs="+", default=[], metavar="FILE",
        help=f".pth and .onnx files (default: an untrained {NET} as both)")
    add("--picture", type=Path, help="(default: a drawn one of 1024 x 768 pixels)")
    add("--runs", type=int, default=200, help="(default: %(default)s)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Print one line, and the parts, of each model."""
    from vision.pictures.reading import read_picture
    from vision.utils.threads import share_cores

    share_cores()
    image = read_picture(args.picture) if args.picture else draw_picture(np.random.default_rng(0))
    with tempfile.TemporaryDirectory() as folder:
        for model in args.model or untrained(Path(folder)):
            measure(model, image, args.runs)


def measure(model: Path, image: np.ndarray, runs: int) -> None:
    """Time the bare net, the Predictor, and its parts."""
    import torch

    from vision.checkpoints.detector import open_detector
    from vision.utils.device import keep_freed_memory

    keep_freed_memory()  # as programs that detect do
    predictor = open_detector(model).predictor
    bare = bare_net(predictor)
    seconds: dict[str, list[float]] = {"bare net": [], "Predictor": []}
    for _ in range(WARM_UP + runs):
        seconds["bare net"].append(timed(bare)[0])
        seconds["Predictor"].append(timed(predictor.predict, image)[0])
    alone, whole = (1000 * median(one[WARM_UP:]) for one in seconds.values())
    found = len(predictor.predict(image))
    print(f"{model.name}, {torch.get_num_threads()} threads, a picture of {image.shape[1]} x "
          f"{image.shape[0]}, {found} found")  # fmt: skip
    print(f"  bare net {alone:.2f} ms, Predictor {whole:.2f} ms, {whole / alone:.2f} times")
    parts = {name: 1000 * value for name, value in parts_of(predictor, image, runs).items()}
    print("  " + ", ".join(f"{name} {value:.2f} ms" for name, value in parts.items()))
    what, ours = f"detections of one picture, {model.suffix}", f"{whole:.1f} ms"
    hand_on(
        [Compared(what, ours, f"the bare net, {alone:.1f} ms", whole / alone, f"at most {MOST}")]
    )


def parts_of(predictor: Predictor, image: np.ndarray, runs: int) -> dict[str, float]:
    """Return the medians of the parts of a detection, seconds."""
    import cv2
    import torch

    from vision.utils.nms import nms_per_picture

    sides = (predictor.image_size, predictor.image_size)
    seconds: dict[str, list[float]] = {}

    def step(name: str, work: Callable, *given: Any) -> Any:
        taken, outcome = timed(work, *given)
        seconds.setdefault(name, []).append(taken)
        return outcome

    for _ in range(WARM_UP + runs):
        resized = step("stretching", cv2.resize, image, sides)
        planes = step("planes", cv2.split, resized)
        images = torch.from_numpy(np.stack(planes)[None])
        found = step("normalising and the net", predictor.scores_and_boxes, images)
        step("suppression", nms_per_picture, *found, predictor.suppression)
    return {name: median(each[WARM_UP:]) for name, each in seconds.items()}


def bare_net(predictor: Predictor) -> Callable[[], object]:
    """Return a forward pass on an input that lies ready."""
    import torch

    images = torch.rand(1, 3, predictor.image_size, predictor.image_size) * 2 - 1
    session = getattr(predictor.detect, "_session", None)
    if session is not None:
        inputs = {"input_0": images.numpy()}
        return lambda: session.run(["scores", "boxes"], inputs)
    images = images.to(memory_format=torch.channels_last)
    return torch.inference_mode()(lambda: predictor.detect(images))


def timed(work: Callable, *given: Any) -> tuple[float, Any]:
    """Return the seconds that a call takes, and what it returns."""
    start = time.perf_counter()
    outcome = work(*given)
    return time.perf_counter() - start, outcome


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(parse_args())
