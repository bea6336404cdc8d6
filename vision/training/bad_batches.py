"""Batches whose loss is not a finite number: whose fault it is, and when it is enough."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Sequence

import torch

from vision.checkpoints.detector import LAST
from vision.training.optimization import train_mode
from vision.training.steps import Training, batch_losses

logger = logging.getLogger(__name__)


class DivergedError(ValueError):
    """Training that makes no sense any more."""


class BadBatches:
    """Names the pictures of every skipped batch, keeps their boxes, and ends a run of too many.

    Args:
        path: of a file to which each skipped batch adds a line of JSON.
        class_names: BACKGROUND first.
        limit: how many skipped batches end the run.
        count: how many there were before the run was resumed.
    """

    def __init__(
        self, path: Path, class_names: Sequence[str], limit: int = 10, count: int = 0
    ) -> None:
        self.path, self.class_names, self.limit, self.count = path, class_names, limit, count

    def report(self, training: Training, batch, epoch: int, step: int) -> None:
        """Log whose fault a skipped batch is, and write down its boxes.

        Raises:
            DivergedError: at the limit.
        """
        self.count += 1
        guilty = guilty_pictures(training, batch)
        pictures = [self._picture(batch, row, row in guilty) for row in range(len(batch.labels))]
        world = training.engine.world
        pictures = [picture for share in world.gather(pictures) for picture in share]
        logger.warning(
            "Epoch: %d, Step: %d: the loss is not finite, so the step is skipped; %s (%d of %d)",
            *(epoch, step, _verdict(pictures), self.count, self.limit),
        )
        if world.is_main:
            with self.path.open("a", encoding="utf-8") as file:
                line = {"epoch": epoch, "step": step, "pictures": pictures}
                file.write(json.dumps(line) + "\n")
        if self.count >= self.limit:
            last = self.path.with_name(LAST)
            again = f"Go on from {last} with --resume and" if last.is_file() else "Start again with"
            raise DivergedError(
                f"{self.count} batches had no finite loss; their pictures and boxes are in "
                f"{self.path}. {again} a lower --lr, or without those pictures; --max-bad-batches "
                "allows for more"
            )

    def _picture(self, batch, row: int, is_guilty: bool) -> dict[str, Any]:
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
def guilty_pictures(training: Training, batch) -> list[int]:
    """Return the rows of a batch whose losses alone are not finite."""
    training.net.eval()
    guilty = []
    for row in range(len(batch.labels)):
        single = type(batch)(*(values[row : row + 1] for values in batch))
        with training.engine.precision.forward():
            losses = batch_losses(training.net, training.criterion, single)
        if not all(map(torch.isfinite, losses)):
            guilty.append(row)
    train_mode(training.net)
    return guilty
