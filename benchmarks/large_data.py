"""Measure what many and what large pictures cost: the wait before training, and the memory.

Usage:
    python3 benchmarks/large_data.py
    python3 benchmarks/large_data.py --pictures 1000 --loaded 10000

Draws pictures into a temporary folder, and trains mb1-ssd on them. First many: how long the first
start takes, which opens each picture once, and the next one, which knows them; then the same where
no split is stated, so that the pictures are compared. Then large ones, of 4000 x 3000 pixels: how
fast they are decoded as small as the net needs them, against whole, and the most memory that all
processes hold together. Last 100,000 go through the loader three times: whether the memory grows.
Goals: 5 s, 3 times as fast, 2.5 GB, and no growth.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator, Sequence

import numpy as np
from compared import Compared, hand_on

ROOT = Path(__file__).resolve().parents[1]
MANY, LARGE, LOADED = 10_000, 32, 100_000  # pictures
SMALL_SIZE, LARGE_SIZE = (320, 240), (4000, 3000)
QUALITY = 90  # of JPEG; so the large ones have as many bytes as a camera's
LONGEST_COMMENT = 65_000  # bytes, of a JPEG
WORKERS, EPOCHS = 2, 3
GIGABYTE = 1e9
BETWEEN_LOOKS = 0.1  # seconds
STARTED = "Start training from epoch"
MOST_SECONDS, MOST_GIGABYTES, MOST_GROWTH, LEAST_FASTER = 5.0, 2.5, 1.02, 3.0  # the goals
ROUNDS = 5  # of decoding
MOST_REDUCED = 8  # JPEG has nothing smaller; the coded bytes must be read whole even for it


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    # fmt: off
    parser.add_argument("--pictures", type=int, default=MANY, help="to start on (default: 10000)")
    parser.add_argument("--large", type=int, default=LARGE, help="large ones (default: 32)")
    parser.add_argument("--loaded", type=int, default=LOADED, help="to load (default: 100000)")
    # fmt: on
    return parser.parse_args(argv)


def draw_dataset(folder: Path, pictures: int, size: tuple[int, int]) -> Path:
    """Write Pascal VOC data whose pictures look alike, but are different files; return its folder.

    A fifth of them are validation pictures.
    """
    import cv2

    rng = np.random.default_rng(0)
    width, height = size
    coarse = rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    box = f"<xmin>{width // 4}</xmin><ymin>{height // 4}</ymin>"
    box += f"<xmax>{width // 2}</xmax><ymax>{height // 2}</ymax>"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    names = [f"{number:06}" for number in range(pictures)]
    for name in names:
        # A comment behind the two bytes that every JPEG begins with, so that, as of photographs, no
        # two files have the same length.
        comment = name.encode() + b" " * min(int(name), LONGEST_COMMENT)
        comment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        (folder / "JPEGImages" / f"{name}.jpg").write_bytes(jpeg[:2] + comment + jpeg[2:])
        (folder / "Annotations" / f"{name}.xml").write_text(
            f"<annotation><filename>{name}.jpg</filename><size><width>{width}</width>"
            f"<height>{height}</height><depth>3</depth></size>"
            f"<object><name>thing</name><bndbox>{box}</bndbox></object></annotation>"
        )
    held = max(pictures // 5, 1)
    for part, some in (("train", names[held:]), ("val", names[:held])):
        (folder / "ImageSets" / "Main" / f"{part}.txt").write_text("\n".join(some) + "\n")
    return folder


def train_command(data: Path, model_dir: Path) -> list[str]:
    """Return a training of the default net from random weights."""
    command = [sys.executable, str(ROOT / "train_ssd.py"), f"--data={data}", "--overwrite"]
    command += [f"--model-dir={model_dir}", "--pretrained-ssd=none", f"--epochs={EPOCHS}"]
    return [*command, "--batch-size=4", f"--workers={WORKERS}", f"--validation-epochs={EPOCHS}"]


def seconds_to_start(command: Sequence[str]) -> float:
    """Begin a training, and stop it when its first epoch begins; return the seconds until then."""
    began = time.monotonic()
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if STARTED in line:
                seconds = time.monotonic() - began
                process.terminate()  # a shell may have it ignore SIGINT
                process.stdout.read()
                return seconds
    raise RuntimeError("the training has not begun:\n" + "".join(lines))


def peak_memory(command: Sequence[str], folder: Path) -> int:
    """Train to the end; return the most bytes that all its processes have held together."""
    peak = 0
    with (folder / "train.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(BETWEEN_LOOKS)
    if process.returncode:
        raise RuntimeError((folder / "train.log").read_text())
    return peak


def memory_of(process: int) -> int:
    """Return the bytes that a process and all its children hold; what they share counts once."""
    return sum(_held_by(one) for one in _family(process))


def _family(process: int) -> Iterator[int]:
    yield process
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = path.read_text().split()
        except OSError:  # it has just ended
            continue
        for child in children:
            yield from _family(int(child))


def _held_by(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has just ended
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def decoding_seconds(picture_file: Path, side: int) -> tuple[float, float, float]:
    """Return the least seconds to decode a picture for a net's input side, whole, and smallest."""
    from vision.pictures.reading import EncodedPicture
    from vision.transforms.geometry import GeometryPlan
    from vision.transforms.resampling import choose_reduction

    picture = EncodedPicture.read(picture_file)
    plan = GeometryPlan.whole(picture.width, picture.height, side)
    chosen = choose_reduction(picture, plan)
    times: dict[int, list[float]] = {chosen: [], 1: [], MOST_REDUCED: []}
    for _ in range(ROUNDS):
        for reduction, seconds in times.items():
            began = time.process_time()
            picture.decode(reduction)
            seconds.append(time.process_time() - began)
    least = {reduction: min(seconds) for reduction, seconds in times.items()}
    return least[chosen], least[1], least[MOST_REDUCED]


