"""The paragraph at the end of a run: how good the net has become, and what to do next."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Mapping, Sequence

import numpy as np

from vision.checkpoints.detector import BEST
from vision.structures import DETECTNET_THRESHOLD
from vision.training.model_folder.results import Row, curve
from vision.utils.text import first_few

SMOKE_TEST = 10  # fewer epochs only show that everything works
USUAL_EPOCHS = 30
HOPELESS = 0.05  # a mAP that some objects of one class reach by chance
RISE = 0.02  # of mAP, that is more than its noise
CLIMB = 1.5  # times its lowest, and a loss is more than its noise above it
MOST_NAMES = 12  # to name in a line


def closing_lines(
    rows: Sequence[Row],
    best_epoch: int,
    folder: Path,
    datasets: Sequence[Path | str],
    training_objects: Mapping[str, int] | None = None,
) -> list[str]:
    """Return the lines that close a run.

    Args:
        rows: of results.csv, of all epochs, with the columns of `detection_columns`.
        best_epoch: that of best.pth, negative if there is none.
        folder: the model directory.
        datasets: the folders to evaluate on.
        training_objects: how many objects of each class there are to learn from.
    """
    if not rows:
        return ["No epoch was finished."]
    if best_epoch < 0:
        return ["No epoch has a finite loss; a smaller --lr may help."]
    best: Row = next((row for row in rows if int(row["epoch"]) == best_epoch), {})
    return [
        *_results(best, best_epoch, folder / BEST),
        *(f"Hint: {hint}" for hint in _hints(rows, best, folder, training_objects or {})),
        *_next_commands(folder, datasets),
    ]


def _results(best: Row, epoch: int, path: Path) -> list[str]:
    measured = "".join(
        f", {name} {_number(best, name):.4f}"
        for name in ("mAP", "validation loss")
        if _number(best, name) is not None
    )
    lines = [f"Best epoch: {epoch}{measured}, kept as {path}"]
    if any(name.startswith("AP ") for name in best) and _number(best, "mAP") is not None:
        lines.append(_precisions(best))
    threshold, f1 = _number(best, "best threshold"), _number(best, "best F1")
    if f1:
        lines.append(
            f"Suggested threshold: {threshold:.2f}, where F1 is {f1:.2f} with NMS;"
            " onnx_export.py finds the one for detectnet."
        )
    sure = _number(best, f"pictures with a detection at {DETECTNET_THRESHOLD}")
    if sure is not None:
        pictures = _number(best, "validation pictures")
        lines.append(
            f"{sure:.0f} of {pictures:.0f} validation pictures have a detection at "
            f"{DETECTNET_THRESHOLD}."
        )
    return lines


def _precisions(best: Row) -> str:
    """Name the classes and their precision; the weakest, where there are many."""
    precisions = {name[3:]: _number(best, name) for name in best if name.startswith("AP ")}
    shown = list(precisions.items())
    if len(shown) > MOST_NAMES:
        rated = sorted((value, name) for name, value in shown if value is not None)
        shown = [(name, value) for value, name in rated[:MOST_NAMES]]
    text = ", ".join(
        f"{name} n/a" if value is None else f"{name} {value:.4f}" for name, value in shown
    )
    if len(shown) == len(precisions):
        return f"Average precision: {text}."
    return f"Weakest of {len(precisions)} classes: {text}; results.csv has them all."


def _hints(
    rows: Sequence[Row], best: Row, folder: Path, training_objects: Mapping[str, int]
) -> list[str]:
    hints = _loss_hints(rows) or _length_hints(rows, folder)
    unlearnt = [name for name, count in training_objects.items() if not count]
    if unlearnt:
        hints.append(
            f"no training picture shows {first_few(unlearnt, MOST_NAMES)}; it cannot be learnt."
        )
    unmeasured = [
        name[3:] for name in best if name.startswith("AP ") and _number(best, name) is None
    ]
    if unmeasured and _number(best, "mAP") is not None:
        hints.append(
            f"no validation picture shows {first_few(unmeasured, MOST_NAMES)}; the mAP says "
            "nothing of it."
        )
    return hints


def _loss_hints(rows: Sequence[Row]) -> list[str]:
    """Say whether the loss of training has climbed instead of fallen."""
    epochs, losses = curve(rows, "training loss")
    values = [row.get("training loss") for row in rows]
    skipped = sum(value not in (None, "") for value in values) - len(losses)
    if skipped:
        epochs_had = "1 epoch had" if skipped == 1 else f"{skipped} epochs had"
        return [f"{epochs_had} no batch with a finite loss; train again with a lower --lr."]
    lowest = int(np.argmin(losses)) if losses else 0
    if losses and losses[-1] > CLIMB * losses[lowest]:
        return [
            f"the training loss has climbed from {losses[lowest]:.2f} in epoch {epochs[lowest]} to "
            f"{losses[-1]:.2f}; train again with a lower --lr."
        ]
    return []


def _length_hints(rows: Sequence[Row], folder: Path) -> list[str]:
    """Say whether the run was too short, long enough, or in vain."""
    epochs, precisions = curve(rows, "mAP")
    longer = f"python3 train_ssd.py --model-dir={shlex.quote(str(folder))} --resume --epochs="
    if len(rows) < SMOKE_TEST:
        return [
            f"{len(rows)} epoch{'s are' if len(rows) > 1 else ' is'} no more than a smoke test; a "
            f"detector for use takes {USUAL_EPOCHS} or more: {longer}{USUAL_EPOCHS}"
        ]
    if not precisions:
        return []
    if max(precisions) < HOPELESS:
        return [
            f"the mAP stayed below {HOPELESS}; look in train_batch.jpg whether boxes and names "
            "are right, and start from pretrained weights."
        ]
    half = len(precisions) // 2
    if not half:
        return []
    early, late = max(precisions[:half]), max(precisions[half:])
    if late < early + RISE:
        since = epochs[int(np.argmax(precisions[:half]))]
        return [
            f"the mAP has hardly risen since epoch {since}; more epochs will not help, more, and "
            "more different, pictures may."
        ]
    last_quarter = -max(1, len(precisions) // 4)
    if max(precisions[last_quarter:]) > max(precisions[:last_quarter]) + RISE:
        return [f"the mAP was still rising; train on: {longer}{2 * len(rows)}"]
    return []


def _next_commands(folder: Path, datasets: Sequence[Path | str]) -> list[str]:
    model_dir = f"--model-dir={shlex.quote(str(folder))}"
    paths = " ".join(shlex.quote(str(path)) for path in datasets)
    dataset = f"--dataset={paths}" if len(datasets) == 1 else f"--dataset {paths}"
    return [
        f"Next: python3 eval_ssd.py {model_dir} {dataset}",
        f"      python3 onnx_export.py {model_dir} --nms",
    ]


def _number(row: Row, column: str) -> float | None:
    values = curve([row], column)[1]
    return values[0] if values else None
