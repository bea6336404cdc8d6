"""Measure pictures per second from an S3 server, against what a bare client gets from the same one.

    python3 benchmarks/download_pictures.py
    python3 benchmarks/download_pictures.py --latencies 0 --width 1024 --height 768

A server in a process of its own answers each request after a fixed time, like a bucket far away;
with 0 only the processor is a limit. Two clients with 20 threads each take turns. The bare one
reads over http.client and throws away what comes. Ours checks length, sum and every coded byte of
the JPEG, and writes files. Goals: 0.9 of the bare client's rate at 50 ms, 0.5 without latency. Then
it says where the processor time of a picture goes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import io
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Sequence

from compared import Compared, hand_on

ROOT = Path(__file__).resolve().parents[1]
LEAST = {50.0: 0.9, 0.0: 0.5}  # of the bare client's rate, by milliseconds to an answer
BUCKET = "open-images-dataset"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    parser.add_argument("--latencies", type=float, nargs="+", default=[100, 50, 0], metavar="MS",
                        help="milliseconds before an answer (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=500, help="(default: %(default)s)")
    parser.add_argument("--width", type=int, default=640, help="pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=480, help="pixels (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=80, help="of JPEG (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=20, help="threads (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure both for each latency; print the medians of their rates and of the ratios."""
    sys.path.insert(0, str(ROOT))
    jpeg = draw_jpeg(args.width, args.height, args.quality)
    print(
        f"{args.pictures} JPEGs of {len(jpeg) / 1e3:.0f} kB, {args.workers} threads, pictures/s, "
        f"median of {args.rounds} rounds"
    )
    print(f"{'latency ms':>10}{'bare':>8}{'ours':>8}{'of bare':>9}   lowest, highest")
    for latency in args.latencies:
        with server(jpeg, latency / 1e3) as port:
            bare, ours = measure(port, args.pictures, args.workers, args.rounds)
        ratios = [mine / other for mine, other in zip(ours, bare)]
        medians = [statistics.median(values) for values in (bare, ours, ratios)]
        row = "{:10.0f}{:8.0f}{:8.0f}{:9.2f}   {:.2f}, {:.2f}"
        print(row.format(latency, *medians, min(ratios), max(ratios)), flush=True)
        what = f"download, {latency:.0f} ms to an answer"
        goal = f"at least {LEAST[latency]}" if latency in LEAST else ""
        ours_rate, bare_rate = (f"{rate:.0f} pictures/s" for rate in medians[1::-1])
        hand_on([Compared(what, ours_rate, f"a bare client, {bare_rate}", medians[2], goal)])
    with server(jpeg, 0) as port:
        print("processor time a picture, one thread")
        for name, seconds in processor_times(port, jpeg, args.pictures):
            print(f"  {name:42}{seconds * 1e3:6.2f} ms")


def measure(port: int, pictures: int, workers: int, rounds: int) -> tuple[list[float], list[float]]:
    """Let both clients take turns; return the pictures per second of each, bare and ours."""
    keys = [f"train/{number:016x}.jpg" for number in range(pictures)]
    bare: list[float] = []
    ours: list[float] = []
    clients = [(bare, bare_seconds), (ours, our_seconds)]
    for _ in range(rounds):
        for rates, seconds in clients:
            rates.append(pictures / seconds(port, keys, workers))
        clients.reverse()  # so that neither is always the second
    return bare, ours


@contextlib.contextmanager
def server(body: bytes, latency: float) -> Iterator[int]:
    """Run a server in a process of its own; yield its port."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(body, latency, there), daemon=True)
    process.start()
    there.close()  # so that `recv` raises if the process ends without a port
    try:
        yield here.recv()
    finally:
        process.terminate()
        process.join()


def serve(body: bytes, latency: float, pipe: Any) -> None:
    """Answer every request with the same object, after `latency` seconds; never end."""
    tag = hashlib.md5(body).hexdigest()
    head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "{tag}"\r\n\r\n'

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(latency)
                writer.write(head.encode() + body)
                await writer.drain()

    async def run() -> None:
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        pipe.send(listening.sockets[0].getsockname()[1])
        await listening.serve_forever()

    asyncio.run(run())


def draw_jpeg(width: int, height: int, quality: int) -> bytes:
    """Return a JPEG with about as many bytes as a photograph of that size."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), np.float32)
    grain = rng.normal(0, 8, (height, width, 1))
    picture = Image.fromarray((smooth + grain).clip(0, 255).astype(np.uint8))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def processor_times(port: int, jpeg: bytes, pictures: int) -> list[tuple[str, float]]:
    """Return the seconds of processor time that one thread needs for a picture, and its parts."""
    from vision.download.transfer.pictures import Picture, fetch_picture
    from vision.download.transfer.retry import RetryPolicy
    from vision.download.transfer.s3 import open_bucket
    from vision.pictures.whole_jpeg import jpeg_fault

    policy, key = RetryPolicy(), "picture.jpg"
    (bucket,) = open_bucket(BUCKET, f"http://127.0.0.1:{port}", policy, 1)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with tempfile.TemporaryDirectory() as folder:
        picture = Picture(key, Path(folder) / key)
        parts: dict[str, Callable[[], object]] = {
            "a bare client": lambda: bare_read(connection, key),
            "ours": lambda: fetch_picture(bucket, picture, policy, time.sleep),
            "  reading by boto3, with length and sum": lambda: bucket.read(key),
            "    the sum": lambda: hashlib.md5(jpeg).hexdigest(),
            "  decoding, to see that it is whole": lambda: jpeg_fault(jpeg),
            "  writing": lambda: write(picture.path, jpeg),
        }
        return [(name, processor_seconds(part, pictures)) for name, part in parts.items()]


def write(path: Path, content: bytes) -> None:
    """Write a file beside its place and rename it."""
    part = path.with_suffix(".part")
    part.write_bytes(content)
    part.replace(path)


def processor_seconds(work: Callable[[], object], times: int) -> float:
    """Return the processor time of this thread for one call."""
    work()
    begin = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - begin) / times


def bare_seconds(port: int, keys: Sequence[str], workers: int) -> float:
    """Read every picture with `workers` threads and throw it away; return the seconds."""
    left, lock = iter(keys), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                key = next(left, None)
            if key is None:
                return
            bare_read(connection, key)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def bare_read(connection: http.client.HTTPConnection, key: str) -> None:
    """Read a picture and throw it away."""
    connection.request("GET", f"/{BUCKET}/{key}")
    response = connection.getresponse()
    response.read()
    if response.status != http.client.OK:
        raise RuntimeError(f"{key}: {response.status}")


def our_seconds(port: int, keys: Sequence[str], workers: int) -> float:
    """Download every picture into a folder; return the seconds, without those to open clients."""
    from vision.download.transfer.pictures import DownloadReport, Picture, download_pictures
    from vision.download.transfer.retry import RetryPolicy
    from vision.download.transfer.s3 import open_bucket

    policy, report = RetryPolicy(), DownloadReport(wanted=len(keys))
    buckets = open_bucket(BUCKET, f"http://127.0.0.1:{port}", policy, workers)
    with tempfile.TemporaryDirectory() as folder:
        pictures = [Picture(key, Path(folder) / Path(key).name) for key in keys]
        begin = time.perf_counter()
        download_pictures(pictures, buckets, policy, report)
        seconds = time.perf_counter() - begin
    if len(report.whole) != len(keys):
        raise RuntimeError(f"{len(report.whole)} of {len(keys)} pictures came: {report.failed}")
    return seconds


if __name__ == "__main__":
    main(parse_args())
