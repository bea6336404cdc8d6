"""Find objects in pictures and videos, and draw what was found.

Usage:
    python3 run_ssd_example.py NET MODEL LABELS PICTURE
    python3 run_ssd_example.py --model-dir=models/fruit PICTURE [PICTURE ...]
    python3 run_ssd_example.py --model=models/fruit/ssd-mobilenet.onnx FOLDER 'more/*.jpg'
    python3 run_ssd_example.py --model-dir=models/fruit clip.mp4 --json found.json
    python3 run_ssd_example.py --model-dir=models/fruit photos --save-voc data/more-fruit

A picture comes out as run_ssd_example_output.jpg in the current folder, a video as
run_ssd_example_output.mp4; several come out under their own names in the folder
run_ssd_example_output. Sources are pictures, folders, quoted patterns, video files, cameras
(0, /dev/video0, csi://0) and addresses (rtsp://, http://); Ctrl+C ends those without an end.
"""

from __future__ import annotations

import argparse
import logging
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

from vision.live.options import NOTHING, ExampleOptions, finder_fault
from vision.utils.cli import (
    order_fault,
    parse_options,
    require_partners,
    run_main,
    set_up_logging,
    silence_opencv,
)
from vision.utils.options import add_options
from vision.utils.threads import share_cores

if TYPE_CHECKING:
    from vision.live.annotating import Annotator
    from vision.video.grammar import PictureSource

logger = logging.getLogger("run_ssd_example")

OUTPUT_NAME = "run_ssd_example_output"
KEPT_SUFFIXES = (".jpg", ".jpeg", ".png")  # of pictures; others come out as .jpg
NUMBER = re.compile(r"%(0?\d*)[id]")  # as detectnet numbers its outputs


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what was typed; four positionals without a model option are the older scripts'."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="picture, folder, quoted pattern, video, camera or address; "
        "or NET MODEL LABELS PICTURE",
    )
    add_options(parser, ExampleOptions)
    args = parse_options(parser, argv, ExampleOptions)
    if not ({"model", "model_dir"} & set(vars(args))):
        if len(args.sources) != 4:
            parser.error("name a --model or a --model-dir, or give NET MODEL LABELS PICTURE")
        args.net, model, labels, source = args.sources
        if order_fault(model, labels):
            parser.error(order_fault(model, labels))
        args.model, args.labels, args.sources = Path(model), Path(labels), [source]
    require_partners(parser, args, {"voc_seconds": "save_voc"})
    if output_fault(args.sources, "output" in args):
        parser.error(output_fault(args.sources, "output" in args))
    fault = finder_fault(ExampleOptions.of(vars(args)))
    if fault:
        parser.error(fault)
    return args


def output_fault(words: Sequence[str], is_named: bool) -> str:
    """Return what to type where detectnet's output is the last of the words, "" if it is not.

    Args:
        words: the sources.
        is_named: whether --output says where to write.
    """
    from vision.video.grammar import is_window, new_file

    *others, last = words
    if is_window(last):
        return f"{last} is no source; leave it out here: run_ssd_live_demo.py shows a window"
    new = new_file(last)
    if others and not is_named and new:
        return f"there is no {new} to read; if it is to be written, type --output={new}"
    return ""


def main(args: argparse.Namespace) -> int:
    """Load the detector, go through the sources, draw; return 1 if one could not be read whole."""
    options = ExampleOptions.of(vars(args))
    set_up_logging(options.log_level)
    if "top_k" in args and options.postprocess == "detectnet":
        logger.warning("--top-k does nothing with --postprocess=detectnet, which shows all boxes")
    share_cores()
    silence_opencv()
    from vision.live.annotating import Annotator, AnnotatorSettings
    from vision.live.finders import open_finder
    from vision.live.labelling.pseudo_labels import PseudoLabels
    from vision.video.grammar import parse_sources
    from vision.video.records import open_records

    sources = parse_sources(args.sources)
    outputs = output_paths(sources, options.output)
    require_places(sources, [*outputs, options.json, options.csv])
    finder = open_finder(options)
    labels = PseudoLabels(options.save_voc, finder.class_names) if options.save_voc else None
    facts = {"model": str(finder.path), "postprocess": options.postprocess,
             "threshold": finder.threshold, "clustering": finder.clustering}  # fmt: skip
    with open_records(finder.class_names, options.json, options.csv, facts) as records:
        settings = AnnotatorSettings(
            options.overlay, options.voc_seconds, options.max_frames, options.exif != "ignore"
        )
        annotator = Annotator(finder, records, labels, settings)
        failures = 0
        start = time.perf_counter()
        interrupt: KeyboardInterrupt | None = None
        try:
            failures = go_through(sources, outputs, annotator, options.verbose)
        except KeyboardInterrupt as error:  # what was found until then is written all the same
            interrupt = error
        finally:
            if labels:
                labels.close()
    if interrupt or len(sources) > 1 or sources[0].kind != "picture":
        print(annotator.summary(time.perf_counter() - start))
    for path in (options.json, options.csv, options.save_voc):
        if path and path.exists():  # without a picture there is no dataset
            print(f"Written: {path}")
    if interrupt:
        print(f"Stopped after {annotator.pictures:,} {nouns_of(sources)}", flush=True)
        raise interrupt
    return 1 if failures else 0


