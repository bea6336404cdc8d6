"""The log lines of a training, in the words that older tools parse."""

from __future__ import annotations

from vision.evaluation.average_precision import AveragePrecisionResult
from vision.training.loop import Losses


def step_line(epoch: int, step: int, steps: int, losses: Losses) -> str:
    """Return the line that is written every few steps, with averages since the last one."""
    return (
        f"Epoch: {epoch}, Step: {step}/{steps}, Avg Loss: {losses.total:.4f}, "
        f"Avg Regression Loss {losses.regression:.4f}, "
        f"Avg Classification Loss: {losses.classification:.4f}"
    )


def epoch_line(epoch: int, kind: str, losses: Losses) -> str:
    """Return the line of an epoch; `kind` is "Training" or "Validation"."""
    return (
        f"Epoch: {epoch}, {kind} Loss: {losses.total:.4f}, "
        f"{kind} Regression Loss {losses.regression:.4f}, "
        f"{kind} Classification Loss: {losses.classification:.4f}"
    )


def precision_lines(epoch: int, precision: AveragePrecisionResult) -> list[str]:
    """Return a line a class, and one for the mean."""
    lines = [f"    {one.name}: {as_text(one.average_precision)}" for one in precision.classes]
    return [*lines, f"Epoch: {epoch}, Mean Average Precision: {as_text(precision.mean)}"]


def as_text(average_precision: float | None) -> str:
    """Return a precision with four digits, n/a for a class without objects."""
    return "n/a" if average_precision is None else f"{average_precision:.4f}"
