"""Measure how fast a split is evaluated, and how fast a million detections are matched.

Usage:
    python3 benchmarks/evaluation.py
    python3 benchmarks/evaluation.py --images 4952 --classes 20 --rounds 1 --one-by-one 0
    python3 benchmarks/evaluation.py --model mb1-ssd.pth --dataset VOC2007 --rounds 3

Without a dataset it draws JPEGs of 1024x768 pixels; above 512 pictures each stands for several.
Without a model it takes an untrained mb1-ssd that finds about 10 boxes of every class in a picture
above a score of 0.01; trained ones find 5 (fruit) to 23 (BCCD). It compares three ways:

- only reading the pictures and running the net on them, which nothing can undercut;
- eval_ssd.py, suppression and all figures included. Goal: within 1.2 times of the first way;
- one picture at a time with suppression in Python, as upstream does. Goal: 5 times its rate.

The report is timed by itself: it costs the same for few and for many pictures. Goal for matching:
a million detections within ten seconds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

import numpy as np
from compared import Compared, hand_on
from untrained import class_names, write_untrained

if TYPE_CHECKING:
    from torch import Tensor

    from vision.checkpoints.detector import Detector
    from vision.datasets.index.annotation_index import AnnotationIndex
    from vision.evaluation.report.tables import Entry

MOST_DRAWN = 512  # pictures
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
    add("--one-by-one", type=int, default=64, metavar="N",
        help="pictures for upstream's way (default: %(default)s; 0: leave it out)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure the ways in turns, as a busy machine then slows all; print the best of each."""
    measure_matching()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.dataset or Path(temporary)
        model = args.model or Path(temporary) / "untrained.pth"
        if args.model is None:
            write_untrained(model, args.classes)
        if args.dataset is None:
            draw_dataset(folder, args.images, args.classes)
        measure_folder(args, model, folder)


