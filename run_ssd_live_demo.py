"""Find objects in what a camera sees, and show it in a window or on a page in a browser.

Usage:
    python3 run_ssd_live_demo.py NET MODEL LABELS [VIDEO]
    python3 run_ssd_live_demo.py --model-dir=models/fruit --source=/dev/video0
    python3 run_ssd_live_demo.py --model-dir=models/fruit --source=csi://0 --serve=0.0.0.0:8080
    python3 run_ssd_live_demo.py --label=data/my-objects --source=http://PHONE:8080/video

In the window, q ends, space stops time, n and p go through a folder of pictures. Without a screen,
or with --serve, a page shows the same in a browser; with --label one marks objects there, from the
detector's own boxes or without any model. Ctrl+C ends.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Sequence

from vision.live.options import LiveOptions, finder_fault
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
    from vision.live.encoder import Result
    from vision.live.finders import Finder
    from vision.live.pipeline import Pipeline

logger = logging.getLogger("run_ssd_live_demo")

DEFAULT_SERVE = "8080"
LOOK_SECONDS = 0.2  # between looks whether it is over


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read what was typed; three or four positionals are the older scripts'."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="SOURCE",
        help="what --source takes; or NET MODEL LABELS [VIDEO], without VIDEO the first camera",
    )
    add_options(parser, LiveOptions)
    args = parse_options(parser, argv, LiveOptions)
    words = getattr(args, "words", [])
    if {"model", "model_dir", "label"} & set(vars(args)):
        if len(words) > 1 or (words and "source" in vars(args)):
            parser.error(f"name one source{output_advice(words[-1])}")
        args.source = words[0] if words else getattr(args, "source", LiveOptions.source)
    elif len(words) in (3, 4):
        args.net, model, labels, *source = words
        if order_fault(model, labels):
            parser.error(order_fault(model, labels))
        args.model, args.labels = Path(model), Path(labels)
        args.source = source[0] if source else getattr(args, "source", LiveOptions.source)
    else:
        parser.error(
            "name a --model or a --model-dir, or a folder to --label pictures for, or give "
            "NET MODEL LABELS [VIDEO]"
        )
    require_partners(parser, args, {"class_names": "label"})
    options = LiveOptions.of(vars(args))
    fault = finder_fault(options)
    if (options.input_width is None) != (options.input_height is None):
        fault = "give both --input-width and --input-height, or neither"
    if fault:
        parser.error(fault)
    return args


def output_advice(word: str) -> str:
    """Return what to do with a word too many that is an output of detectnet's, "" if it is none."""
    from vision.video.grammar import is_window, new_file

    if is_window(word):
        return f"; leave {word} out: a window shows what is found, or a page with --serve"
    new = new_file(word)
    return f"; to write {new}, type run_ssd_example.py with --output={new}" if new else ""


def main(args: argparse.Namespace) -> int:
    """Open detector and source, show until someone ends it; return the exit status."""
    options = LiveOptions.of(vars(args))
    set_up_logging(options.log_level)
    share_cores()
    silence_opencv()
    import numpy as np

    from vision.live.finders import open_finder
    from vision.live.labelling.voc_folder import require_label_folder
    from vision.live.window import can_show
    from vision.utils.files import require_place

    on_page = bool(options.serve or options.label) or not can_show()
    for folder in filter(None, (options.label, options.output if on_page else None)):
        require_place(folder, is_folder=True)
    if options.label:
        require_label_folder(options.label)
    finder = open_finder(options) if options.model or options.model_dir else None
    if finder:
        # The first picture takes seconds, as libraries load on the way: better now than live.
        finder.find(np.zeros((64, 64, 3), np.uint8))
    pipeline = make_pipeline(options, finder, on_page)
    if not options.quiet and finder:
        pipeline.on_result = print_result
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        if on_page:
            run_page(options, pipeline, stopping)
        else:
            from vision.live.window import show

            pipeline.start()
            show(pipeline, stopping.is_set)
    finally:
        clean = pipeline.stop()
    say_why_it_ended(pipeline)
    if not clean:
        # A driver that does not let go of a thread must not keep the program.
        sys.stdout.flush()
        os._exit(0)
    return 0


