"""Measure what many and what large pictures cost: the wait before training, and the memory.

Usage:
    python3 benchmarks/large_data.py
    python3 benchmarks/large_data.py --pictures 1000

Draws pictures into a temporary folder, and trains mb1-ssd on them. First many: how long the first
start takes, which opens each picture once, and the next one, which remembers them. Then large ones,
of 4000 x 3000 pixels: the most memory that all processes hold together. Last 100,000 go through the
loader three times: whether the memory grows. Goals: 5 s, 2.5 GB, and no growth.
"""

from __future__ import annotations

import argparse
import os
import signal
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
WORKERS, EPOCHS = 2, 3
GIGABYTE = 1e9
BETWEEN_LOOKS = 0.1  # seconds
STARTED = "Start training from epoch"
GOALS = {"start": 5.0, "memory": 2.5, "growth": 1.02}  # seconds, gigabytes, times


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
    encoded = cv2.imencode(".jpg", cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))[1]
    jpeg = encoded.tobytes()
    box = f"<xmin>{width // 4}</xmin><ymin>{height // 4}</ymin>"
    box += f"<xmax>{width // 2}</xmax><ymax>{height // 2}</ymax>"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / name).mkdir(parents=True)
    names = [f"{number:06}" for number in range(pictures)]
    for name in names:
        # A comment with the number, behind the two bytes that every JPEG begins with.
        comment = b"\xff\xfe\x00\x08" + name.encode()
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
                process.send_signal(signal.SIGINT)
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = train_command(draw_dataset(folder / "many", args.pictures, SMALL_SIZE), folder)
        first, next_one = seconds_to_start(command), seconds_to_start(command)
        print(
            f"{args.pictures:,} pictures: the first start {first:.1f} s, the next {next_one:.1f} s"
        )
        large = draw_dataset(folder / "large", args.large, LARGE_SIZE)
        peak = peak_memory(train_command(large, folder), folder) / GIGABYTE
        width, height = LARGE_SIZE
        print(f"{args.large} pictures of {width} x {height}: at most {peak:.2f} GB")
        held = memory_by_epoch(args.loaded, folder / "loaded")
    growth = held[-1] / held[0]
    print(f"{args.loaded:,} pictures loaded: " + ", ".join(f"{one / 1e6:.0f} MB" for one in held))
    figures = {
        "start": (f"start of training, {args.pictures:,} pictures seen before", next_one, "s"),
        "memory": (f"memory of training, {width} x {height} pixels", peak, "GB"),
    }
    rows = [
        Compared(
            what, f"{value:.2f} {unit}", f"{GOALS[key]:g} {unit}", value / GOALS[key], "at most 1"
        )
        for key, (what, value, unit) in figures.items()
    ]
    what = f"memory of loading {args.loaded:,} pictures, third epoch"
    first_epoch = f"first epoch, {held[0] / 1e6:.0f} MB"
    goal = f"at most {GOALS['growth']}"
    rows.append(Compared(what, f"{held[-1] / 1e6:.0f} MB", first_epoch, growth, goal))
    hand_on(rows)
    return (next_one > GOALS["start"]) + (peak > GOALS["memory"]) + (growth > GOALS["growth"])


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    sys.exit(main(parse_args()))
