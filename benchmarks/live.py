"""Measure the live demo: its rate against the bare net, its latency, and memory with ten viewers.

Usage:
    python3 benchmarks/live.py
    python3 benchmarks/live.py --model models/fruit/best.pth models/fruit/ssd-mobilenet.onnx
    python3 benchmarks/live.py --seconds 60 --rounds 1    memory over a minute

A camera on loopback sends drawn pictures. First the bare net runs, then the whole demo without a
viewer, with one, and with many of which one never reads. To reach: the demo with viewers keeps the
rate that it has with one, within 10 %, and its memory does not grow while they watch.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import resource
import socket
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Callable, Iterator, NamedTuple, Sequence

from compared import Compared, hand_on
from untrained import NET, untrained

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from vision.live.finders import Finder
    from vision.live.pipeline import Pipeline
    from vision.live.serving.server import LiveServer

SPAWN = multiprocessing.get_context("spawn")
ROOT = Path(__file__).resolve().parents[1]
CAMERA_RATE = 30.0  # pictures per second


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    add = parser.add_argument
    add("--model", type=Path, nargs="+", default=[], metavar="FILE",
        help=f".pth and .onnx files (default: an untrained {NET} as both)")
    add("--width", type=int, default=1280, help="of the camera, pixels (default: %(default)s)")
    add("--height", type=int, default=720, help="likewise (default: %(default)s)")
    add("--seconds", type=float, default=10.0, help="for each figure (default: %(default)s)")
    add("--rounds", type=int, default=3, help="of all figures (default: %(default)s)")
    add("--viewers", type=int, default=10, help="the last of them stalls (default: %(default)s)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> int:
    """Print one table for each model; return how many missed the aim."""
    from vision.utils.threads import share_cores

    share_cores()
    missed = 0
    with tempfile.TemporaryDirectory() as name, camera(args.width, args.height) as address:
        for model in args.model or untrained(Path(name)):
            missed += measure(model, address, args)
    return missed


class Watched(NamedTuple):
    """What one run of the demo came to."""

    rate: float  # pictures per second that were looked at
    seen: float  # pictures per second of the viewer that got the fewest, without the stalled one
    ages: list[float]  # of pictures when a viewer got them, seconds
    growth: float  # of the memory, MB
    stages: dict[str, float]  # milliseconds


def measure(model: Path, address: str, args: argparse.Namespace) -> bool:
    """Print the figures of one model; return whether they miss the aim.

    All is measured in turns, so that a busy machine slows all alike; medians are printed.
    """
    import torch

    from vision.live.finders import open_finder
    from vision.live.options import FinderOptions

    finder = open_finder(FinderOptions(model=model))
    kinds = (0, 1, args.viewers)
    bare: list[float] = []
    runs: dict[int, list[Watched]] = {viewers: [] for viewers in kinds}
    for _ in range(args.rounds):
        bare.append(bare_rate(finder, args.seconds))
        for viewers in kinds:
            runs[viewers].append(run_demo(finder, address, viewers, args.seconds))
    print(f"{model.name}, {torch.get_num_threads()} threads, camera {args.width} x {args.height}, "
          f"{args.rounds} rounds of {args.seconds:.0f} s")  # fmt: skip
    print(f"  {'bare net':<22}{median(bare):>7.1f} pictures/s")
    for viewers, found in runs.items():
        print(f"  {f'demo, {viewers} viewers':<22}{median([one.rate for one in found]):>7.1f} "
              "pictures/s", end="")  # fmt: skip
        ages = sorted(age for one in found for age in one.ages)
        if ages:
            print(f"; the slowest viewer that reads {median([one.seen for one in found]):.1f}; "
                  f"age on arrival {1000 * median(ages):.0f} ms "
                  f"(95 %: {1000 * ages[int(len(ages) * 0.95)]:.0f}); memory "
                  f"{max(one.growth for one in found):+.1f} MB", end="")  # fmt: skip
        stages = {name: median([one.stages[name] for one in found]) for name in found[0].stages}
        print("\n    " + ", ".join(f"{name} {value:.1f} ms" for name, value in stages.items()))
    kept = median([many.rate / one.rate for one, many in zip(runs[1], runs[args.viewers])])
    of_bare = median([run.rate / rate for run, rate in zip(runs[1], bare)])
    print(f"  with {args.viewers} viewers {kept:.2f} of the rate with one, which is {of_bare:.2f} "
          "of the bare net's")  # fmt: skip
    print(f"  peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    with_one, with_many = (
        f"{median([one.rate for one in runs[viewers]]):.1f} pictures/s" for viewers in kinds[1:]
    )
    what = f"live, {model.suffix}, {args.viewers} viewers"
    hand_on([Compared(what, with_many, f"one viewer, {with_one}", kept, "at least 0.9")])
    return kept < 0.9


def run_demo(finder: Finder, address: str, viewers: int, seconds: float) -> Watched:
    """Run the demo with some viewers; of several the last one stalls."""
    with demo(finder, address) as (pipeline, server), watching(server.port, viewers) as taken:
        time.sleep(min(5.0, seconds))  # until it runs evenly
        taken()
        before, count, start = memory(), pipeline.meters["detect"].count, time.monotonic()
        time.sleep(seconds)
        passed = time.monotonic() - start
        rate = (pipeline.meters["detect"].count - count) / passed
        growth = memory() - before
        stages = {name: meter.mean * 1000 for name, meter in pipeline.meters.items()}
        fewest, ages = taken()
    return Watched(rate, fewest / passed, ages, growth, stages)


def bare_rate(finder: Finder, seconds: float) -> float:
    """Return forward passes per second on an input that lies ready.

    They run in a thread of their own, as in the demo: the cores are shared otherwise there.
    """
    import torch

    predictor = finder._predictor  # type: ignore[attr-defined]
    images = torch.rand(1, 3, predictor.image_size, predictor.image_size) * 2 - 1
    images = images.to(memory_format=torch.channels_last)
    rates = []

    def work() -> None:
        with torch.inference_mode():
            predictor.detect(images)
            count, start = 0, time.monotonic()
            while time.monotonic() - start < seconds:
                predictor.detect(images)
                count += 1
        rates.append(count / (time.monotonic() - start))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return rates[0]


@contextmanager
def demo(finder: Finder, address: str) -> Iterator[tuple[Pipeline, LiveServer]]:
    """Run the demo on a camera, as the script does."""
    from vision.live.pipeline import Pipeline
    from vision.live.player import Player
    from vision.live.saving import Budget, Keeper
    from vision.live.serving.guard import Access
    from vision.live.serving.server import LiveServer
    from vision.live.serving.streaming import PictureStream
    from vision.live.serving.view_routes import ViewRoutes
    from vision.live.settings import LiveSettings, SharedSettings
    from vision.video.grammar import parse_sources

    settings = SharedSettings(LiveSettings(finder.threshold, finder.clustering), [])
    pipeline = Pipeline(Player(parse_sources([address]), settings), finder, settings)
    stream = PictureStream(pipeline)
    keeper = Keeper(pipeline, Path("unused"), Budget(0))
    server = LiveServer(Access(port=0), ViewRoutes(pipeline, stream, keeper, None).table())
    server.start(stream.use)
    pipeline.start()
    try:
        yield pipeline, server
    finally:
        stream.close()
        server.stop()
        pipeline.stop()


class Reader(threading.Thread):
    """Watches the stream as a browser does, and notes how old the pictures are."""

    def __init__(self, port: int, stalled: bool) -> None:
        """Connect; one that is stalled asks and never reads."""
        super().__init__(daemon=True)
        self.stalled = stalled
        self.ages: list[float] = []
        self.connection = socket.create_connection(("127.0.0.1", port))
        if stalled:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 12)
        self.connection.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def run(self) -> None:
        """Read until the connection is closed; the head of each picture says when it was taken."""
        if self.stalled:
            return
        rest = b""
        while True:
            try:
                chunk = self.connection.recv(1 << 16)
            except OSError:
                return
            if not chunk:
                return
            now = time.monotonic()
            *heads, rest = (rest + chunk).split(b"X-Captured: ")
            for text in [*heads[1:], *([rest] if heads else [])]:
                self.ages.append(now - float(text.split(b"\r\n", 1)[0] or now))
            rest = rest[-20:]


def watch(port: int, count: int, line: Connection) -> None:
    """Be some viewers, of several the last one stalled; answer each word with what came since."""
    readers = [Reader(port, count > 1 and number == count - 1) for number in range(count)]
    for reader in readers:
        reader.start()
    while line.recv():
        reading = [reader for reader in readers if not reader.stalled]
        fewest = min((len(reader.ages) for reader in reading), default=0)
        line.send((fewest, [age for reader in reading for age in reader.ages]))
        for reader in reading:
            reader.ages.clear()


@contextmanager
def watching(port: int, count: int) -> Iterator[Callable[[], tuple[int, list[float]]]]:
    """Have viewers in a process of their own, so that they take no time of the demo's interpreter.

    Yields a function that returns, since its last call, how many pictures came to the viewer that
    got the fewest, and how old all were when they came, seconds.
    """
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=watch, args=(port, count, there), daemon=True)
    process.start()

    def ask() -> tuple[int, list[float]]:
        here.send(True)
        return here.recv()

    ask()  # they are connected now
    try:
        yield ask
    finally:
        here.send(False)
        process.join()


@contextmanager
def camera(width: int, height: int) -> Iterator[str]:
    """Run `send_pictures` in a process of its own; yield the address."""
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=send_pictures, args=(width, height, there), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}/video"
    finally:
        process.terminate()


def send_pictures(width: int, height: int, line: Connection) -> None:
    """Send drawn pictures at CAMERA_RATE to whoever asks; say at which port."""
    import numpy as np

    from vision.pictures.writing import encode_picture

    rng = np.random.default_rng(0)
    fields = rng.integers(0, 255, (height // 40 + 1, width // 40 + 1, 3))
    picture = np.kron(fields, np.ones((40, 40, 1))).astype(np.uint8)[:height, :width]
    jpegs = [encode_picture(np.roll(picture, 8 * n, axis=1), quality=85) for n in range(30)]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            try:
                for jpeg in itertools.cycle(jpegs):
                    head = f"--next\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    time.sleep(1 / CAMERA_RATE)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    line.send(server.server_address[1])
    server.serve_forever()


def memory() -> float:
    """Return what the process holds now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(parse_args()))
