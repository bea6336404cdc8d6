"""Turn trained weights into the ONNX file that NVIDIA's detectnet loads, and prove it right.

Usage:
    python3 onnx_export.py --model-dir=models/fruit
    python3 onnx_export.py --input=models/fruit/best.pth --output=fruit.onnx

It writes ssd-mobilenet.onnx (NET.onnx for nets but mb1-ssd) and labels.txt, beside the weights or
where --output says. The file gets its name only after it has passed the checks of what detectnet
needs, and has given the same numbers as the net. docs/export.md tells more.
"""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from vision.utils.cli import parse_options, run_main, set_up_logging

if TYPE_CHECKING:
    from vision.checkpoints.detector import Detector
    from vision.deploy.export import ExportReport

logger = logging.getLogger(__name__)

PRECAUTION = (
    "JetPack 6.1 and newer: detectnet needs pull request 1925 of jetson-inference for any ONNX."
)


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    group = parser.add_argument_group("weights")
    group.add_argument(
        "--model-dir", type=Path, help="model directory; its best checkpoint is taken"
    )
    group.add_argument("--input", type=Path, help="weights file; a bare name is one in --model-dir")
    group.add_argument("--net", help="name of the net (default: what the weights say)")
    group.add_argument(
        "--labels", type=Path, help="class names, for weights that do not say them (labels.txt)"
    )
    group.add_argument(
        "--mb2-width-mult", type=float, help="width of mb2 and mb3 (default: what the weights say)"
    )
    group = parser.add_argument_group("input of the net")
    group.add_argument(
        "--resolution", type=int, help="side in pixels (default: what it was trained with)"
    )
    group.add_argument("--width", type=int, help="the same as --resolution; nets are square")
    group.add_argument("--height", type=int, help="the same as --resolution; nets are square")
    group.add_argument(
        "--batch-size", type=int, default=1, help="pictures at once; detectnet needs 1 (default: 1)"
    )
    group = parser.add_argument_group("file")
    group.add_argument(
        "--output",
        type=Path,
        help="file to write; a bare name goes to --model-dir if that is given",
    )
    group.add_argument(
        "--opset", type=int, default=11, help="ONNX opset; more than 11 is for new TensorRT only"
    )
    group.add_argument("--debug", action="store_true", help="show the traceback of a failure")
    args = parse_options(parser, argv)
    if args.model_dir is None and args.input is None:
        parser.error("name a model directory with --model-dir, or a weights file with --input")
    return args


def main(args: argparse.Namespace) -> None:
    """Load, export, and say how to use the file."""
    set_up_logging()
    resolution = square_side(args.width, args.height, args.resolution)

    from vision.checkpoints.detector import Overrides, load_detector
    from vision.deploy.export import export_onnx
    from vision.utils.labels import write_labels

    weights = find_weights(args.input, args.model_dir)
    logger.info("loading checkpoint: %s", weights)
    overrides = Overrides(args.net, args.labels, resolution, args.mb2_width_mult)
    detector = load_detector(weights, overrides)

    output = output_path(args.output, args.model_dir, detector)
    labels_path = output.with_name("labels.txt")
    write_labels(labels_path, detector.description.class_names)
    logger.info("exporting model to ONNX...")
    report = export_onnx(detector.net, output, args.opset, args.batch_size, labels_path)
    logger.info("model exported to: %s", output)
    for warning in report.warnings:
        logger.warning("warning: %s", warning)
    describe(report, detector, args.opset)
    if args.batch_size == 1:
        tell_how_to_use(output, labels_path)


def square_side(width: int | None, height: int | None, resolution: int | None) -> int | None:
    """Return the one side that was asked for; None if none was."""
    given = {"--width": width, "--height": height, "--resolution": resolution}
    given = {option: side for option, side in given.items() if side is not None}
    if len(set(given.values())) > 1:
        options = " ".join(f"{option}={side}" for option, side in given.items())
        raise ValueError(
            f"the input of a net must be square, got {options}; detectnet stretches every picture"
            " to that square, as training did: give one --resolution"
        )
    return next(iter(given.values()), None)


def find_weights(name: Path | None, model_dir: Path | None) -> Path:
    """Return the file to load: the one that was named, else the best in the model directory."""
    from vision.checkpoints.detector import best_checkpoint

    if name is not None:
        return model_dir / name if model_dir and _is_bare(name) else name
    if model_dir is not None:
        return best_checkpoint(model_dir)
    raise ValueError("name a model directory with --model-dir, or a weights file with --input")


def output_path(name: Path | None, model_dir: Path | None, detector: Detector) -> Path:
    """Return where the file goes: as named, else beside the weights under the net's usual name."""
    from vision.ssd import NET_ALIASES

    usual_names = {net: alias for alias, net in NET_ALIASES.items()}
    net = detector.description.net
    default = f"{usual_names.get(net, net)}.onnx"
    if name is None:
        return detector.path.with_name(default)
    if name.is_dir():
        return name / default
    return model_dir / name if model_dir and _is_bare(name) else name


def _is_bare(name: Path) -> bool:
    return name.parent == Path() and not name.is_absolute()


def describe(report: ExportReport, detector: Detector, opset: int) -> None:
    """Print what the file is and how exact."""
    classes = len(detector.description.class_names)
    side, priors = detector.net.config.image_size, len(detector.net.get_buffer("priors"))
    print(f"{report.path} with {classes} classes ({classes - 1} + background)")
    print(f"  input_0 [3,{side},{side}] -> scores [{priors},{classes}], boxes [{priors},4]")
    largest = max(max(differences) for differences in report.differences.values())
    print(f"  equal to {detector.path} within {largest:.1e}, measured with onnxruntime")
    print(f"  opset {opset}: read by {report.target} and what is newer")


def tell_how_to_use(model: Path, labels: Path) -> None:
    """Print the command and the Python line that load the file on a Jetson."""
    keywords = {
        "model": str(model),
        "labels": str(labels),
        "input_blob": "input_0",
        "output_cvg": "scores",
        "output_bbox": "boxes",
    }
    words = [f"--{name.replace('_', '-')}={value}" for name, value in keywords.items()]
    arguments = ", ".join(f"{name}={json.dumps(value)}" for name, value in keywords.items())
    print("\nOn the Jetson, for a camera, video or pictures:")
    print("  detectnet " + " ".join(map(shlex.quote, words)) + " INPUT OUTPUT")
    print("In Python there:")
    print(f"  net = jetson_inference.detectNet({arguments})")
    print(PRECAUTION)


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
