"""Find objects in pictures and draw what was found.

Usage:
    python3 run_ssd_example.py NET MODEL LABELS PICTURE
    python3 run_ssd_example.py --model-dir=models/fruit PICTURE [PICTURE ...]
    python3 run_ssd_example.py --model=models/fruit/ssd-mobilenet.onnx FOLDER 'more/*.jpg'

A picture comes out as run_ssd_example_output.jpg in the current folder; several pictures come out
under their own names in the folder run_ssd_example_output.
"""

from __future__ import annotations

import argparse
import glob
import logging
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterator, Sequence

from vision.pictures.suffixes import PICTURE_SUFFIXES
from vision.utils.cli import boolean, parse_options, run_main, set_up_logging

if TYPE_CHECKING:
    import numpy as np

    from vision.structures import Detections

    Find = Callable[[np.ndarray], Detections]

logger = logging.getLogger("run_ssd_example")

OUTPUT_NAME = "run_ssd_example_output"
KEPT_SUFFIXES = frozenset([".jpg", ".jpeg", ".png"])  # others come out as .jpg


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the options; four positionals without a model option are upstream's."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    parser.add_argument("pictures", nargs="+", metavar="PICTURE",
        help="picture, folder or quoted pattern; or NET MODEL LABELS PICTURE")
    add = parser.add_argument_group("detector").add_argument
    add("--model", "--trained-model", type=Path, metavar="FILE", help="a .pth or a .onnx")
    add("--model-dir", type=Path, metavar="FOLDER", help="take the best .pth of this folder")
    add("--net", help="for weights that do not say which net they are (default: what they say)")
    add("--labels", "--label-file", type=Path, metavar="FILE",
        help="class names, for files that do not say them (default: the labels.txt beside)")
    add("--resolution", type=int, metavar="PIXELS",
        help="side of the net's input (default: what the file says, else 300)")
    add("--mb2-width-mult", "--width-mult", type=float, metavar="FACTOR",
        help="of a MobileNetV2 or V3 backbone (default: what the file says)")
    add = parser.add_argument_group("result").add_argument
    add("--output", type=Path, metavar="PATH",
        help="folder for the drawn pictures, or the file for a single one")
    add("--top-k", type=int, default=10, metavar="COUNT",
        help="at most so many objects of each class, -1 for all (default: %(default)s)")
    add("--threshold", type=float, default=0.4, metavar="SCORE",
        help="score that an object has to exceed, 0 to 1 (default: %(default)s)")
    add("--postprocess", default="nms", choices=sorted(FINDERS),
        help="nms, or what detectnet does with the same .onnx on a Jetson (default: %(default)s)")
    add("--use-cuda", type=boolean, default=True, metavar="BOOL",
        help="run a .pth on the GPU if there is one (default: true)")
    add("--debug", action="store_true", help="show the traceback of a failure")
    # fmt: on
    args = parse_options(parser, argv)
    if not 0 <= args.threshold <= 1:
        parser.error(f"--threshold must be from 0 to 1, got {args.threshold}")
    if args.model and args.model_dir:
        parser.error("name a file with --model or a folder with --model-dir, not both")
    if not (args.model or args.model_dir):
        if len(args.pictures) != 4:
            parser.error("name a --model or a --model-dir, or give NET MODEL LABELS PICTURE")
        args.net, model, labels, picture = args.pictures
        args.model, args.labels, args.pictures = Path(model), Path(labels), [picture]
    return args


def main(args: argparse.Namespace) -> int:
    """Load the detector, go through the pictures, draw; return 1 if one could not be read."""
    set_up_logging()
    pictures = find_pictures(args.pictures)
    outputs = output_paths(pictures, args.output)
    find, class_names = FINDERS[args.postprocess](args)
    failures = 0
    for picture, output in zip(pictures, outputs):
        try:
            count = annotate(picture, output, find, class_names)
        except ValueError as error:
            if len(pictures) == 1:
                raise
            failures += 1
            logger.warning("%s", error)
            continue
        print(f"Found {count} objects. The output image is {output}")
    if failures:
        logger.warning("%d of %d pictures could not be read", failures, len(pictures))
    return 1 if failures else 0


