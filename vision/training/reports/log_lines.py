"""The log lines of a training, in the words that older tools parse."""

from __future__ import annotations

import logging

from vision.evaluation.average_precision import AveragePrecisionResult
from vision.training.reports.progress_bar import Throughput
from vision.training.steps import Losses

logger = logging.getLogger(__name__)


def log_step(epoch: int, step: int, steps: int, losses: Losses) -> None:
    """Log the averages since the last such line."""
    logger.info(
        "Epoch: %d, Step: %d/%d, Avg Loss: %.4f, Avg Regression Loss %.4f, "
        "Avg Classification Loss: %.4f",
        epoch,
        step,
        steps,
        losses.total,
        losses.regression,
        losses.classification,
    )


def log_epoch(epoch: int, kind: str, losses: Losses, throughput: Throughput | None = None) -> None:
    """Log the averages of an epoch; `kind` is "Training" or "Validation"."""
    logger.info(
        f"Epoch: {epoch}, {kind} Loss: {losses.total:.4f}, "
        f"{kind} Regression Loss {losses.regression:.4f}, "
        f"{kind} Classification Loss: {losses.classification:.4f}"
        + (f", {throughput}" if throughput else "")
    )


def log_precision(epoch: int, precision: AveragePrecisionResult | None) -> None:
    """Log a line a class, and one for the mean; nothing where it was not measured."""
    if precision is None:
        return
    for one in precision.classes:
        logger.info("    %s: %s", one.name, as_text(one.average_precision))
    logger.info("Epoch: %d, Mean Average Precision: %s", epoch, as_text(precision.mean))


def as_text(average_precision: float | None) -> str:
    """Return a precision with four digits, n/a for a class without objects."""
    return "n/a" if average_precision is None else f"{average_precision:.4f}"
