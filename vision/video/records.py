"""What was found, as JSON or CSV, written picture by picture: a video may have any length."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Mapping, Sequence, TextIO

from vision.structures import Detections
from vision.utils.files import write_together

COLUMNS = (
    *("source", "frame", "seconds", "width", "height"),
    *("class", "score", "xmin", "ymin", "xmax", "ymax"),
)


@dataclass(frozen=True, eq=False)
class FoundObjects:
    """What was found in one picture, or in one frame of a video."""

    source: str
    size: tuple[int, int]  # (width, height), pixels
    detections: Detections
    frame: int | None = None  # of a video, from 0
    seconds: float | None = None  # from its start


class Records:
    """Writes findings to the files that are asked for; they appear when the block ends.

    They appear together. A block that fails leaves no file; one that the user interrupts, what was
    found until then.
    """

    def __init__(
        self, class_names: Sequence[str], json_path: Path | None, csv_path: Path | None
    ) -> None:
        """Say where to; None writes no such file."""
        self._class_names = list(class_names)
        self._json_path, self._csv_path = json_path, csv_path
        self._stack = ExitStack()
        self._json: TextIO | None = None
        self._csv: TextIO | None = None
        self._separator = ""

    def begin(self, facts: Mapping[str, object]) -> Records:
        """Open the files; `facts` about the detector go into the head of the JSON."""
        with ExitStack() as stack:  # which closes what is open already where a file cannot be
            place = stack.enter_context(write_together())
            if self._json_path:
                self._json = stack.enter_context(_open(place(self._json_path)))
                head = json.dumps({**facts, "class_names": self._class_names}, ensure_ascii=False)
                self._json.write(f'{head[:-1]}, "pictures": [')
            if self._csv_path:
                self._csv = stack.enter_context(_open(place(self._csv_path)))
                csv.writer(self._csv).writerow(COLUMNS)
            self._stack = stack.pop_all()
        return self

    def __enter__(self) -> Records:
        """Do nothing; `begin` opens the files."""
        return self

    def add(self, found: FoundObjects) -> None:
        """Write the objects of one picture, best first."""
        if self._json:
            self._json.write(f"{self._separator}\n{json.dumps(self._as_object(found))}")
            self._separator = ","
        if self._csv:
            csv.writer(self._csv).writerows(self._as_rows(found))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finish the files."""
        if self._json:
            self._json.write("\n]}\n")
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            kind, error, traceback = None, None, None
        self._stack.__exit__(kind, error, traceback)

    def _as_object(self, found: FoundObjects) -> dict[str, object]:
        place = {"frame": found.frame, "seconds": found.seconds}
        return {
            "source": found.source,
            **{name: value for name, value in place.items() if value is not None},
            "width": found.size[0],
            "height": found.size[1],
            "objects": [
                {
                    "class": self._class_names[label],
                    "label": int(label),
                    "score": round(float(score), 4),
                    "box": [round(float(value), 2) for value in box],
                }
                for box, label, score in zip(*found.detections)
            ],
        }

    def _as_rows(self, found: FoundObjects) -> list[list[object]]:
        frame = "" if found.frame is None else found.frame
        seconds = "" if found.seconds is None else f"{found.seconds:.3f}"
        place = [found.source, frame, seconds, *found.size]
        return [
            [*place, self._class_names[label], f"{score:.4f}", *(f"{value:.2f}" for value in box)]
            for box, label, score in zip(*found.detections)
        ]


def _open(part: Path) -> TextIO:
    return part.open("w", encoding="utf-8", newline="")
