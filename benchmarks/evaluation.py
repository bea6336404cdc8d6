"""Measure how fast a split is evaluated, against upstream's way, one picture at a time.

Usage:
    python3 benchmarks/evaluation.py
    python3 benchmarks/evaluation.py --model mb1-ssd.pth --dataset VOC2007 --rounds 3

Without a dataset it draws 1024x768 JPEGs. Without a model it takes an untrained mb1-ssd that finds
about 30 boxes of every class in a picture, like trained ones above a score of 0.01. Goal: 5 times
the rate, on two cores. The ratio grows with the number of classes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

if TYPE_CHECKING:
    from torch import Tensor

    from vision.checkpoints.detector import Detector, OpenDetector
    from vision.datasets.index.annotation_index import AnnotationIndex

SCORE_THRESHOLD, NMS_IOU, CANDIDATES, MATCH_IOU = 0.01, 0.45, 200, 0.5


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("--model", type=Path, help="a .pth that says its classes, or has its labels.txt beside it")
    add("--dataset", type=Path, help="a folder with a test part")
    add("--images", type=int, default=64, help="to draw without --dataset (default: %(default)s)")
    add("--classes", type=int, default=8, help="of the net without --model (default: %(default)s)")
    add("--rounds", type=int, default=3, help="of which the best counts (default: %(default)s)")
    add("--batch-size", type=int, default=4, help="(default: %(default)s)")
    add("--workers", type=int, default=2, help="processes that load (default: %(default)s)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure both ways in turns, as a busy machine then slows both; print the best of each."""
    with ExitStack() as stack:
        folder = args.dataset or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        model = args.model or folder / "untrained.pth"
        if args.model is None:
            write_untrained(model, args.classes)
        if args.dataset is None:
            draw_dataset(folder, args.images, args.classes)
        measure(args, model, folder)


