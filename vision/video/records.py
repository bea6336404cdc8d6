"""What was found, as JSON or CSV, written picture by picture: a video may have any length."""

from __future__ import annotations

import csv
import json
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping, Sequence, TextIO

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


@contextmanager
def open_records(
    class_names: Sequence[str],
    json_path: Path | None,
    csv_path: Path | None,
    facts: Mapping[str, object],
) -> Iterator[Records]:
    """Write findings to the files that are asked for; they appear together when the block ends.

    A block that fails leaves no file; one that the user interrupts, what was found until then.

    Args:
        json_path: None writes no such file.
        csv_path: likewise.
        facts: about the detector, for the head of the JSON.
    """
    interrupt = None
    with write_together() as place, ExitStack() as files:

        def opened(path: Path | None) -> TextIO | None:
            """Open what becomes the file at `path`."""
            if path is None:
                return None
            return files.enter_context(place(path).open("w", encoding="utf-8", newline=""))

        records = Records(class_names, opened(json_path), opened(csv_path))
        records.begin(facts)
        try:
            yield records
        except KeyboardInterrupt as error:
            interrupt = error
        records.end()
    if interrupt is not None:
        raise interrupt


class Records:
    """Writes findings to open files."""

    def __init__(
        self, class_names: Sequence[str], json_file: TextIO | None, csv_file: TextIO | None
    ) -> None:
        """Say where to; None is no such file."""
        self._class_names = list(class_names)
        self._json, self._csv = json_file, csv_file
        self._separator = ""

    def begin(self, facts: Mapping[str, object]) -> None:
        """Write what comes before all findings."""
        if self._json:
            head = json.dumps({**facts, "class_names": self._class_names}, ensure_ascii=False)
            self._json.write(f'{head[:-1]}, "pictures": [')
        if self._csv:
            csv.writer(self._csv).writerow(COLUMNS)

    def add(self, found: FoundObjects) -> None:
        """Write the objects of one picture, best first."""
        if self._json:
            self._json.write(f"{self._separator}\n{json.dumps(self._as_object(found))}")
            self._separator = ","
        if self._csv:
            csv.writer(self._csv).writerows(self._as_rows(found))

    def end(self) -> None:
        """Write what comes after all findings."""
        if self._json:
            self._json.write("\n]}\n")

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
