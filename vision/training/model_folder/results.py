"""results.csv: what every epoch came to."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any, Mapping, Sequence

from vision.datasets.files.tables import delimiter_of
from vision.datasets.files.values import encoding_of
from vision.training.steps import Losses
from vision.training.validation import Validation
from vision.utils.files import atomic_write, require_regular
from vision.utils.options import MAX_EPOCHS, Whole
from vision.utils.text import printable, shown

Row = Mapping[str, Any]  # by column; "" or None where an epoch has no such value
LARGEST = 1e100  # a number that a curve can be drawn through
# Files of the model folder: the table, its curves, and what the best weights find.
RESULTS, CURVES, EXAMPLES = "results.csv", "results.png", "val_predictions.jpg"


class ResultsTable:
    """One row an epoch; an epoch that is run again takes the place of its old row."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def continue_until(self, epoch: int) -> None:
        """Take over the rows before an epoch from the file of an interrupted run.

        Raises:
            ValueError: naming the file and the line that is no row of such a table.
        """
        if self.path.is_file():
            self.rows = [row for row in read_rows(self.path) if int(row["epoch"]) < epoch]

    def validated(self) -> list[tuple[int, str]]:
        """Return the epochs of the file that were validated, and their losses as they stand there.

        Raises:
            ValueError: naming the file and the line that is no row of such a table.
        """
        rows = read_rows(self.path) if self.path.is_file() else []
        losses = [(int(row["epoch"]), row.get("validation loss", "")) for row in rows]
        return [(epoch, loss) for epoch, loss in losses if loss]

    def add(self, row: Row) -> None:
        """Add an epoch and write the file."""
        self.rows.append(dict(row))
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with atomic_write(self.path) as temporary, temporary.open(
            "w", newline="", encoding="utf-8"
        ) as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(self.rows)


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table, also one that a spreadsheet has saved.

    Raises:
        ValueError: naming the file and the line that is no row of such a table.
    """
    require_regular(path)
    data = path.read_bytes()
    text = data.decode(encoding_of(data), errors="replace")
    separator = delimiter_of(text.partition("\n")[0])
    reader = csv.reader(text.splitlines(), delimiter=separator)
    rows: list[dict[str, str]] = []
    try:
        columns = next(reader, [])
        for values in reader:
            if any(values):
                rows.append(_row(columns, values, decimal_comma=separator != ","))
    except (csv.Error, ValueError) as error:
        why = printable(str(error), 120)
        raise ValueError(
            f"{path} line {reader.line_num} is no row of a table of results: {why}; rename the "
            "file to begin a new table"
        ) from None
    return rows


def _row(columns: Sequence[str], values: Sequence[str], decimal_comma: bool) -> dict[str, str]:
    if len(values) != len(columns):
        raise ValueError(f"it must have {len(columns)} values, got {len(values)}")
    if decimal_comma:
        values = [value.replace(",", ".") for value in values]
    row = dict(zip(columns, values))
    for name, value in row.items():
        if value and name != "epoch":
            number = float(value)
            if math.isfinite(number) and abs(number) > LARGEST:
                raise ValueError(f"{printable(name, 40)} is beyond any sense, {number:g}")
    try:
        row["epoch"] = str(Whole(0, MAX_EPOCHS)(float(row.get("epoch", ""))))
    except ValueError:
        raise ValueError(
            f"it has no number of an epoch, got '{shown(row.get('epoch', ''))}'"
        ) from None
    return row


def epoch_row(
    epoch: int, step: int, rate: float, losses: Losses, validation: Validation | None
) -> dict[str, Any]:
    """Return the row of an epoch.

    Args:
        epoch: its number, from 0.
        step: optimizer steps since the start of the run.
        rate: learning rate of the heads at the end of the epoch.
        losses: of training.
        validation: None after an epoch without one.
    """
    row: dict[str, Any] = {
        "epoch": epoch,
        "steps": step,
        "learning rate": rate,
        "training loss": losses.total,
        "training regression loss": losses.regression,
        "training classification loss": losses.classification,
    }
    if validation is not None:
        row["validation loss"] = validation.losses.total
        row["validation regression loss"] = validation.losses.regression
        row["validation classification loss"] = validation.losses.classification
        if validation.precision is not None:
            row["mAP"] = validation.precision.mean
            for result in validation.precision.classes:
                row[f"AP {result.name}"] = result.average_precision
        row.update(validation.columns)
    return row


def curve(rows: Sequence[Row], column: str) -> tuple[list[int], list[float]]:
    """Return the epochs that have a finite number in a column, and the numbers."""
    epochs, values = [], []
    for row in rows:
        value = row.get(column)
        if value not in (None, "") and math.isfinite(float(value)):
            epochs.append(int(row["epoch"]))
            values.append(float(value))
    return epochs, values
