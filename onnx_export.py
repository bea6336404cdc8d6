"""Turn trained weights into the ONNX file that NVIDIA's detectnet loads, and prove it right.

Usage:
    python3 onnx_export.py --model-dir=models/fruit --nms
    python3 onnx_export.py --input=models/fruit/best.pth --output=fruit.onnx
    python3 onnx_export.py --check=models/fruit/ssd-mobilenet.onnx

It writes ssd-mobilenet.onnx (NET.onnx for nets but mb1-ssd), labels.txt and detectnet.txt beside
the weights, or where --output says, if the file passes the checks of what detectnet needs and gives
the same numbers as the net. If it fails, it changes nothing. See docs/export.md.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from vision.datasets.options import DataOptions
from vision.deploy.nms import IOU_RANGE, MOST_CANDIDATES, GraphNms
from vision.deploy.targets import DEFAULT_TARGET, EXPORTABLE_OPSETS, TARGETS
from vision.utils.cli import parse_options, require_partners, run_main, set_up_logging
from vision.utils.options import (
    INPUT_SIDES,
    LogOptions,
    Number,
    OneOf,
    Options,
    Whole,
    add_options,
    option,
    path,
    path_or_none,
    switch,
    text_or_none,
)
from vision.utils.overrides import Overrides

if TYPE_CHECKING:
    from vision.checkpoints.detector import Detector
    from vision.datasets.index.annotation_index import AnnotationIndex
    from vision.deploy.command import DetectNetCommand
    from vision.deploy.export import CheckedModel, ExportSettings
    from vision.deploy.tuning import Tuning

logger = logging.getLogger(__name__)

MOST_NAMES = 8  # classes in a message
# What the checks of a file look at, beside it.
CHECK_OPTIONS = {"check", "labels", "target", "log_level", "debug"}
PRECAUTION = (
    "JetPack 6.1 and newer: detectnet needs pull request 1925 of jetson-inference for any ONNX."
)


@dataclass(frozen=True)
class WeightsOptions(Overrides):
    """What is exported."""

    model_dir: Path | None = option(
        None, kind=path_or_none, metavar="FOLDER", help="model directory; its best checkpoint"
    )
    input: Path | None = option(
        None, kind=path_or_none, metavar="FILE", help="weights; a bare name is in --model-dir"
    )
    width: int | None = option(None, kind=INPUT_SIDES, help="the same as --resolution")
    height: int | None = option(None, kind=INPUT_SIDES, help="the same as --resolution")


@dataclass(frozen=True)
class FileOptions(Options):
    """The file."""

    output: str | None = option(
        None,
        kind=text_or_none,
        metavar="PATH",
        help="file, or folder with a / at its end; a bare file name is in --model-dir",
    )
    nms: float | None = option(
        None,
        nargs="?",
        const=GraphNms.iou_threshold,
        kind=Number(*IOU_RANGE),
        metavar="IOU",
        help="put non-maximum suppression into the graph, so that detectnet shows one box an "
        "object: a box goes if its IoU with a better one is over this "
        f"({GraphNms.iou_threshold:g} if no value is given)",
    )
    nms_candidates: int = option(
        GraphNms.candidates,
        kind=Whole(1, MOST_CANDIDATES),
        metavar="N",
        help="with --nms: the best N boxes are looked at",
    )
    nms_across_classes: bool = switch(
        help="with --nms: a box also goes because of a better one of another class"
    )
    target: str | None = option(
        None,
        kind=OneOf(*TARGETS),
        help="TensorRT that must read the file "
        f"(default: every one from {DEFAULT_TARGET.option} on)",
    )
    opset: int | None = option(
        None,
        kind=Whole(EXPORTABLE_OPSETS[0], EXPORTABLE_OPSETS[-1]),
        metavar="N",
        help="ONNX opset (default: 11, or the target's)",
    )
    batch_size: int = option(
        1, kind=Whole(1), metavar="N", help="pictures at once; detectnet needs 1"
    )


@dataclass(frozen=True)
class TuningOptions(DataOptions):
    """Measuring what detectnet will show."""

    data: tuple[Path, ...] | None = option(
        None,
        nargs="+",
        kind=path,
        metavar="FOLDER",
        help="dataset folders; their validation part is measured on (default: that of the run "
        "that trained the weights)",
    )
    tune_pictures: int = option(
        200,
        kind=Whole(0),
        metavar="N",
        help="measure on N pictures, well under a minute for 200; 0 for none",
    )


@dataclass(frozen=True)
class ExportOptions(LogOptions, TuningOptions, FileOptions, WeightsOptions):
    """All options of an export."""

    check: Path | None = option(
        None,
        kind=path_or_none,
        metavar="FILE",
        help="export nothing; check whether detectnet can use this ONNX file, of ours or not",
    )


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what was typed; the defaults stand in ExportOptions."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add_options(parser, ExportOptions)
    args = parse_options(parser, argv, ExportOptions)
    if not {"model_dir", "input", "check"} & set(vars(args)):
        parser.error("name a --model-dir or a weights file with --input, or a file to --check")
    require_partners(parser, args, {"nms_candidates": "nms", "nms_across_classes": "nms"})
    others = sorted(set(vars(args)) - CHECK_OPTIONS)
    if "check" in args and others:
        parser.error(f"--check exports nothing; leave --{others[0].replace('_', '-')} out")
    return args


def main(args: argparse.Namespace) -> int:
    """Check a file, or export one; return the exit status."""
    options = ExportOptions.of(vars(args))
    set_up_logging(options.log_level)
    if options.check:
        return check_file(options.check, options.labels, options.target)
    export(options, vars(args))
    return 0


def check_file(model: Path, labels: Path | None, target_name: str | None) -> int:
    """Print a table of all checks; return 1 if there is an error."""
    from vision.deploy.onnx_reading import read_model
    from vision.deploy.readiness.candidate import ERROR
    from vision.deploy.readiness.readiness import guess_bindings, judge, open_candidate
    from vision.deploy.readiness.table import check_table

    beside = model.with_name("labels.txt")
    labels = labels or (beside if beside.is_file() else None)
    target = TARGETS[target_name] if target_name else DEFAULT_TARGET
    candidate = open_candidate(model, labels, guess_bindings(read_model(model)), target)
    verdicts = judge(candidate)
    print("\n".join(check_table(verdicts, model, target)))
    if target.needs_patched_detectnet:
        print(PRECAUTION)
    return int(any(finding.severity == ERROR for v in verdicts for finding in v.findings))


def export(options: ExportOptions, typed: Mapping[str, Any]) -> None:
    """Load, export, measure, write the files together, and say how to use them."""
    side = square_side(options.width, options.height, options.resolution)
    from vision.checkpoints.detector import load_detector
    from vision.deploy.command import NOTE, DetectNetCommand, remove_note, settings_text
    from vision.deploy.export import make_checked, remove_engines
    from vision.deploy.readiness.candidate import LabelFile
    from vision.deploy.tuning import DEFAULTS, labels_to_measure, tuning_lines
    from vision.loading.held_out import open_held_out
    from vision.utils.files import require_place, write_together
    from vision.utils.labels import write_labels

    settings = export_settings(options)
    weights = find_weights(options.input, options.model_dir)
    logger.info("loading checkpoint: %s", weights)
    named = labels_named(options.labels, options.model_dir)
    detector = load_detector(weights, options.replace(resolution=side, labels=named))
    output = output_path(options.output, options.model_dir, detector)
    labels, note = output.with_name("labels.txt"), output.with_name(NOTE)
    for file in (output, labels, note):
        require_place(file)
    class_names = list(detector.description.class_names)
    require_same_names(labels, class_names, output)
    index, names_shown = None, []
    if settings.batch_size == 1 and options.tune_pictures:
        index = open_held_out(weights.parent, options.data, typed)
    if index:
        names_shown = labels_to_measure(class_names, index.boxes_per_class())
        index = index.with_classes(class_names)

    with write_together() as place:
        write_labels(place(labels), class_names)
        logger.info("exporting model to ONNX...")
        label_file = LabelFile(labels, place(labels).read_bytes())
        made = make_checked(detector.net, output, settings, label_file)
        tuning = measure(made, index, names_shown, options.tune_pictures) if index else None
        chosen = tuning.chosen if tuning else DEFAULTS
        measured = tuning_lines(tuning) if tuning else ["Not measured: give --data=FOLDER."]
        command = DetectNetCommand(output, labels, chosen)
        place(output).write_bytes(made.with_settings(chosen) if tuning else made.content)
        if settings.batch_size == 1:
            place(note).write_text(settings_text(command, measured), encoding="utf-8")
    remove_engines(output)
    if settings.batch_size != 1:
        remove_note(output)

    logger.info("model exported to: %s", output)
    for warning in made.warnings:
        logger.warning("warning: %s", warning)
    describe(made, output, detector, settings)
    if settings.batch_size == 1:
        print("\n".join(["", *measured]))
        tell_how_to_use(command)


def export_settings(options: ExportOptions) -> ExportSettings:
    """Return the kind of file that the options ask for."""
    from vision.deploy.export import ExportSettings

    nms = None
    if options.nms is not None:
        nms = GraphNms(options.nms, options.nms_candidates, options.nms_across_classes)
    target = TARGETS[options.target] if options.target else None
    if target and options.opset and not target.first_opset <= options.opset <= target.last_opset:
        lowest = max(target.first_opset, EXPORTABLE_OPSETS[0])
        raise ValueError(
            f"--opset must be {lowest} to {target.last_opset} for --target={target.option}, it was "
            f"{options.opset}; leave --opset out"
        )
    opset = options.opset or (target.export_opset if target else ExportSettings.opset)
    return ExportSettings(opset, options.batch_size, target, nms)


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
    from vision.checkpoints.detector import WEIGHTS, detector_file

    if name is not None:
        return detector_file(_in_folder(model_dir, name), WEIGHTS)
    return detector_file(model_dir or Path(), WEIGHTS)


def labels_named(name: Path | None, model_dir: Path | None) -> Path | None:
    """Return the list of class names that was named; a bare name is in the model directory too."""
    there = _in_folder(model_dir, name) if name else None
    return name if name and there and name.is_file() and not there.is_file() else there


def output_path(name: str | None, model_dir: Path | None, detector: Detector) -> Path:
    """Return where the file goes: as named, else beside the weights under the net's usual name."""
    from vision.ssd import NET_ALIASES

    usual_names = {net: alias for alias, net in NET_ALIASES.items()}
    net = detector.description.net
    default = f"{usual_names.get(net, net)}.onnx"
    if name is None:
        return detector.path.with_name(default)
    path = Path(name)
    if path.is_dir() or name.endswith(("/", os.sep)):
        return path / default
    if path.suffix.lower() != ".onnx":
        raise ValueError(f"--output must be called *.onnx, or end in / for a folder, it is {name}")
    return _in_folder(model_dir, path)


