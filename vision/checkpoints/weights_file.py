"""Reading and writing .pth files: plain state dicts with a description inside.

`torch.load` of a file written here gives a state dict that the older scripts of this family load.
The description is one more entry of the state dict's `_metadata`, where torch keeps the versions of
modules; `load_state_dict` ignores it.
"""

from __future__ import annotations

import codecs
import collections
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import Tensor

from vision.checkpoints.description import Description
from vision.checkpoints.plain_pickle import METADATA
from vision.checkpoints.pth_format import read_tensors
from vision.utils.files import atomic_write, require_regular
from vision.utils.options import MAX_EPOCHS, Whole
from vision.utils.text import printable

DESCRIPTION_KEY = "ssd_description"
MODULE = "module."  # begins every name if a DataParallel was saved
# The keys under which other programs save weights among other things, COMBO_CHECKPOINT files first.
WEIGHTS_KEYS = ("weights", "state_dict", "model_state_dict", "model")

SUFFIXES = (".pth", ".tar")  # of files that may be said to be a failed download
LOOKED_AT = 4096  # bytes, to tell what a file is that holds no weights


def save_weights(path: Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write a state dict with its description; the file is whole or not there."""
    weights = collections.OrderedDict((name, tensor.cpu()) for name, tensor in state.items())
    metadata = collections.OrderedDict(getattr(state, METADATA, {}))
    metadata[DESCRIPTION_KEY] = description.to_dict()
    vars(weights)[METADATA] = metadata
    with atomic_write(path) as temporary:
        torch.save(weights, temporary)


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], Description | None]:
    """Read the tensors of a .pth file, and its description if it has one.

    Raises:
        ValueError: if the file is missing, empty, cut short, holds no weights, or is described by
            a later version of this program.
    """
    content = read_pth(path)
    description = getattr(content, METADATA, {}).get(DESCRIPTION_KEY)
    if isinstance(content, Mapping) and "state_format" in content:
        raise ValueError(f"{path} is the state of a training; name best.pth or the like beside it")
    weights = _find_weights(content)
    if not weights:
        raise ValueError(f"{path} holds no weights; it must be a state dict of tensors")
    return _tidied(weights), describe(description, path) if description is not None else None


def epoch_of(path: str | Path) -> int:
    """Return the last epoch that a COMBO_CHECKPOINT says was done; -1 for another file.

    Raises:
        ValueError: if the file cannot be read, or its epoch is no number of one.
    """
    content = read_pth(path)
    if not isinstance(content, Mapping) or not {"epoch", "weights"} <= set(content):
        return -1
    epoch = content["epoch"]
    try:
        return int(Whole(0, MAX_EPOCHS - 1)(epoch))
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: its epoch {error}") from None


def describe(values: Any, path: str | Path) -> Description:
    """Return the description that `path` holds as a dict.

    Raises:
        ValueError: naming the file, if a later version wrote it, or a fact is wrong.
    """
    try:
        return Description.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path} cannot be used: {error}") from None


def read_pth(path: str | Path) -> Any:
    """Read what a .pth file holds, without running any code in it.

    Raises:
        ValueError: with a sentence that says what is wrong with the file and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise ValueError(f"there is no file {path}")
    require_regular(path)
    size = path.stat().st_size
    if size == 0 and path.suffix.lower() in SUFFIXES:
        raise ValueError(f"{path} is 0 bytes, its download failed; delete it and fetch it again")
    try:
        return read_tensors(path)
    except ValueError as error:
        raise ValueError(_unreadable(path, size, error)) from None


def _unreadable(path: Path, size: int, error: Exception) -> str:
    if path.suffix.lower() == ".onnx":
        return (
            f"{path} is an ONNX file, and what is needed is a .pth: name the one that it was "
            "exported from, such as best.pth in its model folder"
        )
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return f"{path} is a web page, not weights; fetch the weights again"
    first_line = _text_of(start).strip().partition("\n")[0]
    if first_line:
        return (
            f"{path} is text, which begins with '{printable(first_line, 60)}'; name the .pth with "
            "the weights here; perhaps two arguments are swapped"
        )
    reason = printable(str(error), 120)
    if path.suffix.lower() not in SUFFIXES:
        return (
            f"{path} ({size} bytes) is damaged or no .pth file; the weights must be a .pth, so "
            f"name that here: {reason}"
        )
    return f"{path} ({size} bytes) is damaged or no .pth file, delete it and get it again: {reason}"


def _text_of(start: bytes) -> str:
    """Return the begin of a file as text, "" if it is none; its last letter may be cut."""
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(start)
    except UnicodeDecodeError:
        return ""
    return text if all(letter.isprintable() or letter.isspace() for letter in text) else ""


def _find_weights(content: Any) -> Mapping[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    for key in WEIGHTS_KEYS:
        inner = content.get(key)
        if isinstance(inner, Mapping):
            return inner if _are_weights(inner) else None
    return content if _are_weights(content) else None


def _are_weights(content: Mapping) -> bool:
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())


def _tidied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without DataParallel's prefix and with every counter of batch norm.

    Files from before PyTorch 0.4.1 lack the counters, which a net has although nothing reads them.
    """
    tidied = {}
    for name, tensor in weights.items():
        name = name[len(MODULE) :] if name.startswith(MODULE) else name
        tidied[name] = tensor
        layer, _, kind = name.rpartition(".")
        if kind == "running_var":
            tidied.setdefault(f"{layer}.num_batches_tracked", torch.tensor(0))
    return tidied