def memory_by_epoch(pictures: int, folder: Path) -> list[int]:
    """Load pictures three times with two workers; return the bytes held at the end of each time."""
    import torch

    from vision.datasets.opening import open_datasets
    from vision.loading.loaders import EpochLoader, LoaderOptions
    from vision.transforms import TrainTransform

    index = open_datasets([draw_dataset(folder, 1_000, (64, 48))]).train
    rows = np.resize(np.arange(len(index)), pictures)
    options = LoaderOptions(32, WORKERS, torch.device("cpu"))
    loader = EpochLoader(index.select(rows), TrainTransform(64), options, shuffle=True)
    held = []
    for epoch in range(EPOCHS):
        for _ in loader.epoch(epoch):
            pass
        held.append(memory_of(os.getpid()))
    return held


def main(args: argparse.Namespace) -> int:
    """Measure and print; return how many goals were missed."""
    size = "{} x {}".format(*LARGE_SIZE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = train_command(draw_dataset(folder / "many", args.pictures, SMALL_SIZE), folder)
        first, start = seconds_to_start(command), seconds_to_start(command)
        print(f"{args.pictures:,} pictures: first start {first:.1f} s, the next {start:.1f} s")
        shutil.rmtree(folder / "many" / "ImageSets")
        compared, undivided = seconds_to_start(command), seconds_to_start(command)
        print(f"  without a stated split {compared:.1f} s, the next {undivided:.1f} s")
        large = draw_dataset(folder / "large", args.large, LARGE_SIZE)
        picture_file = next((large / "JPEGImages").iterdir())
        reduced, whole, smallest = decoding_seconds(picture_file, 300)
        print(f"a picture of {size} pixels, {picture_file.stat().st_size / 1e6:.1f} MB")
        print(f"  decoded for 300 x 300 in {1e3 * reduced:.1f} ms, whole in {1e3 * whole:.1f} ms")
        limit = f"at most {whole / smallest:.1f} times as fast: reading the coded bytes is left"
        print(f"  at an eighth of the size in {1e3 * smallest:.1f} ms, {limit}")
        peak = peak_memory(train_command(large, folder), folder) / GIGABYTE
        print(f"{args.large} such pictures, training: at most {peak:.2f} GB")
        held = memory_by_epoch(args.loaded, folder / "loaded")
    print(f"{args.loaded:,} pictures loaded: " + ", ".join(f"{one / 1e6:.0f} MB" for one in held))
    growth, faster = held[-1] / held[0], whole / reduced
    what = f"start of training, {args.pictures:,} pictures that were checked before"
    limit = f"{MOST_SECONDS:g} s"
    rows = [
        Compared(what, f"{start:.1f} s", limit, start / MOST_SECONDS, "at most 1"),
        Compared(
            f"{what}, no split stated",
            f"{undivided:.1f} s",
            limit,
            undivided / MOST_SECONDS,
            "at most 1",
        ),
    ]
    what, ours = f"decoding of {size} pixels", f"{1e3 * reduced:.1f} ms"
    limit, goal = f"whole, {1e3 * whole:.1f} ms", f"at least {LEAST_FASTER:g}"
    rows.append(Compared(what, ours, limit, faster, goal))
    what, limit = f"training on {size} pixels, all processes", f"{MOST_GIGABYTES:g} GB"
    rows.append(Compared(what, f"{peak:.2f} GB", limit, peak / MOST_GIGABYTES, "at most 1"))
    what, ours = f"loading {args.loaded:,} pictures, third epoch", f"{held[-1] / 1e6:.0f} MB"
    limit, goal = f"first epoch, {held[0] / 1e6:.0f} MB", f"at most {MOST_GROWTH:g}"
    rows.append(Compared(what, ours, limit, growth, goal))
    hand_on(rows)
    missed = [max(start, undivided) > MOST_SECONDS, peak > MOST_GIGABYTES, growth > MOST_GROWTH]
    return sum([*missed, faster < LEAST_FASTER])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(parse_args()))
