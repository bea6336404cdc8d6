"""A table of faults: which, how often, and what became of the files that they hit."""

from __future__ import annotations

from collections import Counter
from typing import Iterable, Mapping, NamedTuple

from tests.download.servers import Request

WORDS = {
    "refuse": "connection reset before the answer",
    "reset": "connection reset in the middle of the body",
    "truncate": "status 200, connection closed in the middle of the body",
    "stall": "silence in the middle of the body",
    "drip": "a byte every 50 ms",
    "garble": "status 200, right length, second half zeros",
    "500": "status 500",
    "503": "status 503",
}


class Row(NamedTuple):
    """A fault, how many times it was there, and what became of what it hit."""

    fault: str
    times: int
    outcome: str


def rows_of_faults(requests: Iterable[Request], fates: Mapping[str, str], kind: str) -> list[Row]:
    """Return a row for each fault that a server has done.

    Args:
        fates: what became of a file in the end, by the path that was asked for.
        kind: what the files are, in the plural.
    """
    hit: dict[str, list[str]] = {fault: [] for fault in WORDS}
    for request in requests:
        if request.fault:
            hit[request.fault].append(request.path)
    rows = []
    for fault, paths in hit.items():
        counts = Counter(fates[path] for path in set(paths))
        fate = ", ".join(f"{count} {words}" for words, count in counts.most_common())
        rows.append(Row(WORDS[fault], len(paths), f"{kind}: {fate}"))
    return [row for row in rows if row.times]


def markdown(rows: Iterable[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| fault | times | what became of it |", "|---|--:|---|"]
    return "\n".join(lines + [f"| {row.fault} | {row.times} | {row.outcome} |" for row in rows])
