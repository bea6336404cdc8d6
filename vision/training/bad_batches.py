"""Batches whose loss is NaN or infinite: which pictures cause it, and when there are too many."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Sequence

import torch
from torch import Tensor

from vision.checkpoints.detector import BEST, LAST, PREVIOUS
from vision.training.compute.processes import gather_values, is_main
from vision.training.model_folder.state import Progress
from vision.training.optimization import train_mode
from vision.training.steps import Training, batch_losses
from vision.transforms import Batch
from vision.utils.device import reads_at_once

logger = logging.getLogger(__name__)

BAD_BATCHES = "bad_batches.jsonl"  # in the model directory
READ_TOGETHER = 10  # steps


class DivergedError(ValueError):
    """Training that makes no sense any more."""


class BadBatches:
    """Names the pictures that cause a skipped batch, and ends a run with too many of them.

    Args:
        folder: the model directory, whose BAD_BATCHES gets a line for each of them.
        class_names: BACKGROUND first.
        limit: number of skipped batches that ends the run.
        progress: of the run; it counts them.
    """

    def __init__(
        self, folder: Path, class_names: Sequence[str], limit: int, progress: Progress
    ) -> None:
        self.path, self.class_names = folder / BAD_BATCHES, class_names
        self.limit, self.progress = limit, progress
        self._unread: list[tuple[Batch, Tensor, int, int]] = []

    def watch(
        self, training: Training, batch: Batch, result: Tensor, epoch: int, step: int
    ) -> None:
        """Keep a batch until it is known whether its step was skipped.

        On a GPU that is read of some steps at once, as the program would wait for each.

        Args:
            training: which has taken the step.
            batch: on its device.
            result: what `train_step` has returned, (3,).
            epoch: from 0.
            step: of the epoch, from 1.

        Raises:
            DivergedError: at the limit.
        """
        self._unread.append((batch, result, epoch, step))
        if reads_at_once(result) or len(self._unread) == READ_TOGETHER:
            self.read(training)

    def read(self, training: Training) -> None:
        """Report those batches that are watched and were skipped.

        All processes that train together must ask for it after the same step.

        Raises:
            DivergedError: at the limit.
        """
        if not self._unread:
            return
        unread, self._unread = self._unread, []
        flags = torch.stack([result for _, result, _, _ in unread])[:, 2].tolist()
        for skipped, (batch, _, epoch, step) in zip(flags, unread):
            if skipped:
                self.report(training, batch, epoch, step)

    def report(self, training: Training, batch: Batch, epoch: int, step: int) -> None:
        """Log whose fault a skipped batch is, and write down its boxes.

        Raises:
            DivergedError: at the limit.
        """
        self.progress.bad_batches += 1
        count = self.progress.bad_batches
        guilty = guilty_pictures(training, batch)
        pictures = [self._picture(batch, row, row in guilty) for row in range(len(batch.labels))]
        pictures = [picture for share in gather_values(pictures) for picture in share]
        logger.warning(
            "Epoch: %d, Step: %d: the loss is not finite, so the step is skipped; %s (%d of %d)",
            epoch,
            step,
            _verdict(pictures),
            count,
            self.limit,
        )
        if is_main():
            with self.path.open("a", encoding="utf-8") as file:
                line = {"epoch": epoch, "step": step, "pictures": pictures}
                file.write(json.dumps(line) + "\n")
        if count >= self.limit:
            raise DivergedError(
                f"{count} batches had no finite loss; their pictures and boxes are in "
                f"{self.path}. {self._how_to_go_on()} a lower --lr, or without those pictures; "
                "--max-bad-batches allows for more"
            )

    def _how_to_go_on(self) -> str:
        last, previous, best = (self.path.with_name(name) for name in (LAST, PREVIOUS, BEST))
        if not last.is_file():
            return "Start again with --overwrite and" if best.is_file() else "Start again with"
        # The step that was one too many may have been saved: its own loss was finite.
        older = f" (or --resume {previous}, which is older)" if previous.is_file() else ""
        return f"{last} is from before the last of them: go on with --resume{older} and"

    def _picture(self, batch: Batch, row: int, is_guilty: bool) -> dict[str, Any]:
        there = batch.labels[row] > 0
        return {
            "image_id": batch.image_ids[row],
            "guilty": is_guilty,
            "classes": [self.class_names[label] for label in batch.labels[row][there].tolist()],
            "boxes": batch.boxes[row][there].tolist(),  # xyxy in [0, 1] of what the net saw
        }


def _verdict(pictures: Sequence[dict[str, Any]]) -> str:
    guilty = [picture["image_id"] for picture in pictures if picture["guilty"]]
    if len(guilty) == len(pictures):
        return "no picture of the batch has a finite loss, so the learning rate may be too high"
    if not guilty:
        names = ", ".join(picture["image_id"] for picture in pictures)
        return f"each picture alone has a finite loss: {names}"
    return f"because of {', '.join(guilty)}"


@torch.no_grad()
def guilty_pictures(training: Training, batch: Batch) -> list[int]:
    """Return the rows of a batch whose own losses are not finite."""
    training.net.eval()
    guilty = []
    for row in range(len(batch.labels)):
        single = batch.select(row)
        with training.engine.precision.forward():
            losses = batch_losses(training, single)
        if not all(map(torch.isfinite, losses)):
            guilty.append(row)
    train_mode(training.net)
    return guilty
