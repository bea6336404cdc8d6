"""Reading and writing .pth files: plain state dicts with a description inside.

`torch.load` of a file written here gives a state dict that the older scripts of this family load.
The description is one more entry of the state dict's `_metadata`, where torch keeps the versions of
modules; `load_state_dict` ignores it.
"""

from __future__ import annotations

import collections
import pickle
import struct
import types
from pathlib import Path
from typing import Any, BinaryIO, Mapping

import torch
from torch import Tensor

from vision.checkpoints.description import Description
from vision.utils.files import atomic_write

DESCRIPTION_KEY = "ssd_description"
MAX_EPOCHS = 1_000_000
MODULE = "module."  # begins every name if a DataParallel was saved
# The keys under which other programs save weights among other things, COMBO_CHECKPOINT files first.
WEIGHTS_KEYS = ("weights", "state_dict", "model_state_dict", "model")
# What torch.load raises for damaged files: it checks nothing, and fails wherever it happens to.
DAMAGED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
SAFE_GLOBALS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


def save_weights(path: Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write a state dict with its description; the file is whole or not there."""
    weights = collections.OrderedDict((name, tensor.cpu()) for name, tensor in state.items())
    metadata = collections.OrderedDict(getattr(state, "_metadata", {}))
    metadata[DESCRIPTION_KEY] = description.to_dict()
    vars(weights)["_metadata"] = metadata
    with atomic_write(path) as temporary:
        torch.save(weights, temporary)


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], Description | None]:
    """Read the tensors of a .pth file, and its description if it has one.

    Raises:
        ValueError: if the file is missing, empty, cut short, holds no weights, or is described by
            a later version of this program.
    """
    content = read_pth(path)
    description = getattr(content, "_metadata", {}).get(DESCRIPTION_KEY)
    if isinstance(content, Mapping) and "state_format" in content:
        raise ValueError(f"{path} is the state of a training; name best.pth or the like beside it")
    weights = _find_weights(content)
    if not weights:
        raise ValueError(f"{path} holds no weights; it must be a state dict of tensors")
    return _tidied(weights), describe(description, path) if description else None


def epoch_of(path: str | Path) -> int:
    """Return the last epoch that a COMBO_CHECKPOINT says was done; -1 for another file.

    Raises:
        ValueError: if the file cannot be read, or its epoch is no number of one.
    """
    content = read_pth(path)
    if not isinstance(content, Mapping) or not {"epoch", "weights"} <= set(content):
        return -1
    epoch = content["epoch"]
    if not isinstance(epoch, int) or not 0 <= epoch < MAX_EPOCHS:
        raise ValueError(f"{path} must say an epoch from 0 to {MAX_EPOCHS - 1}, got {epoch!r}")
    return epoch


def describe(values: Mapping[str, Any], path: str | Path) -> Description:
    """Return the description that `path` holds as a dict.

    Raises:
        ValueError: naming the file, if a later version wrote it, or a fact is missing.
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
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    size = path.stat().st_size
    if size == 0:
        raise ValueError(f"{path} is 0 bytes, its download failed; delete it and fetch it again")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        pass
    except DAMAGED as error:
        raise ValueError(_unreadable(path, size, error)) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_INERT_PICKLE)
    except DAMAGED as error:
        raise ValueError(_unreadable(path, size, error)) from None


def _unreadable(path: Path, size: int, error: Exception) -> str:
    start = path.read_bytes()[:64].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return f"{path} is a web page, not weights; delete it and fetch it again"
    reason = " ".join(str(error).split())[:120]
    return f"{path} ({size} bytes) is damaged or no .pth file, delete it and get it again: {reason}"


def _find_weights(content: Any) -> Mapping[str, Tensor] | None:
    if not isinstance(content, Mapping):
        return None
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return content
    for key in WEIGHTS_KEYS:
        if key in content:
            return _find_weights(content[key])
    return None


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


class _Ignored:
    """Replaces any object that is neither a tensor nor plain data, such as a saved schedule."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> _Ignored:
        return self

    def __setitem__(self, key: Any, value: Any) -> None: ...

    def append(self, value: Any) -> None: ...

    def extend(self, values: Any) -> None: ...


class _InertUnpickler(pickle.Unpickler):
    """Builds tensors and dicts and replaces everything else, so that no code of the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a name in the file stands for."""
        if module == "torch" and name.endswith(("Storage", "Size")) and "." not in name:
            return super().find_class(module, name)
        return SAFE_GLOBALS.get((module, name), _Ignored)


def _load(file: BinaryIO, **options: Any) -> Any:
    return _InertUnpickler(file, **options).load()


# torch.load takes a pickle module; for files of the old format it also calls its `load`.
_INERT_PICKLE = types.SimpleNamespace(
    __name__="inert_pickle", Unpickler=_InertUnpickler, load=_load
)
