"""What a run leaves in its model directory beside weights."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path
from typing import Any, Mapping

from vision.utils.files import atomic_write

logger = logging.getLogger(__name__)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write values that JSON has; anything else as its text."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(values, indent=2, default=str) + "\n", encoding="utf-8")


class ResultsTable:
    """results.csv: one row an epoch; an epoch that is run again takes the place of its old row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def continue_until(self, epoch: int) -> None:
        """Take over the rows before an epoch from the file of an interrupted run."""
        if self.path.is_file():
            with self.path.open(newline="", encoding="utf-8") as file:
                self.rows = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]

    def add(self, row: Mapping[str, Any]) -> None:
        """Add an epoch and write the file."""
        self.rows.append(dict(row))
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with atomic_write(self.path) as temporary, temporary.open(
            "w", newline="", encoding="utf-8"
        ) as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


def delete_old_checkpoints(written: list[Path], keep: int) -> None:
    """Delete the oldest of the checkpoints that this run wrote, so that `keep` are left."""
    while len(written) > keep:
        oldest = written.pop(0)
        if oldest.is_file():
            oldest.unlink()
            logger.debug("Deleted %s", oldest)


def tool_versions() -> dict[str, str]:
    """Return the versions of what decides a run's result."""
    import platform

    import cv2
    import numpy
    import torch

    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),  # a class of its own, which weights_only refuses
        "numpy": numpy.__version__,
        "opencv": cv2.__version__,
    }