def measure(args: argparse.Namespace, model: Path, folder: Path) -> None:
    """Evaluate the folder in both ways; print pictures per second and the ratio."""
    from vision.checkpoints.detector import load_detector, open_detector
    from vision.datasets.opening import open_split

    detector, loaded = load_detector(model), open_detector(model)
    index = open_split(folder, split="test", class_names=loaded.class_names)
    ways = {
        "one at a time": lambda: evaluate_one_by_one(detector, index),
        "batched": lambda: evaluate_batched(loaded, index, args.batch_size, args.workers),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    means = {}
    for _ in range(args.rounds):
        for name, evaluate in ways.items():
            start = time.perf_counter()
            means[name] = evaluate()
            seconds[name].append(time.perf_counter() - start)
    print(f"{len(index)} pictures, {len(loaded.class_names) - 1} classes")
    print(f"{'':<20}{'pictures/s':>12}{'mAP':>10}")
    for name in ways:
        print(f"{name:<20}{len(index) / min(seconds[name]):>12.1f}{means[name]:>10.4f}")
    print(f"ratio {min(seconds['one at a time']) / min(seconds['batched']):.1f}")


def evaluate_batched(
    loaded: OpenDetector, index: AnnotationIndex, batch_size: int, workers: int
) -> float:
    """Return the mAP, measured like eval_ssd.py."""
    from vision.evaluation.evaluate import evaluate
    from vision.loading.loaders import EpochLoader, LoaderOptions
    from vision.transforms import EvalTransform

    predictor = loaded.predictor
    options = LoaderOptions(batch_size, workers, predictor.device)
    batches = EpochLoader(index, EvalTransform(predictor.image_size), options)
    return evaluate(predictor.predict_tensor, batches, loaded.class_names).mean or 0.0


def evaluate_one_by_one(detector: Detector, index: AnnotationIndex) -> float:
    """Return the mAP, with full decoding, batches of one, and Python loops over boxes."""
    import cv2
    import numpy as np
    import torch

    from vision.evaluation.average_precision import average_precision
    from vision.pictures.reading import read_picture

    net, side = detector.net, detector.net.config.image_size
    found: dict[int, list] = {label: [] for label in range(1, net.num_classes)}
    truths = []
    for picture in range(len(index)):
        image = read_picture(index[picture].path)
        height, width = image.shape[:2]
        truths.append((index[picture].boxes_in_pixels(width, height), index[picture].labels))
        pixels = torch.from_numpy(cv2.resize(image, (side, side)).transpose(2, 0, 1).copy())
        with torch.no_grad():
            scores, boxes = net.detect(net.normalise(pixels[None]))
        boxes = boxes[0] * torch.tensor([width, height, width, height])
        for label, detections in found.items():
            for score, box in suppress_one_by_one(scores[0, :, label], boxes):
                detections.append((score, picture, box))
    precisions = []
    for label, detections in found.items():
        objects = sum(int((labels == label).sum()) for _, labels in truths)
        if objects:
            ranked = match_one_by_one(
                sorted(detections, key=itemgetter(0), reverse=True), truths, label
            )
            precisions.append(average_precision(np.array(ranked), objects))
    return sum(precisions) / max(1, len(precisions))


def suppress_one_by_one(scores: Tensor, boxes: Tensor) -> Iterable[tuple[float, Tensor]]:
    """Yield the score and the box of what hard suppression keeps of one class, best first."""
    from vision.utils.box_utils import box_iou

    candidates = scores > SCORE_THRESHOLD
    scores, boxes = scores[candidates], boxes[candidates]
    order = scores.argsort(descending=True)[:CANDIDATES]
    while len(order):
        best, order = order[0], order[1:]
        yield float(scores[best]), boxes[best]
        order = order[box_iou(boxes[order], boxes[best][None])[:, 0] <= NMS_IOU]


def match_one_by_one(
    detections: Iterable[tuple[float, int, Tensor]], truths: Sequence, label: int
) -> list[bool]:
    """Return for each detection, best first, whether it found an object of its class."""
    import torch

    from vision.utils.box_utils import box_iou

    taken = set()
    hits = []
    for _, picture, box in detections:
        boxes, labels = truths[picture]
        boxes = torch.from_numpy(boxes[labels == label])
        hit = False
        if len(boxes):
            overlap, closest = box_iou(box[None], boxes)[0].max(dim=0)
            hit = float(overlap) > MATCH_IOU and (picture, int(closest)) not in taken
            if hit:
                taken.add((picture, int(closest)))
        hits.append(hit)
    return hits


def write_untrained(path: Path, classes: int) -> None:
    """Write an mb1-ssd whose scores exceed 0.01 about as often as those of a trained one."""
    import torch

    from vision.checkpoints.description import Description
    from vision.checkpoints.weights_file import save_weights
    from vision.ssd import create_net
    from vision.ssd.config import mobilenet_config

    torch.manual_seed(0)
    names = class_names(classes)
    net = create_net("mb1-ssd", len(names))
    for header in net.classification_headers:
        weight, bias = header.parameters()
        torch.nn.init.normal_(weight, std=2)
        torch.nn.init.zeros_(bias)
        bias.data.view(-1, len(names))[:, 0] = 5.3
    save_weights(path, net.state_dict(), Description("mb1-ssd", tuple(names), mobilenet_config()))


def draw_dataset(folder: Path, images: int, classes: int) -> None:
    """Write a VOC folder of textured 1024x768 JPEGs, all in its test part."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for number in range(images):
        coarse = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (4, 30, 250)]
        layers = [cv2.resize(one, (1024, 768), interpolation=cv2.INTER_CUBIC) for one in coarse]
        picture = np.mean(layers, axis=0).astype(np.uint8)
        cv2.imwrite(str(folder / "JPEGImages" / f"{number}.jpg"), picture)
        name, (x, y) = class_names(classes)[1 + number % classes], rng.integers(1, 500, 2)
        box = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + 250}</xmax><ymax>{y + 250}</ymax>"
        (folder / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><object><name>{name}</name><bndbox>{box}</bndbox></object></annotation>"
        )
    lines = "".join(f"{number}\n" for number in range(images))
    (folder / "ImageSets" / "Main" / "test.txt").write_text(lines)
    (folder / "labels.txt").write_text("\n".join(class_names(classes)[1:]))


def class_names(classes: int) -> list[str]:
    """Return names for `classes` classes, BACKGROUND first."""
    return ["BACKGROUND", *(f"class-{number}" for number in range(1, classes + 1))]


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(parse_args())
