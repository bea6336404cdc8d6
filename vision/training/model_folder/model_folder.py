"""The model directory: what a run writes there, and when."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Sequence

from vision.checkpoints.description import Description
from vision.checkpoints.detector import BEST, LAST
from vision.checkpoints.weights_file import save_weights
from vision.training.loop import Losses
from vision.training.model_folder.records import ResultsTable, delete_old_checkpoints, write_json
from vision.training.model_folder.state import Progress, save_state
from vision.training.steps import Training
from vision.training.validation import Validation
from vision.utils.labels import write_labels

logger = logging.getLogger(__name__)


class RunFolder:
    """Writes the files of a run.

    Args:
        path: the folder, made if it is missing.
        arguments: of the run, plain values; kept in training_args.json and last.pth.
        keep: how many of the newest weights files to leave beside the best and the last.
    """

    def __init__(self, path: Path, arguments: dict[str, Any], keep: int) -> None:
        self.path, self.arguments, self.keep = path, arguments, max(1, keep)
        self.table = ResultsTable(path / "results.csv")
        self.written: list[Path] = []

    def prepare(self, class_names: Sequence[str], progress: Progress) -> None:
        """Write what is known before the first step."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_labels(self.path / "labels.txt", class_names)
        logger.info("Stored labels into file %s.", self.path / "labels.txt")
        write_json(self.path / "training_args.json", self.arguments)
        weights = sorted(self.path.glob("*-Epoch-*.pth"), key=_time_written)
        if progress.epoch:
            self.table.continue_until(progress.epoch)
            self.written = weights
        elif weights and not progress.position:
            logger.warning(
                "%s already has weights of another run, such as %s; best.pth will be of this one",
                *(self.path, weights[-1].name),
            )

    def write_epoch(
        self,
        training: Training,
        description: Description,
        progress: Progress,
        losses: Losses,
        validation: Validation | None,
    ) -> None:
        """Write the weights of an epoch if they were validated, and a row of the table."""
        self.table.add(_row(training, progress, losses, validation))
        if validation is not None:
            described = replace(description, epoch=progress.epoch, metrics=validation.metrics)
            self._save_weights(training, described, progress, validation)

    def save_state(self, training: Training, description: Description, progress: Progress) -> None:
        """Write last.pth."""
        save_state(self.path / LAST, training, progress, description, self.arguments)

    def _save_weights(
        self,
        training: Training,
        description: Description,
        progress: Progress,
        validation: Validation,
    ) -> None:
        loss = validation.losses.total
        name = f"{description.net}-Epoch-{progress.epoch}-Loss-{loss}.pth"
        state = training.best_net.state_dict()
        save_weights(self.path / name, state, description)
        logger.info("Saved model %s", self.path / name)
        self.written.append(self.path / name)
        delete_old_checkpoints(self.written, self.keep)
        if progress.best_epoch == progress.epoch:
            save_weights(self.path / BEST, state, description)


def _time_written(path: Path) -> float:
    return path.stat().st_mtime


def _row(
    training: Training, progress: Progress, losses: Losses, validation: Validation | None
) -> dict[str, Any]:
    row = {
        "epoch": progress.epoch,
        "steps": training.step,
        "learning rate": training.optimizer.param_groups[-1]["lr"],
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