def find_pictures(sources: Sequence[str]) -> list[Path]:
    """Return the pictures of files, folders and patterns, each once, in order.

    Raises:
        FileNotFoundError: if a source names nothing, or no picture.
    """
    found: dict[Path, None] = {}
    for source in sources:
        pictures = list(_pictures_of(source))
        if not pictures:
            raise FileNotFoundError(f"there is no picture {Path(source).absolute()}")
        found.update(dict.fromkeys(pictures))
    return list(found)


def _pictures_of(source: str) -> Iterator[Path]:
    # A file may have a name that reads as a pattern. Path.glob takes no absolute pattern.
    path = Path(source)
    matches = [path] if path.exists() else map(Path, sorted(glob.glob(source)))  # noqa: PTH207
    for match in matches:
        if match.is_dir():
            files = sorted(file for file in match.iterdir() if file.is_file())
            yield from (file for file in files if file.suffix.lower() in PICTURE_SUFFIXES)
        else:
            yield match


def output_paths(pictures: Sequence[Path], output: Path | None) -> list[Path]:
    """Return where each drawn picture goes; no two to one place, none onto a picture given.

    Raises:
        ValueError: if the output would replace a picture.
    """
    if len(pictures) == 1 and (output is None or output.suffix.lower() in KEPT_SUFFIXES):
        paths = [output or Path(f"{OUTPUT_NAME}.jpg")]
    else:
        folder = output or Path(OUTPUT_NAME)
        paths = list(_distinct([folder / _drawn_name(picture) for picture in pictures]))
    given = {picture.resolve() for picture in pictures}
    for path in paths:
        if path.resolve() in given:
            raise ValueError(f"{path} is one of the pictures; choose another --output")
    return paths


def _drawn_name(picture: Path) -> str:
    return picture.name if picture.suffix.lower() in KEPT_SUFFIXES else f"{picture.stem}.jpg"


def _distinct(paths: Sequence[Path]) -> Iterator[Path]:
    taken: set[Path] = set()
    for path in paths:
        candidate, number = path, 1
        while candidate in taken:
            number += 1
            candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
        taken.add(candidate)
        yield candidate


def load_nms(args: argparse.Namespace) -> tuple[Find, Sequence[str]]:
    """Return a function from a picture to its detections by suppression, and the class names."""
    from vision.checkpoints.detector import detector_file, open_detector
    from vision.utils.device import select_device
    from vision.utils.overrides import Overrides

    path = detector_file(args.model or args.model_dir)
    device = select_device(args.use_cuda and path.suffix.lower() != ".onnx")
    overrides = Overrides(args.net, args.labels, args.resolution, args.mb2_width_mult)
    loaded = open_detector(path, overrides, device=device)
    logger.info("Loaded %s", path.absolute())
    predict = partial(loaded.predictor.predict, top_k=args.top_k, prob_threshold=args.threshold)
    return predict, loaded.class_names


def load_detectnet(args: argparse.Namespace) -> tuple[Find, Sequence[str]]:
    """Return a function from a picture to what detectnet reports on it, and the class names."""
    from vision.checkpoints.detector import EXPORTED, detector_file
    from vision.deploy.detectnet import DetectNet
    from vision.deploy.emulation.clustering import as_detections

    path = detector_file(args.model or args.model_dir, EXPORTED)
    net = DetectNet(path, args.labels or path.with_name("labels.txt"), args.threshold)
    logger.info("Loaded %s", path.absolute())
    return lambda image: as_detections(net.detect(image)), net.labels


# What --postprocess names.
FINDERS = {"nms": load_nms, "detectnet": load_detectnet}


def annotate(picture: Path, output: Path, find: Find, class_names: Sequence[str]) -> int:
    """Draw what is found in one picture; return how many objects there are."""
    from vision.pictures.drawing import draw_detections
    from vision.pictures.reading import read_picture

    image = read_picture(picture)
    found = find(image)
    write_picture(output, draw_detections(image, found, class_names))
    return len(found)


def write_picture(path: Path, image) -> None:
    """Write a (H, W, 3) RGB picture."""
    import cv2

    from vision.utils.files import atomic_write

    _, encoded = cv2.imencode(path.suffix.lower(), image[..., ::-1])
    with atomic_write(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