def go_through(
    sources: Sequence[PictureSource],
    outputs: Sequence[Path | None],
    annotator: Annotator,
    verbose: bool,
) -> int:
    """Annotate source after source under a bar; return how many could not be read whole."""
    from tqdm import tqdm

    from vision.utils.files import is_disk_full

    pictures = all(source.kind == "picture" for source in sources)
    hidden = not pictures or len(sources) == 1 or verbose
    failures = 0
    bar = tqdm(total=len(sources), unit="picture", disable=True if hidden else None)
    with bar:
        for source, output in zip(sources, outputs):
            try:
                count = annotator.annotate(source, output)
            except (ValueError, OSError) as error:
                if len(sources) == 1 or is_disk_full(error):
                    raise
                failures += 1
                logger.warning("%s", error)
                continue
            finally:
                bar.update()
            if source.kind == "picture" and (verbose or len(sources) == 1):
                image = f" The output image is {output}" if output else ""
                print(f"Found {count} objects.{image}")
    if failures:
        logger.warning("%d of %d sources could not be read", failures, len(sources))
    return failures + annotator.damaged


def nouns_of(sources: Sequence[PictureSource]) -> str:
    """Return what to call that which comes from sources."""
    nouns = {"pictures" if source.kind == "picture" else "frames" for source in sources}
    return " and ".join(sorted(nouns, reverse=True))


def output_paths(sources: Sequence[PictureSource], output: str | None) -> list[Path | None]:
    """Return where each drawn picture or video goes; no two to one place.

    Raises:
        ValueError: a folder would be called like a file that was meant.
    """
    if output == NOTHING:
        return [None] * len(sources)
    number = NUMBER.search(output or "")
    suffix = Path(output or "").suffix.lower()
    paths: list[Path]
    if number and output:
        # Another per cent sign is a part of the name.
        paths = [
            Path(NUMBER.sub(f"%{number[1]}d" % i, output, count=1)) for i in range(len(sources))
        ]
    elif len(sources) == 1 and (output is None or suffix in suffixes_for(sources[0])):
        paths = [Path(output or f"{OUTPUT_NAME}{suffixes_for(sources[0])[0]}")]
    else:
        folder = Path(output or OUTPUT_NAME)
        _require_folder_name(folder, sources)
        paths = list(_distinct([folder / _drawn_name(source) for source in sources]))
    return list(paths)


def require_places(sources: Sequence[PictureSource], paths: Sequence[Path | None]) -> None:
    """Refuse, before anything is read, files that could not be written in the end.

    Raises:
        OSError: a folder may not be written to.
        ValueError: a file cannot be made, has the name of another, or would replace a source.
    """
    from vision.utils.files import require_place

    given = {source.path.resolve() for source in sources if not source.live}
    taken: set[Path] = set()
    for path in filter(None, paths):
        if path.resolve() in given:
            raise ValueError(f"{path} is one of the sources; choose another output")
        if path.resolve() in taken:
            raise ValueError(f"{path} would be written twice; name two files")
        taken.add(path.resolve())
        require_place(path)


def suffixes_for(source: PictureSource) -> Sequence[str]:
    """Return in which formats the drawn source can be written, the usual first."""
    from vision.video.writing import CODECS

    return KEPT_SUFFIXES if source.kind == "picture" else tuple(CODECS)


def _require_folder_name(folder: Path, sources: Sequence[PictureSource]) -> None:
    from vision.pictures.suffixes import PICTURE_SUFFIXES, UNREADABLE_SUFFIXES
    from vision.video.grammar import VIDEO_SUFFIXES

    files = {*PICTURE_SUFFIXES, *UNREADABLE_SUFFIXES, *VIDEO_SUFFIXES, *suffixes_for(sources[0])}
    if folder.suffix.lower() not in files or folder.is_dir():
        return
    if len(sources) == 1:
        kind = "picture" if sources[0].kind == "picture" else "video"
        written = ", ".join(suffixes_for(sources[0]))
        raise ValueError(f"--output of a {kind} must end in {written} or be a folder, got {folder}")
    raise ValueError(
        f"--output of {len(sources)} sources must be a folder, got {folder}; name a folder, or "
        f"give each a number: --output={folder.with_name(f'{folder.stem}_%i{folder.suffix}')}"
    )


def _drawn_name(source: PictureSource) -> str:
    if source.live:
        return f"{source.kind}-{re.sub(r'[^A-Za-z0-9]+', '-', str(source)).strip('-')}.mp4"
    kept = source.path.suffix.lower() in suffixes_for(source)
    return source.path.name if kept else f"{source.path.stem}{suffixes_for(source)[0]}"


def _distinct(paths: Sequence[Path]) -> Iterator[Path]:
    taken: set[Path] = set()
    for path in paths:
        candidate, number = path, 1
        while candidate in taken:
            number += 1
            candidate = path.with_name(f"{path.stem}_{number}{path.suffix}")
        taken.add(candidate)
        yield candidate


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
