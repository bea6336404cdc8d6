"""The pictures and curves of a run; a report that cannot be written never ends a run."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from vision.checkpoints.description import Description
from vision.datasets.report.portrait import write_portrait
from vision.loading.loaders import EpochLoader
from vision.training.compute.processes import is_main
from vision.training.reports.pictures import draw_batch, draw_predictions
from vision.training.reports.plots import plot_results
from vision.training.reports.tensorboard import TensorBoardLog
from vision.training.steps import Losses
from vision.training.validation import Validation

logger = logging.getLogger(__name__)


class Reports:
    """Draws labels.jpg, train_batch.jpg, results.png and val_predictions.jpg, and logs curves.

    Only the main process does.
    """

    def __init__(self, folder: Path, description: Description, first_epoch: int) -> None:
        self.folder, self.description = folder, description
        self.curves = TensorBoardLog(folder / "tensorboard", first_epoch) if is_main() else None

    def begin(self, loader: EpochLoader) -> None:
        """Draw what is trained on: the objects of the data, and one batch as the net sees it."""
        if self.curves is None:
            return
        image_size = self.description.config.image_size
        self._try(write_portrait, loader.dataset.index, self.folder / "labels.jpg", image_size)
        batch = loader.sample_batch(16)
        self._try(draw_batch, batch, self.description.class_names, self.folder / "train_batch.jpg")

    def add_epoch(
        self,
        epoch: int,
        rows: Sequence[Mapping[str, Any]],
        losses: Losses,
        validation: Validation | None,
        learning_rates: Mapping[str, float],
        is_best: bool,
    ) -> None:
        """Draw the curves with a new epoch; if it is the best, also what it finds in pictures."""
        if self.curves is None:
            return
        self._try(plot_results, rows, self.folder / "results.png")
        self._try(self.curves.add_epoch, epoch, losses, validation, learning_rates)
        if is_best and validation is not None and validation.examples is not None:
            path = self.folder / "val_predictions.jpg"
            class_names = self.description.class_names
            self._try(draw_predictions, validation.examples, class_names, path)

    def close(self) -> None:
        """Finish the curves."""
        if self.curves is not None:
            self._try(self.curves.close)

    def _try(self, draw: Callable[..., None], *arguments: Any) -> None:
        try:
            draw(*arguments)
        except (OSError, ImportError, ValueError) as error:
            logger.warning("A report was not written: %s", error)
