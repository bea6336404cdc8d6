"""Measure pictures per second from an S3 server, against what a bare client gets from the same one.

    python3 benchmarks/download_pictures.py
    python3 benchmarks/download_pictures.py --pictures 500 --width 1024 --height 768

Starts moto's server on this machine, fills a bucket with JPEGs, and lets two clients with 20
threads each take turns. The bare one asks over http.client and throws away what comes; ours
goes by boto3, checks length, sum and every coded byte of the JPEG, and writes files. They share
the processor with the server, so the checks cost it too. To reach: 0.8 of the rate.
"""

from __future__ import annotations

import argparse
import http.client
import io
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Sequence

ROOT = Path(__file__).resolve().parents[1]
BUCKET = "open-images-dataset"


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    parser.add_argument("--pictures", type=int, default=1000, help="(default: %(default)s)")
    parser.add_argument("--width", type=int, default=640, help="pixels (default: %(default)s)")
    parser.add_argument("--height", type=int, default=480, help="pixels (default: %(default)s)")
    parser.add_argument("--quality", type=int, default=80, help="of JPEG (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=20, help="threads (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    # fmt: on
    return parser.parse_args(argv)


def main(args: argparse.Namespace) -> None:
    """Measure both in turns, so that a busy machine slows both; print the best of each."""
    sys.path.insert(0, str(ROOT))
    from tests.download.servers import fill_bucket, moto_server

    jpeg = draw_jpeg(args.width, args.height, args.quality)
    keys = [f"train/{number:016x}.jpg" for number in range(args.pictures)]
    bare, ours = [], []
    with moto_server() as port:
        fill_bucket(port, BUCKET, dict.fromkeys(keys, jpeg))
        for _ in range(args.rounds):
            bare.append(len(keys) / bare_seconds(port, keys, args.workers))
            ours.append(len(keys) / our_seconds(port, keys, args.workers))
    print(
        f"{len(keys)} JPEGs of {len(jpeg) / 1e3:.0f} kB, {args.workers} threads, "
        f"best of {args.rounds} rounds"
    )
    print(f"{'client':24}{'pictures/s':>11}{'of bare':>9}")
    print(f"{'bare http.client':24}{max(bare):11.0f}{1:9.2f}")
    print(f"{'vision.download':24}{max(ours):11.0f}{max(ours) / max(bare):9.2f}")


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


def bare_seconds(port: int, keys: Sequence[str], workers: int) -> float:
    """Ask for every picture with that many threads, and throw it away; return the seconds."""
    left, lock = iter(keys), threading.Lock()

    def work() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while True:
            with lock:
                key = next(left, None)
            if key is None:
                return
            connection.request("GET", f"/{BUCKET}/{key}")
            response = connection.getresponse()
            response.read()
            if response.status != http.client.OK:
                raise RuntimeError(f"{key}: {response.status}")

    threads = [threading.Thread(target=work) for _ in range(workers)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - begin


def our_seconds(port: int, keys: Sequence[str], workers: int) -> float:
    """Download every picture into a folder; return the seconds, without opening the clients."""
    from vision.download.pictures import Picture, Report, download_pictures
    from vision.download.retry import Patience
    from vision.download.s3 import open_bucket

    patience, report = Patience(), Report(wanted=len(keys))
    buckets = open_bucket(BUCKET, f"http://127.0.0.1:{port}", patience, workers)
    with tempfile.TemporaryDirectory() as folder:
        pictures = [Picture(key, Path(folder) / Path(key).name) for key in keys]
        begin = time.perf_counter()
        download_pictures(pictures, buckets, patience, report)
        seconds = time.perf_counter() - begin
    if len(report.whole) != len(keys):
        raise RuntimeError(f"{len(report.whole)} of {len(keys)} pictures came: {report.failed}")
    return seconds


if __name__ == "__main__":
    main(parse_args())
