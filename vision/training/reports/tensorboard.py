"""The curves of a run for TensorBoard, under the tags that upstream's runs have."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from vision.training.steps import Losses
from vision.training.validation import Validation
from vision.utils.tensorboard import summary_writer


class TensorBoardLog:
    """Writes scalars by epoch; does nothing, after one warning, where tensorboard cannot be used.

    Args:
        folder: of the event files, such as tensorboard/ in the model directory.
        first_epoch: the epoch to be run next. What an earlier run wrote of it and of later ones is
            hidden, so that a resumed run goes on in the same curves and a new one starts them anew.
    """

    def __init__(self, folder: Path, first_epoch: int = 0) -> None:
        open_writer = summary_writer("No curves")
        self.writer = open_writer and open_writer(str(folder), purge_step=first_epoch)

    def add_epoch(
        self,
        epoch: int,
        losses: Losses,
        validation: Validation | None,
        learning_rates: Mapping[str, float],
    ) -> None:
        """Write what is known after an epoch.

        Args:
            losses: of training.
            validation: None after an epoch without one.
            learning_rates: by part of the net.
        """
        if self.writer is None:
            return
        for tag, value in scalars(losses, validation, learning_rates).items():
            self.writer.add_scalar(tag, value, epoch)
        self.writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        if self.writer is not None:
            self.writer.close()


def scalars(
    losses: Losses, validation: Validation | None, learning_rates: Mapping[str, float]
) -> dict[str, float]:
    """Return what there is to write of an epoch, by tag."""
    values: dict[str, float | None] = {}
    measured = {"train": losses, **({"val": validation.losses} if validation else {})}
    for split, one in measured.items():
        values[f"Loss/{split}"] = one.total
        values[f"Regression Loss/{split}"] = one.regression
        values[f"Classification Loss/{split}"] = one.classification
    if validation and validation.precision:
        values["Mean Average Precision/val"] = validation.precision.mean
        for result in validation.precision.classes:
            values[f"Class Average Precision/{result.name}"] = result.average_precision
    values.update({f"Learning Rate/{part}": rate for part, rate in learning_rates.items()})
    return {tag: value for tag, value in values.items() if value is not None}
