"""The options of an evaluation that need no dataset: what is measured, how, and what is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vision.utils.options import (
    Number,
    OneOf,
    Options,
    Whole,
    option,
    path,
    path_or_none,
    switch,
    yes_no,
)
from vision.utils.overrides import Overrides

RESULTS_FOLDER = "evaluation"  # beside the detector


@dataclass(frozen=True)
class MeasuredOptions(Overrides):
    """What is measured."""

    model: tuple[Path, ...] = option(
        (),
        *("--model", "--trained-model"),
        nargs="+",
        kind=path,
        metavar="FILE",
        help="a .pth, a .onnx or a model directory; several are compared",
    )
    model_dir: Path | None = option(
        None, kind=path_or_none, metavar="FOLDER", help="take the best .pth of this folder"
    )
    detections: tuple[Path, ...] = option(
        (),
        nargs="+",
        kind=path,
        metavar="FILE",
        help="detections in COCO's notation, from --save-detections or collected on the board",
    )


@dataclass(frozen=True)
class MeasureOptions(Options):
    """How it is measured."""

    pipeline: str = option(
        "nms",
        kind=OneOf("nms", "detectnet", "both"),
        help="what follows the net: suppression, or what detectnet does on a Jetson",
    )
    conf: float | None = option(
        None,
        *("--conf", "--threshold"),
        kind=Number(0, 1),
        metavar="SCORE",
        help="count precision and recall from this score on (default: where F1 is best)",
    )
    clustering: float | None = option(
        None,
        kind=Number(0, 1),
        metavar="RATIO",
        help="detectnet's --clustering beside its default (default: that of the file, or the best)",
    )
    iou_threshold: float = option(
        0.5,
        *("--iou", "--iou-threshold"),
        kind=Number(0, below=1),
        metavar="IOU",
        help="overlap that a right detection has to exceed",
    )
    use_2007_metric: bool = yes_no(
        True,
        help="average precision from 11 points of the curve; false: the area under it",
    )
    nms_method: str = option("hard", kind=OneOf("hard", "soft"), help="kind of suppression")


@dataclass(frozen=True)
class OutputOptions(Options):
    """What is written."""

    eval_dir: Path | None = option(
        None,
        kind=path_or_none,
        metavar="FOLDER",
        help=f"folder of report and results (default: {RESULTS_FOLDER}, beside the detector)",
    )
    save_detections: Path | None = option(
        None, kind=path_or_none, metavar="FILE", help="write the detections, in COCO's notation"
    )
    no_report: bool = switch(help="write the figures alone, without report and plots")
    tensorboard: bool = switch(help="write the figures for TensorBoard too")


@dataclass(frozen=True)
class SpeedOptions(Options):
    """How it runs."""

    batch_size: int | None = option(
        None, kind=Whole(1), metavar="N", help="pictures per batch (default: 4, on a GPU 32)"
    )
    num_workers: int = option(
        2,
        *("--workers", "--num-workers"),
        kind=Whole(0),
        metavar="N",
        help="processes that load pictures; 0: none",
    )
    use_cuda: bool = yes_no(True, help="use the GPU if there is one")
