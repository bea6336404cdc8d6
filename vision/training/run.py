"""A training run from its first epoch, or the one it is resumed at, to its last."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from vision.checkpoints.description import Description
from vision.loading.loaders import EpochLoader
from vision.training.bad_batches import BadBatches
from vision.training.loop import Losses, LossMeter, Watch, train_one_epoch
from vision.training.model_folder.model_folder import RunFolder
from vision.training.model_folder.state import Progress
from vision.training.reports.log_lines import epoch_line, precision_lines, step_line
from vision.training.reports.progress_bar import ProgressBar
from vision.training.reports.reports import Reports
from vision.training.steps import Training
from vision.training.stopping import Autosave, StopSignals
from vision.training.validation import Validation, validate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How long, and how often."""

    num_epochs: int
    validation_epochs: int = 1
    validation_mean_ap: bool = True
    debug_steps: int = 10
    save_minutes: float = 15
    patience: int = 0  # validations without a better score before the run ends, 0 for no end
    max_bad_batches: int = 10  # without a finite loss, which end the run


class Loaders(NamedTuple):
    """Where the batches come from."""

    train: EpochLoader
    validation: EpochLoader


class Run:
    """Trains and validates epoch by epoch, and keeps everything in its folder."""

    def __init__(
        self,
        training: Training,
        description: Description,
        progress: Progress,
        folder: RunFolder,
        loaders: Loaders,
        settings: Settings,
    ) -> None:
        self.training, self.description, self.progress = training, description, progress
        self.folder, self.loaders, self.settings = folder, loaders, settings
        self.steps_per_epoch = len(loaders.train)
        self.world = training.engine.world
        self.bad_batches = BadBatches(
            folder.path / "bad_batches.jsonl",
            description.class_names,
            settings.max_bad_batches,
            progress.bad_batches,
        )
        self.reports = None
        if self.world.is_main:
            self.reports = Reports(folder.path, description, progress.epoch)

    def train(self) -> bool:
        """Train to the end; return False if the run was asked to stop before, to be resumed."""
        progress, settings = self.progress, self.settings
        if self.reports:
            self.reports.begin(self.loaders.train)
        self._save_for_restart()
        logger.info("Start training from epoch %d.", progress.epoch)
        with StopSignals() as stop, ProgressBar(settings.num_epochs, self.steps_per_epoch) as bar:
            for epoch in range(progress.epoch, settings.num_epochs):
                if self._is_out_of_patience():
                    break
                losses = self._train_epoch(epoch, bar, stop)
                if progress.position < self.steps_per_epoch:
                    return False
                validation = None
                if (
                    epoch + 1
                ) % settings.validation_epochs == 0 or epoch + 1 == settings.num_epochs:
                    validation = self._validate(epoch, bar)
                self._finish(losses, validation)
                if self._shall_stop(stop) and epoch + 1 < settings.num_epochs:
                    return False
        if self.reports:
            self.reports.close()
        return True

    def _train_epoch(self, epoch: int, bar: ProgressBar, stop: StopSignals) -> Losses:
        """Train on what is left of an epoch, all of it unless it was interrupted."""
        progress, settings = self.progress, self.settings
        meter = LossMeter(
            self.training.device, progress.loss_sums, progress.position, progress.skipped
        )

        def log(step: int, losses: Losses) -> None:
            logger.info(step_line(epoch, step, self.steps_per_epoch, losses))

        def report_bad(batch, step: int) -> None:
            self.bad_batches.report(self.training, batch, epoch, step)
            progress.bad_batches = self.bad_batches.count

        autosave = Autosave(self._save, partial(self._shall_stop, stop), 60 * settings.save_minutes)
        batches = self.loaders.train.epoch(epoch, progress.position)
        batches = bar.train(batches, epoch, progress.position)
        watch = Watch(settings.debug_steps, log, autosave, report_bad)
        losses = train_one_epoch(self.training, batches, watch, meter)
        progress.reach(meter)
        # A run that is resumed behind an epoch's last step has not set its rates yet.
        self.training.schedule.apply(self.training.optimizer, self.training.step - 1)
        logger.info("%s, %s", epoch_line(epoch, "Training", losses), bar.throughput)
        return losses

    def _save_for_restart(self) -> None:
        """Save where torchrun may start this run again, or kill it: it gives it 30 seconds."""
        if self.world.size > 1 and self.world.is_main:
            self.folder.save_state(self.training, self.description, self.progress)

    def _shall_stop(self, stop: StopSignals) -> bool:
        """Say whether any of the processes that train together was asked to stop."""
        return self.world.any(stop.requested, self.training.device)

    def _save(self, meter: LossMeter) -> None:
        self.progress.reach(meter)
        if self.world.is_main:
            self.folder.save_state(self.training, self.description, self.progress)

    def _validate(self, epoch: int, bar: ProgressBar) -> Validation:
        self._save_for_restart()
        loader = self.loaders.validation
        validation = validate(
            self.training,
            bar.validate(loader, len(loader)),
            self.description.class_names,
            len(loader.index),
            self.settings.validation_mean_ap,
        )
        logger.info(epoch_line(epoch, "Validation", validation.losses))
        if validation.precision is not None:
            for line in precision_lines(epoch, validation.precision):
                logger.info(line)
        return validation

    def _finish(self, losses: Losses, validation: Validation | None) -> None:
        """Write what there is after an epoch: weights, table, state, and pictures."""
        progress, epoch = self.progress, self.progress.epoch
        is_best = validation is not None and progress.judge(validation.score)
        if not self.reports:
            progress.begin(epoch + 1)
            return
        self.folder.write_epoch(self.training, self.description, progress, losses, validation)
        progress.begin(epoch + 1)
        self.folder.save_state(self.training, self.description, progress)
        groups = self.training.optimizer.param_groups
        self.reports.add_epoch(epoch, self.folder.table.rows, losses, validation, groups)
        if is_best:
            self.reports.draw_best(validation)

    def _is_out_of_patience(self) -> bool:
        """Say whether the best score is as many validations old as the user waits for."""
        since = self.progress.epoch - 1 - self.progress.best_epoch
        waited = math.floor(since / self.settings.validation_epochs)
        if not self.settings.patience or waited < self.settings.patience:
            return False
        logger.info("No better epoch in the last %d validations; stopping here.", waited)
        return True