def _in_folder(model_dir: Path | None, name: Path) -> Path:
    is_bare = name.parent == Path() and not name.is_absolute()
    return model_dir / name if model_dir and is_bare else name


def require_same_names(path: Path, class_names: Sequence[str], output: Path) -> None:
    """Refuse to replace the labels.txt of something else: its boxes would get our names.

    Raises:
        ValueError: if there is one with other names, or in another order.
    """
    from vision.utils.labels import read_labels_for
    from vision.utils.text import first_few

    if not path.exists():
        return
    try:
        there = read_labels_for(path, len(class_names))
    except ValueError as error:
        raise ValueError(
            f"the class names cannot be put there: {error}; {_elsewhere(output)}"
        ) from None
    if there != list(class_names):
        fault = "names other classes" if set(there) != set(class_names) else "has another order"
        raise ValueError(
            f"{path} ({first_few(there[1:], MOST_NAMES)}) {fault} than the weights "
            f"({first_few(class_names[1:], MOST_NAMES)}), and what else lies there may need it; "
            f"{_elsewhere(output)}, or remove that file if nothing does"
        )


def _elsewhere(output: Path) -> str:
    return f"choose another folder, such as --output={output.with_suffix('')}/"


def measure(
    made: CheckedModel, index: AnnotationIndex, labels: Sequence[str], count: int
) -> Tuning:
    """Run detectnet's arithmetic over pictures of an index, with a progress bar on a terminal."""
    import onnx
    from tqdm import tqdm

    from vision.deploy.tuning import tune
    from vision.loading.held_out import spread_samples

    count = min(count, len(index))
    logger.info("measuring what detectnet shows on %d validation pictures...", count)
    samples = spread_samples(index, count)
    bar = tqdm(samples, total=count, unit="picture", disable=not sys.stderr.isatty())
    return tune(onnx.load_model_from_string(made.content), bar, labels)


def describe(
    made: CheckedModel, output: Path, detector: Detector, settings: ExportSettings
) -> None:
    """Print what the file is and how exact."""
    classes, side = len(detector.description.class_names), detector.net.config.image_size
    print(f"{output} with {classes} classes ({classes - 1} + background)")
    print(f"  input_0 [3,{side},{side}] -> scores [{made.rows},{classes}], boxes [{made.rows},4]")
    if settings.nms:
        scope = "across classes" if settings.nms.across_classes else "class by class"
        print(f"  NMS inside: IoU {settings.nms.iou_threshold:g}, {scope}")
    largest = max(max(differences) for differences in made.differences.values())
    print(f"  equal to {detector.path} within {largest:.1e}, measured with onnxruntime")
    print(f"  opset {settings.opset}: read by {made.target} and what is newer")


def tell_how_to_use(command: DetectNetCommand) -> None:
    """Print the command and the Python lines that load the file on a Jetson."""
    print("\nOn the Jetson, for a camera, video or pictures:")
    print(f"  {command.shell()}")
    print("In Python there:")
    for line in command.python():
        print(f"  {line}")
    print(PRECAUTION)


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
