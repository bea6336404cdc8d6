"""Run every benchmark and print their tables one after another.

Usage:
    python3 benchmarks/run_all.py [NAME ...]     NAME is a file of this folder without its .py

quality.py, which compares recipes of training and takes hours, is not among them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
LEFT_OUT = (Path(__file__).stem, "quality")


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the names."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    names = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in LEFT_OUT)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    args = parser.parse_args(argv)
    unknown = sorted(set(args.names) - set(names))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]}; there are {', '.join(names)}")
    args.names = args.names or names
    return args


def main(args: argparse.Namespace) -> int:
    """Run the benchmarks one after another, so that none disturbs another; return the failures."""
    failed = 0
    for name in args.names:
        print(f"== {name}", flush=True)
        failed += subprocess.call([sys.executable, str(FOLDER / f"{name}.py")]) != 0
        print()
    return failed


if __name__ == "__main__":
    sys.exit(main(parse_args()))
