"""A training run from its first epoch, or the one it is resumed at, to its last."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import nn
from torch.utils.data import DataLoader

from vision.ssd.description import Description
from vision.ssd.ssd import SSD

from .log_lines import epoch_line, precision_lines, step_line
from .loop import Losses, LossMeter, Training, train_one_epoch
from .progress_bar import ProgressBar
from .reports import Reports
from .run_folder import RunFolder
from .state import Progress
from .stopping import Autosave, StopSignals
from .validation import Validation, validate

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


class Loaders(NamedTuple):
    """Where the batches come from."""

    train: DataLoader  # with an EpochSampler
    validation: DataLoader


def require_batches(net: SSD, loader: DataLoader) -> None:
    """Check that batch norm on a map of one cell has more than one value to compare.

    Raises:
        ValueError: for batches of one picture and a net that has such a map.
    """
    normalised = any(isinstance(module, nn.BatchNorm2d) for module in net.extras.modules())
    if normalised and loader.batch_size == 1:
        raise ValueError(
            "this net has batch norm behind its backbone and needs --batch-size 2 or more; "
            "mb1-ssd trains with 1"
        )


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
        self.device = training.net.priors.device
        require_batches(training.net, loaders.train)
        self.reports = Reports(folder.path, description, progress.epoch)

    def train(self) -> bool:
        """Train to the end; return False if the run was asked to stop before, to be resumed."""
        progress, settings = self.progress, self.settings
        self.reports.begin(self.loaders.train)
        logger.info("Start training from epoch %d.", progress.epoch)
        with StopSignals() as stop, ProgressBar(settings.num_epochs, self.steps_per_epoch) as bar:
            for epoch in range(progress.epoch, settings.num_epochs):
                losses = self._train_epoch(epoch, bar, stop)
                if progress.position < self.steps_per_epoch and stop.requested:
                    return False
                validation = None
                if (
                    epoch + 1
                ) % settings.validation_epochs == 0 or epoch + 1 == settings.num_epochs:
                    validation = self._validate(epoch, bar)
                self._finish(losses, validation)
                if stop.requested and epoch + 1 < settings.num_epochs:
                    return False
                if self._is_out_of_patience():
                    break
        self.reports.close()
        return True

    def _train_epoch(self, epoch: int, bar: ProgressBar, stop: StopSignals) -> Losses:
        """Train on what is left of an epoch, all of it unless it was interrupted."""
        loader, progress = self.loaders.train, self.progress
        loader.sampler.set_epoch(epoch)
        loader.sampler.start_at(progress.position * loader.batch_size)
        meter = LossMeter(self.device, progress.loss_sums, progress.position)

        def log(step: int, losses: Losses) -> None:
            logger.info(step_line(epoch, step, self.steps_per_epoch, losses))

        autosave = Autosave(self._save, stop, 60 * self.settings.save_minutes)
        batches = bar.train(loader, epoch, progress.position)
        losses = train_one_epoch(
            self.training, batches, self.device, self.settings.debug_steps, log, meter, autosave
        )
        progress.reach(meter)
        # A run that is resumed behind an epoch's last step has not set its rates yet.
        self.training.schedule.apply(self.training.optimizer, self.training.step - 1)
        logger.info("%s, %s", epoch_line(epoch, "Training", losses), bar.throughput)
        return losses

    def _save(self, meter: LossMeter) -> None:
        self.progress.reach(meter)
        self.folder.save_state(self.training, self.description, self.progress)

    def _validate(self, epoch: int, bar: ProgressBar) -> Validation:
        validation = validate(
            self.training.best_net,
            self.training.criterion,
            bar.validate(self.loaders.validation),
            self.device,
            self.description.class_names,
            self.settings.validation_mean_ap,
        )
        logger.info(epoch_line(epoch, "Validation", validation.losses))
        if validation.precision is not None:
            for line in precision_lines(epoch, validation.precision):
                logger.info(line)
        return validation

    def _finish(self, losses: Losses, validation: Validation | None) -> None:
        """Write what there is after an epoch: weights, table, pictures, and last the state."""
        epoch = self.progress.epoch
        is_best = self.folder.finish_epoch(
            self.training, self.description, self.progress, losses, validation
        )
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
