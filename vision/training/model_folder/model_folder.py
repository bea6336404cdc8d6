"""The model directory: what a run writes there, and when."""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Mapping

from vision.checkpoints.description import Description
from vision.checkpoints.detector import BEST, LAST, PREVIOUS
from vision.checkpoints.weights_file import save_weights
from vision.datasets.drawn_split import HELD_OUT
from vision.datasets.options import TRAINING_ARGUMENTS
from vision.training.bad_batches import BAD_BATCHES
from vision.training.compute.processes import is_main, process_count
from vision.training.data import Writable
from vision.training.model_folder.results import (
    CURVES,
    EXAMPLES,
    RESULTS,
    ResultsTable,
    epoch_row,
)
from vision.training.model_folder.state import ENDING, Progress, save_state
from vision.training.options import TrainOptions
from vision.training.steps import Losses, Training
from vision.training.teaching import TAUGHT
from vision.training.validation import Validation
from vision.utils.files import remove_leftovers, write_together
from vision.utils.labels import write_labels

# What holds or shows how far a run is. The state goes first, and of its two files the older one:
# without last.pth a run goes on from previous.pth.
OF_A_RUN = (PREVIOUS, LAST, BEST, RESULTS, BAD_BATCHES, CURVES, EXAMPLES)

logger = logging.getLogger(__name__)


class ModelFolder:
    """Writes the files of a run, in the main process only.

    Args:
        options: of the run; kept in training_args.json and last.pth.
        description: of the net that is trained.
        clock: returns seconds.
    """

    def __init__(
        self,
        options: TrainOptions,
        description: Description,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path, self.options, self.description = options.checkpoint_folder, options, description
        self.table = ResultsTable(self.path / RESULTS)
        self._weights: dict[int, Path] = {}  # that this run has written, by epoch, the oldest first
        self._clock, self._saved_at = clock, clock()
        self._is_due = self._has_moved = False

    def prepare(
        self,
        progress: Progress,
        files: Mapping[str, Writable] | None = None,
        earlier: Path | None = None,
    ) -> None:
        """Write what is known before the first step; its files appear together, or none does.

        Args:
            progress: of the run.
            files: more to write, by name.
            earlier: the folder of the run that goes on; None for one that begins.
        """
        if not is_main():
            return
        with write_together() as place:
            write_labels(place(self.path / "labels.txt"), self.description.class_names)
            text = json.dumps(self.options.saved(), indent=2)
            place(self.path / TRAINING_ARGUMENTS).write_text(text + "\n", encoding="utf-8")
            for name, file in (files or {}).items():
                file.write(place(self.path / name))
            if earlier is None or earlier.resolve() != self.path.resolve():
                for path in _files_of_past_epochs(earlier):
                    shutil.copyfile(path, place(self.path / path.name))
                self._has_moved = earlier is not None
                self._end_old_run()  # all is written, and nothing of it is in its place yet
        for name in {TAUGHT, HELD_OUT}.difference(files or {}):
            if (self.path / name).is_file():
                (self.path / name).unlink()  # of a run that --overwrite has ended
        for path in remove_leftovers(self.path):
            logger.info("Removed %s, which a killed run has left", path)
        logger.info("Stored labels into file %s.", self.path / "labels.txt")
        if progress.epoch or progress.position:
            self._find_weights()
            self.table.continue_until(progress.epoch)
            return
        others = sorted(self.path.glob("*-Epoch-*.pth"))
        if others:
            logger.warning(
                "%s already has weights of another run, such as %s; best.pth will be of this one",
                self.path,
                others[0].name,
            )

    def _end_old_run(self) -> None:
        """Remove what an old run would be gone on from, or what would be taken for the new one's.

        A run that is killed meanwhile leaves the old one whole, or nothing to go on from. What the
        new run itself starts from stays.
        """
        named = (self.options.resume_from, self.options.pretrained_ssd, self.options.base_net)
        kept = {Path(one).resolve() for one in (*named, self.options.teacher) if one}
        for name in OF_A_RUN:
            path = self.path / name
            if not {path.resolve(), path.parent.resolve()} & kept or name in (LAST, PREVIOUS):
                _remove(path)
        _remove(self.path / ENDING)

    def _find_weights(self) -> None:
        """Find the weights that the run has written: the folder may hold those of others too."""
        for epoch, loss in self.table.validated():
            path = self._weights_path(epoch, loss)
            if path.is_file():
                self._weights[epoch] = path

    def _weights_path(self, epoch: int, loss: Any) -> Path:
        return self.path / f"{self.description.net}-Epoch-{epoch}-Loss-{loss}.pth"

    def _keep(self, epoch: int, path: Path) -> None:
        """Note new weights; remove those of the same epoch, which ran twice, and the oldest."""
        before = self._weights.pop(epoch, path)
        if before != path:
            _remove(before)
        self._weights[epoch] = path
        while len(self._weights) > self.options.keep:
            _remove(self._weights.pop(next(iter(self._weights))))

    def write_epoch(
        self,
        training: Training,
        progress: Progress,
        losses: Losses,
        validation: Validation | None,
    ) -> None:
        """Write a row of the table, and the weights of an epoch that was validated."""
        if not is_main():
            return
        rate = training.optimizer.param_groups[-1]["lr"]
        self.table.add(epoch_row(progress.epoch, training.step, rate, losses, validation))
        if validation is None:
            return
        described = replace(self.description, epoch=progress.epoch, metrics=validation.metrics)
        state = training.best_net.state_dict()
        if not validation.weights_are_finite:
            logger.warning("Not all weights are finite any more; start again at a lower --lr")
        path = self._weights_path(progress.epoch, validation.losses.total)
        save_weights(path, state, described)
        logger.info("Saved model %s", path)
        self._keep(progress.epoch, path)
        if progress.best_epoch == progress.epoch:
            save_weights(self.path / BEST, state, described)

    def save_state(self, training: Training, progress: Progress) -> bool:
        """Write last.pth, from which the run can go on as if it had never stopped.

        Where the loss is not finite, the weights may be beyond use. Then the state from before
        stays as it is, and the first good step is saved.

        Returns:
            whether it was written.
        """
        self._is_due = bool(training.is_lost)
        if self._is_due:
            return False
        if is_main():
            arguments = self.options.saved()
            save_state(self.path / LAST, training, progress, self.description, arguments)
        self._saved_at = self._clock()
        return True

    def save_for_restart(self, training: Training, progress: Progress) -> None:
        """Write last.pth where there are several processes: torchrun may restart them any time.

        So does a run that has come from another folder: from this one it can be gone on with then.
        """
        if process_count() > 1 or self._has_moved:
            self.save_state(training, progress)
            self._has_moved = False

    def is_time_to_save(self) -> bool:
        """Say whether the last save is --save-minutes ago, or one was left out."""
        seconds = 60 * self.options.save_minutes
        return self._is_due or (seconds > 0 and self._clock() - self._saved_at >= seconds)


def _files_of_past_epochs(earlier: Path | None) -> list[Path]:
    """Return what a run that goes on takes with it from its folder into another one."""
    paths = [earlier / name for name in (BEST, RESULTS)] if earlier else []
    return [path for path in paths if path.is_file()]


def _remove(path: Path) -> None:
    """Remove a file, if the user has not taken it away."""
    if path.is_file():
        path.unlink()
