"""What run_ssd_example.py and run_ssd_live_demo.py may be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vision.utils.labels import is_background, typed_class_names
from vision.utils.options import (
    ListOf,
    LogOptions,
    Number,
    OneOf,
    Whole,
    option,
    path_or_none,
    switch,
    text,
    text_or_none,
    yes_no,
)
from vision.utils.overrides import Overrides
from vision.utils.text import shown

NOTHING = "none"  # of --output and --overlay
OVERLAYS = "box (or lines), labels, conf, several with commas, or none"
USUAL_NAMES = ("input_0", "scores", "boxes")  # of an exported file's input and outputs


def parts(value: Any) -> tuple[str, ...]:
    """Read the parts of detectnet's --overlay, whose lines are a box; none of them for "none".

    Raises:
        ValueError: for another word.
    """
    if value == NOTHING:
        return ()
    try:
        return ListOf(OneOf("box", "labels", "conf", earlier={"lines": "box"}))(value)
    except ValueError:
        raise ValueError(f"must be {OVERLAYS}, got {shown(value)}") from None


def tokens(value: Any) -> tuple[str, ...]:
    """Read names with commas between them; none of them for an empty text."""
    return tuple(name for name in ListOf(str.strip)(value) if name)


def classes_to_label(value: Any) -> tuple[str, ...]:
    """Read class names with commas between them, without BACKGROUND.

    Raises:
        ValueError: one cannot be the name of a class, or is there twice.
    """
    return tuple(typed_class_names([one for one in tokens(value) if not is_background(one)]))


@dataclass(frozen=True)
class DetectorOptions(Overrides):
    """Detector."""

    model: Path | None = option(
        None, "--model", "--trained-model", kind=path_or_none, metavar="FILE",
        help="a .pth or a .onnx",
    )  # fmt: skip
    model_dir: Path | None = option(
        None, kind=path_or_none, metavar="FOLDER", help="take the best .pth of this folder"
    )
    use_cuda: bool = yes_no(True, help="run a .pth on the GPU if there is one")


@dataclass(frozen=True)
class FinderOptions(DetectorOptions):
    """Boxes."""

    threshold: float | None = option(
        None, kind=Number(0, 1), metavar="SCORE",
        help="score that an object has to exceed (default: 0.4; with detectnet what the export has "
        "measured, or 0.5)",
    )  # fmt: skip
    top_k: int = option(
        10, kind=Whole(-1), metavar="N", help="at most N objects of each class; 0: none, -1: all"
    )
    postprocess: str = option(
        "nms", kind=OneOf("nms", "detectnet"),
        help="nms, or what detectnet does with the same .onnx on a Jetson",
    )  # fmt: skip
    clustering: float | None = option(
        None, kind=Number(0, 1), metavar="OVERLAP",
        help="boxes that overlap more become one: the IoU of nms (default: 0.45), or detectnet's "
        "--clustering (default: what the export has measured, or 0.75)",
    )  # fmt: skip
    input_blob: str = option("input_0", kind=text, metavar="NAME", help="as detectnet's")
    output_cvg: str = option("scores", kind=text, metavar="NAME", help="as detectnet's")
    output_bbox: str = option("boxes", kind=text, metavar="NAME", help="as detectnet's")


def finder_fault(options: FinderOptions) -> str:
    """Return what is wrong with options that do not go together, "" if they do."""
    if options.model and options.model_dir:
        return "name a file with --model or a folder with --model-dir, not both"
    names = (options.input_blob, options.output_cvg, options.output_bbox)
    if options.postprocess == "nms" and names != USUAL_NAMES:
        return f"files with other names than {', '.join(USUAL_NAMES)} need --postprocess=detectnet"
    return ""


@dataclass(frozen=True)
class ExampleOptions(FinderOptions, LogOptions):
    """Result."""

    output: str | None = option(
        None, kind=text_or_none, metavar="PATH",
        help="folder for the drawn pictures and videos, or the file for a single one, or a name "
        "with %i, which becomes a number; 'none' draws nothing (default: run_ssd_example_output "
        "in the current folder)",
    )  # fmt: skip
    exif: str = option(
        "auto", kind=OneOf("auto", "ignore"),
        help="auto turns phone pictures upright, as a camera shows them; ignore takes them as they "
        "are stored, as detectnet reads a file",
    )  # fmt: skip
    overlay: tuple[str, ...] = option(
        ("box", "labels", "conf"), kind=parts, nargs=",", metavar="PARTS",
        help=f"what to draw of an object: {OVERLAYS}",
    )  # fmt: skip
    json: Path | None = option(
        None, kind=path_or_none, metavar="FILE", help="write what was found as JSON"
    )
    csv: Path | None = option(
        None, kind=path_or_none, metavar="FILE",
        help="write what was found as CSV, one object a line",
    )  # fmt: skip
    save_voc: Path | None = option(
        None, kind=path_or_none, metavar="FOLDER",
        help="write pictures and what was found as a new VOC dataset, to correct and train on",
    )  # fmt: skip
    voc_seconds: float = option(
        1.0, kind=Number(0), metavar="SECONDS",
        help="of a video, save one frame per SECONDS with --save-voc, 0 for every frame",
    )  # fmt: skip
    max_frames: int | None = option(
        None, kind=Whole(1), metavar="N", help="stop a video or camera after N frames"
    )
    verbose: bool = switch(help="name each picture of a folder, not only their sum")


@dataclass(frozen=True)
class SourceOptions(FinderOptions):
    """Source."""

    source: str = option(
        "0", kind=text, metavar="SOURCE",
        help="camera (0, /dev/video0, csi://0), video, address (rtsp://, http://), picture, "
        "folder or quoted pattern",
    )  # fmt: skip
    input_width: int | None = option(
        None, kind=Whole(16, 16384), metavar="PIXELS",
        help="width to ask a camera for, with --input-height (default: the camera's own)",
    )  # fmt: skip
    input_height: int | None = option(
        None, kind=Whole(16, 16384), metavar="PIXELS", help="likewise"
    )
    input_rate: float = option(
        0.0, kind=Number(0, 1000), metavar="FPS",
        help="frames per second to ask a camera for, 0 for its own",
    )  # fmt: skip
    repeat: bool | None = yes_no(
        None, help="play a video again and again (default: true on a page, false in a window)"
    )


@dataclass(frozen=True)
class PageOptions(SourceOptions):
    """Page in the browser."""

    serve: str | None = option(
        None, kind=text_or_none, nargs="?", const="8080", metavar="[HOST:]PORT",
        help="show a page instead of a window; 0.0.0.0:8080 lets others on the network see it, "
        "with a token (default: a window; without a screen, a page on port 8080)",
    )  # fmt: skip
    token: str | None = option(
        None, kind=text_or_none,
        help="what opens the page beyond this machine, 8 letters or more (default: a new one)",
    )  # fmt: skip
    allow_host: tuple[str, ...] = option(
        (), kind=tokens, nargs=",", metavar="NAMES",
        help="more names under which browsers may ask for the page, with commas between them",
    )  # fmt: skip
    stream_width: int = option(
        1280, kind=Whole(64, 8192), metavar="PIXELS", help="viewers get no wider pictures"
    )


@dataclass(frozen=True)
class LiveOptions(PageOptions, LogOptions):
    """Saving and labelling."""

    label: Path | None = option(
        None, kind=path_or_none, metavar="FOLDER",
        help="label on the page, into this VOC folder; needs no model",
    )  # fmt: skip
    class_names: tuple[str, ...] = option(
        (), kind=classes_to_label, nargs=",", metavar="NAMES",
        help="classes to label, with commas between them; new ones go behind those of the folder's "
        "labels.txt (default: that, else those of the model, else what is typed on the page)",
    )  # fmt: skip
    output: Path = option(
        Path("live"), kind=path_or_none, metavar="FOLDER", help="snapshots and recordings"
    )
    max_saved_gb: float = option(
        4.0, kind=Number(above=0), metavar="GB",
        help="save at most this much in one run, and never the last half GB of the disk",
    )  # fmt: skip
    quiet: bool = switch(help="do not print a line for every frame")
