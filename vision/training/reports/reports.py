"""The pictures and curves of a run; a report that cannot be written never ends a run."""

from __future__ import annotations

import logging
import multiprocessing
from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

from vision.checkpoints.description import Description
from vision.datasets.report.portrait import write_portrait
from vision.loading.loaders import EpochLoader
from vision.loading.workers import leave_signals_to_parent
from vision.training.compute.processes import is_main
from vision.training.model_folder.results import CURVES, EXAMPLES
from vision.training.reports.pictures import draw_batch, draw_predictions, write_inputs
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
        self._drawing: multiprocessing.Process | None = None

    def begin(self, loader: EpochLoader, inputs: int = 0) -> None:
        """Draw what is trained on: the objects of the data, and one batch as the net sees it.

        The first takes a second or two, which the training does not wait for.

        Args:
            loader: of the training.
            inputs: how many pictures to write besides, each alone, as the net sees them.
        """
        if self.curves is None:
            return
        image_size = self.description.config.image_size
        portrait = (write_portrait, loader.dataset.index, self.folder / "labels.jpg", image_size)
        try:
            self._drawing = multiprocessing.Process(target=_draw_aside, args=portrait)
            self._drawing.start()
        except OSError:  # no memory for one process more
            self._drawing = None
            _draw(*portrait)
        batch = loader.sample_batch(16)
        _draw(draw_batch, batch, self.description.class_names, self.folder / "train_batch.jpg")
        if inputs:
            _draw(write_inputs, loader, inputs, self.folder)

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
        _draw(plot_results, rows, self.folder / CURVES)
        _draw(self.curves.add_epoch, epoch, losses, validation, learning_rates)
        if is_best and validation is not None and validation.examples is not None:
            path = self.folder / EXAMPLES
            class_names = self.description.class_names
            _draw(draw_predictions, validation.examples, class_names, path)

    def close(self) -> None:
        """Wait for what is still drawn, and finish the curves."""
        if self._drawing is not None:
            self._drawing.join()
        if self.curves is not None:
            _draw(self.curves.close)


def _draw_aside(draw: Callable[..., None], *arguments: Any) -> None:
    """Draw in a process of its own, which Ctrl+C does not end: it is done soon."""
    leave_signals_to_parent()
    _draw(draw, *arguments)


def _draw(draw: Callable[..., object], *arguments: Any) -> None:
    try:
        draw(*arguments)
    except (OSError, ImportError, ValueError) as error:
        logger.warning("A report was not written: %s", error)
