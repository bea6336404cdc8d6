"""Measure a detector on annotated pictures: average precision of every class, and their mean.

Usage:
    python3 eval_ssd.py --model-dir=models/fruit --dataset=data/fruit
    python3 eval_ssd.py --trained_model=models/fruit/ssd-mobilenet.onnx --dataset=data/fruit
    python3 eval_ssd.py --net=mb1-ssd --trained_model=mb1.pth --label_file=labels.txt --dataset=VOC

Takes a .pth or a .onnx, prints the precisions and writes results.json beside the model.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Sequence

from vision.utils.cli import boolean, lower, parse_options, run_main, set_up_logging
from vision.utils.threads import share_cores

if TYPE_CHECKING:
    from vision.checkpoints.detector import OpenDetector
    from vision.evaluation.average_precision import AveragePrecisionResult
    from vision.ssd.predictor import Predictor

logger = logging.getLogger("eval_ssd")


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument_group("detector").add_argument
    add("--trained-model", "--model", type=Path, metavar="FILE", help="a .pth or a .onnx")
    add("--model-dir", type=Path, metavar="FOLDER", help="take the best .pth of this folder")
    add("--net", help="for weights that do not say which net they are (default: what they say)")
    add("--label-file", "--labels", type=Path, metavar="FILE",
        help="class names, for files that do not say them (default: the labels.txt beside)")
    add("--resolution", type=int, metavar="PIXELS",
        help="side of the net's input (default: what the file says, else 300)")
    add("--mb2-width-mult", "--width-mult", type=float, metavar="FACTOR",
        help="of a MobileNetV2 or V3 backbone (default: what the file says)")
    add = parser.add_argument_group("data").add_argument
    add("--dataset", "--datasets", "--data", nargs="+", type=Path, default=[Path("data")],
        metavar="FOLDER", help="one or more dataset folders (default: data)")
    add("--dataset-type", default="auto", type=lower,
        help="auto, or a format of the README's list (default: %(default)s)")
    add("--split", default="test", choices=["train", "val", "test", "all"],
        help="pictures to measure on; where there is no test part, val (default: %(default)s)")
    add("--val-split", type=float, default=0.2, metavar="FRACTION",
        help="as it was trained with, where a folder states no split (default: %(default)s)")
    add("--seed", type=int, default=0,
        help="as it was trained with, where a folder states no split (default: %(default)s)")
    add = parser.add_argument_group("measure").add_argument
    add("--use-2007-metric", type=boolean, nargs="?", const=True, default=True, metavar="BOOL",
        help="the mean of 11 points of the curve, else the area under it (default: true)")
    add("--iou-threshold", type=float, default=0.5, metavar="IOU",
        help="overlap that a found object has to exceed (default: %(default)s)")
    add("--nms-method", default="hard", choices=["hard", "soft"],
        help="suppression of overlapping boxes (default: %(default)s)")
    add("--eval-dir", type=Path, metavar="FOLDER",
        help="where results.json goes (default: beside the model)")
    add = parser.add_argument_group("run").add_argument
    add("--batch-size", type=int, metavar="PICTURES", help="(default: 4, on a GPU 32)")
    add("--num-workers", "--workers", type=int, default=2, metavar="PROCESSES",
        help="that load pictures, 0 for none (default: %(default)s)")
    add("--use-cuda", type=boolean, nargs="?", const=True, default=True, metavar="BOOL",
        help="run a .pth on the GPU if there is one (default: true)")
    add("--debug", action="store_true", help="show the traceback of a failure")
    # fmt: on
    args = parse_options(parser, argv)
    if (args.trained_model is None) == (args.model_dir is None):
        parser.error("name either a file with --trained-model or a folder with --model-dir")
    if args.num_workers < 0 or (args.batch_size is not None and args.batch_size < 1):
        parser.error("--batch-size must be 1 or more and --num-workers 0 or more")
    if not 0 <= args.iou_threshold < 1:
        parser.error(f"--iou-threshold must be from 0 to less than 1, got {args.iou_threshold}")
    return args


def main(args: argparse.Namespace) -> None:
    """Load the detector, open the split, measure, print, and write the results."""
    set_up_logging()
    share_cores()
    from vision.datasets.checks.picture_scan import PictureScanner, default_cache_folder
    from vision.datasets.checks.pictures import PictureChecks
    from vision.datasets.opening import open_split
    from vision.datasets.selection import Selection
    from vision.evaluation.evaluate import evaluate

    loaded = load_model(args)
    index = open_split(
        args.dataset,
        args.dataset_type,
        args.split,
        loaded.class_names,
        Selection(val_split=args.val_split, seed=args.seed),
        PictureChecks(PictureScanner(default_cache_folder()), "auto"),
    )
    if not len(index):
        raise ValueError(f"there is no picture to measure on in the {args.split} part")
    batches = make_batches(args, index, loaded.predictor)
    result = evaluate(
        loaded.predictor.predict_tensor,
        batches,
        loaded.class_names,
        args.iou_threshold,
        args.use_2007_metric,
    )
    print("\n".join(["", *report_lines(result)]))
    path = (args.eval_dir or loaded.path.parent) / "results.json"
    write_results(path, result, facts(args, loaded, len(index)))
    logger.info("Results written to %s", path.absolute())


def load_model(args: argparse.Namespace) -> OpenDetector:
    """Load the file that was named, or the best of the folder."""
    from vision.checkpoints.detector import detector_file, open_detector
    from vision.utils.device import select_device
    from vision.utils.nms import Suppression
    from vision.utils.overrides import Overrides

    path = detector_file(args.trained_model or args.model_dir)
    device = select_device(args.use_cuda and path.suffix.lower() != ".onnx")
    overrides = Overrides(args.net, args.label_file, args.resolution, args.mb2_width_mult)
    loaded = open_detector(path, overrides, Suppression(method=args.nms_method), device)
    side = loaded.predictor.image_size
    logger.info("Loaded %s, %d x %d pixels.", path.absolute(), side, side)
    return loaded


def make_batches(args: argparse.Namespace, index, predictor: Predictor) -> Iterable:
    """Return batches of whole pictures, with a progress bar on a terminal."""
    from tqdm import tqdm

    from vision.loading.loaders import EpochLoader, LoaderOptions
    from vision.transforms import EvalTransform

    # On a CPU the maps of a larger batch no longer fit its cache.
    batch_size = args.batch_size or (32 if predictor.device.type == "cuda" else 4)
    workers = min(args.num_workers, -(-len(index) // batch_size))
    options = LoaderOptions(batch_size, workers, predictor.device)
    loader = EpochLoader(index, EvalTransform(predictor.image_size), options)
    return tqdm(loader, desc="Evaluating", unit="batch", disable=not sys.stderr.isatty())


def report_lines(result: AveragePrecisionResult) -> list[str]:
    """Return upstream's closing block."""
    lines = ["Average Precision Per-class:"]
    for one in result.classes:
        if one.average_precision is None:
            lines.append(f"    {one.name}: n/a (no objects in this split)")
        else:
            lines.append(f"    {one.name}: {one.average_precision:.4f}")
    mean = "n/a" if result.mean is None else f"{result.mean:.4f}"
    return [*lines, "", f"Average Precision Across All Classes:{mean}"]


def facts(args: argparse.Namespace, loaded: OpenDetector, pictures: int) -> dict:
    """Return what the results depend on."""
    return {
        "model": str(loaded.path.absolute()),
        "resolution": loaded.predictor.image_size,
        "datasets": [str(path.absolute()) for path in args.dataset],
        "split": args.split,
        "pictures": pictures,
        "nms_method": args.nms_method,
    }


def write_results(path: Path, result: AveragePrecisionResult, about: dict) -> None:
    """Write the results as JSON; null is the precision of a class without objects."""
    from dataclasses import asdict

    from vision.utils.files import atomic_write

    values = asdict(result)
    values = {"mAP": values.pop("mean"), **about, **values}
    with atomic_write(path) as temporary:
        text = json.dumps(values, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