def make_pipeline(options: LiveOptions, finder: Finder | None, on_page: bool) -> Pipeline:
    """Open the source and connect it with the detector."""
    from vision.live.pipeline import Pipeline
    from vision.live.player import Player
    from vision.live.settings import LiveSettings, SharedSettings
    from vision.video.grammar import parse_sources
    from vision.video.opening import CameraWishes

    usual = LiveSettings()
    settings = SharedSettings(
        LiveSettings(
            finder.threshold if finder else usual.threshold,
            finder.clustering if finder else usual.clustering,
        ),
        finder.class_names[1:] if finder else [],
        finder.least_threshold if finder else 0.0,
    )
    size = None
    if options.input_width and options.input_height:
        size = (options.input_width, options.input_height)
    player = Player(
        parse_sources([options.source]),
        settings,
        on_page if options.repeat is None else options.repeat,
        CameraWishes(size, options.input_rate),
    )
    return Pipeline(player, finder, settings, options.stream_width)


def run_page(options: LiveOptions, pipeline: Pipeline, stopping: threading.Event) -> None:
    """Serve the page until `stopping`, or the end of a video that is not repeated."""
    from vision.live.labelling.routes import LabelRoutes
    from vision.live.labelling.session import LabelSession
    from vision.live.labelling.store import LabelStore
    from vision.live.saving import GIGABYTE, Budget, Keeper
    from vision.live.serving.guard import Access, is_loopback, new_token, parse_serve
    from vision.live.serving.server import LiveServer
    from vision.live.serving.streaming import PictureStream
    from vision.live.serving.view_routes import ViewRoutes

    host, port = parse_serve(options.serve or DEFAULT_SERVE)
    token = options.token or ("" if is_loopback(host) else new_token())
    access = Access(host, port, token, frozenset(name.lower() for name in options.allow_host))
    budget = Budget(int(options.max_saved_gb * GIGABYTE))
    keeper = Keeper(pipeline, options.output, budget)
    session, routes = None, []
    if options.label:
        names = options.class_names or pipeline.class_names[1:]
        store = LabelStore(options.label, names, budget)
        new = store.add_class_names(options.class_names)
        if new:
            logger.info("%s gets new classes behind its own: %s", options.label, ", ".join(new))
        session = LabelSession(pipeline, store)
        routes = LabelRoutes(session).table()
    stream = PictureStream(pipeline)
    server = LiveServer(access, ViewRoutes(pipeline, stream, keeper, session).table() + routes)
    server.start(stream.use)
    try:
        pipeline.start()
        for link in server.links():
            print(f"Open {link}", flush=True)
        while not (stopping.wait(LOOK_SECONDS) or pipeline.failure or pipeline.over):
            pass
    finally:
        keeper.stop_recording()
        stream.close()
        server.stop()


def say_why_it_ended(pipeline: Pipeline) -> None:
    """Log that a video is at its end.

    Raises:
        RuntimeError: a thread failed.
        ValueError: the source can be read no more.
    """
    if pipeline.failure is not None:
        raise RuntimeError(f"the demo ended: {pipeline.failure}") from pipeline.failure
    state = pipeline.player.state
    if state.phase == "failed":
        raise ValueError(f"the demo ended: {state.message}")
    if state.phase == "ended":
        logger.info("%s", state.message)


def print_result(result: Result) -> None:
    """Print what the older scripts printed for every frame."""
    print(f"Time: {result.seconds:.2f}s, Detect Objects: {len(result.detections)}.", flush=True)


if __name__ == "__main__":
    sys.exit(run_main(main, parse_args()))