def measure_folder(args: argparse.Namespace, model: Path, folder: Path) -> None:
    """Evaluate the folder in each way; print seconds, pictures per second, and ratios."""
    import eval_ssd
    from vision.checkpoints.detector import load_detector
    from vision.datasets.run_data import RunData
    from vision.evaluation.report.files import report_files

    options = eval_ssd.EvalOptions(
        datasets=(folder,), batch_size=args.batch_size, num_workers=args.workers
    )
    data = eval_ssd.open_data(options, RunData())
    loaded = eval_ssd.load_model(model, options)
    predictor = loaded.predictor
    judge = eval_ssd.make_judge(data, loaded.class_names, options, predictor.image_size)
    few = np.arange(min(args.one_by_one, len(data.index)))
    detector, some = load_detector(model), data.index.select(few)
    entries: list[Entry] = []

    def alone() -> int:
        return sum(
            len(predictor.scores_and_boxes(images)[0])
            for images in eval_ssd.image_batches(predictor, data, options)
        )

    def evaluated() -> int:
        # An untrained net is hopeless: measure_model would look for the reason.
        found = eval_ssd.detect_with_nms(predictor, data, options)
        entries[:] = [judge.entry(model.name, found, {})]
        return len(data.pictures)

    def one_by_one() -> int:
        evaluate_one_by_one(detector, some)
        return len(some)

    ways = {"net and reading alone": alone, "eval_ssd.py": evaluated, "one by one": one_by_one}
    if not args.one_by_one:
        del ways["one by one"]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(args.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            pictures = way()
            seconds[name].append((time.perf_counter() - start) / pictures)
    start = time.perf_counter()
    size = sum(len(content) for _, content in report_files("benchmark", entries))
    report = time.perf_counter() - start

    evaluation = entries[0].evaluation
    found = len(evaluation.collection.found)
    print(
        f"{len(data.pictures):,} pictures, {len(evaluation.classes)} classes, {found:,} detections"
    )
    print(f"{'':<24}{'ms per picture':>16}{'ratio':>8}")
    first = min(seconds["net and reading alone"])
    for name in ways:
        print(f"{name:<24}{1000 * min(seconds[name]):>16.1f}{min(seconds[name]) / first:>8.2f}")
    best = {name: min(each) for name, each in seconds.items()}
    ours = f"{1000 * best['eval_ssd.py']:.1f} ms"
    for name, goal in (("net and reading alone", "at most 1.2"), ("one by one", "")):
        if name in best:
            limit, ratio = f"{name}, {1000 * best[name]:.1f} ms", best["eval_ssd.py"] / best[name]
            hand_on([Compared("evaluation of a picture", ours, limit, ratio, goal)])
    print(f"the report: {report:.1f} s, {size / 1e6:.1f} MB")


def measure_matching(count: int = 1_000_000, pictures: int = 5000, classes: int = 20) -> None:
    """Match detections without a net; print the time and the memory that it takes."""
    import resource

    from vision.evaluation.average_precision import rate_matches
    from vision.evaluation.matching import DetectionTable, ObjectTable, match_tables, matches_of

    rng = np.random.default_rng(0)

    def boxes(number: int) -> np.ndarray:
        corners = rng.uniform(0, 250, (number, 2))
        return np.hstack([corners, corners + rng.uniform(10, 200, (number, 2))]).astype(np.float32)

    def labels(number: int) -> np.ndarray:
        return rng.integers(1, classes + 1, number)

    scores = rng.random(count).astype(np.float32)
    rows = np.sort(rng.integers(0, pictures, count))
    order = np.lexsort((-scores, rows))
    found = DetectionTable(boxes(count), labels(count), scores[order], rows)
    number = 3 * pictures
    objects = ObjectTable(
        boxes(number), labels(number), np.zeros(number, bool), np.repeat(np.arange(pictures), 3)
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    matches = matches_of(found, objects, match_tables(found, objects), classes + 1)
    rate_matches(matches, class_names(classes))
    seconds = time.perf_counter() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{count:,} detections matched and rated: {seconds:.1f} s, {memory:.0f} MB more")


def evaluate_one_by_one(detector: Detector, index: AnnotationIndex) -> float:
    """Return the mAP, with full decoding, batches of one, and Python loops over boxes."""
    import cv2
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


def draw_dataset(folder: Path, images: int, classes: int) -> None:
    """Write a VOC folder of textured 1024x768 JPEGs, all in its test part."""
    import os

    import cv2

    rng = np.random.default_rng(0)
    for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    pictures = folder / "JPEGImages"
    for number in range(images):
        if number >= MOST_DRAWN:
            os.link(pictures / f"{number % MOST_DRAWN}.jpg", pictures / f"{number}.jpg")
            continue
        cv2.imwrite(str(pictures / f"{number}.jpg"), draw_picture(rng))
    for number in range(images):
        name, (x, y) = class_names(classes)[1 + number % classes], rng.integers(1, 500, 2)
        box = f"<xmin>{x}</xmin><ymin>{y}</ymin><xmax>{x + 250}</xmax><ymax>{y + 250}</ymax>"
        (folder / "Annotations" / f"{number}.xml").write_text(
            f"<annotation><object><name>{name}</name><bndbox>{box}</bndbox></object></annotation>"
        )
    lines = "".join(f"{number}\n" for number in range(images))
    (folder / "ImageSets" / "Main" / "test.txt").write_text(lines)
    (folder / "labels.txt").write_text("\n".join(class_names(classes)[1:]))


def draw_picture(rng: np.random.Generator) -> np.ndarray:
    """Return a picture of 1024x768 pixels with edges of all sizes."""
    import cv2

    coarse = [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (4, 30, 250)]
    layers = [cv2.resize(one, (1024, 768), interpolation=cv2.INTER_CUBIC) for one in coarse]
    return np.mean(layers, axis=0).astype(np.uint8)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(parse_args())
