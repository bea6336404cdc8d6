"""Run every benchmark, print their tables one after another, and write them down.

Usage:
    python3 benchmarks/run_all.py [NAME ...]     NAME is a file of this folder without its .py

When all of them have run, docs/performance.md says what came out, and on which machine; run them
on a quiet one. quality.py, which compares recipes of training and takes hours, is not among them.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple, Sequence

from compared import ROWS_FILE, Compared, as_table, handed_on

FOLDER = Path(__file__).resolve().parent
PAGE = FOLDER.parent / "docs" / "performance.md"
LEFT_OUT = (Path(__file__).stem, "compared", "untrained", "quality")
LIBRARIES = ("torch", "onnxruntime", "numpy", "opencv-python", "pandas")
INTRODUCTION = """\
# Performance

`make bench` measures all this, and writes this page. A figure alone says little, as it depends on
the machine. So each one is held against something else in the same run: what nothing can undercut,
or how the older scripts do it. The ratio is what the goal is about: of times, memory and growth it
should be small ("at most"), of rates large ("at least"). Where a goal is missed, the section below
shows what the time goes into.
"""


class Output(NamedTuple):
    """What a benchmark has printed."""

    name: str
    text: str
    failed: bool


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in LEFT_OUT)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    args = parser.parse_args(argv)
    unknown = sorted(set(args.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(names)}")
    args.is_whole = not args.names
    args.names = args.names or names
    return args


def main(args: argparse.Namespace) -> int:
    """Run the benchmarks one after another, so that none disturbs another; return the failures."""
    with tempfile.TemporaryDirectory() as folder:
        rows_file = Path(folder) / "rows.jsonl"
        outputs = [run(name, rows_file) for name in args.names]
        rows = handed_on(rows_file)
    print("\n".join(as_table(rows)))
    failed = sum(output.failed for output in outputs)
    if args.is_whole:
        PAGE.write_text(page(rows, outputs), encoding="utf-8")
        print(f"\nwritten to {PAGE}")
    return failed


def run(name: str, rows_file: Path) -> Output:
    """Run a benchmark; print what it prints, as it comes."""
    print(f"== {name}", flush=True)
    command = [sys.executable, "-u", str(FOLDER / f"{name}.py")]
    environment = {**os.environ, ROWS_FILE: str(rows_file)}
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    print()
    return Output(name, "".join(lines), process.returncode != 0)


def page(rows: Sequence[Compared], outputs: Sequence[Output]) -> str:
    """Return the page."""
    lines = [INTRODUCTION, f"Measured on {date.today()}: {machine()}.", "", *as_table(rows), ""]
    for output in outputs:
        title = output.name.replace("_", " ").capitalize()
        lines += [f"## {title}", "", f"`python3 benchmarks/{output.name}.py`:", ""]
        lines += [f"    {line}".rstrip() for line in output.text.rstrip().splitlines()]
        if output.failed:
            lines += ["", "It missed a goal, or failed."]
        lines.append("")
        picture = PAGE.parent / "pictures" / f"{output.name}.png"
        if picture.is_file():
            lines += [f"![{title}](pictures/{picture.name})", ""]
    return "\n".join(lines).rstrip() + "\n"


def machine() -> str:
    """Return the processor, the number of cores and the libraries that matter."""
    information = Path("/proc/cpuinfo")
    processor = platform.processor() or platform.machine()
    if information.is_file():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                processor = line.partition(":")[2].strip()
    libraries = [f"Python {platform.python_version()}"]
    for name in LIBRARIES:
        try:
            libraries.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return f"{processor}, {os.cpu_count()} cores; {', '.join(libraries)}"


if __name__ == "__main__":
    sys.exit(main(parse_args()))
