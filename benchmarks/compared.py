"""The figures that a benchmark hands on to the table in docs/performance.md."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple, Sequence

ROWS_FILE = "BENCHMARK_ROWS"  # run_all.py names a file by it, in the environment


class Compared(NamedTuple):
    """What was done, how fast, and what limits it in the same run."""

    what: str
    ours: str  # with its unit
    limit: str  # what it was held against, with its figure
    ratio: float
    goal: str  # "at least 3", "at most 1.2", or "" for none

    @property
    def missed(self) -> bool:
        """Whether the ratio, as it is shown, is on the wrong side of the goal."""
        bound, _, number = self.goal.rpartition(" ")
        if not bound:
            return False
        above = round(self.ratio, 2) - float(number)
        return above < 0 if bound == "at least" else above > 0


def hand_on(rows: Sequence[Compared]) -> None:
    """Give rows to run_all.py, if it has started this benchmark."""
    if ROWS_FILE in os.environ:
        with Path(os.environ[ROWS_FILE]).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def handed_on(file: Path) -> list[Compared]:
    """Return the rows in a file."""
    if not file.is_file():
        return []
    lines = file.read_text(encoding="utf-8").splitlines()
    return [Compared(*json.loads(line)) for line in lines]


def as_table(rows: Sequence[Compared]) -> list[str]:
    """Return the lines of a table in Markdown."""
    lines = ["| what | ours | held against | ratio | goal |", "|---|---|---|--:|---|"]
    for row in rows:
        goal = f"{row.goal}: **missed**" if row.missed else row.goal
        lines.append(f"| {row.what} | {row.ours} | {row.limit} | {row.ratio:.2f} | {goal} |")
    return lines
