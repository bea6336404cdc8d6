"""Reading and writing .pth files: plain state dicts, with a description travelling inside.

`torch.load` of a file written here gives a state dict that the older scripts of this family load.
The description sits in the state dict's `_metadata`, where `load_state_dict` keeps module versions
and looks at nothing else.
"""

from __future__ import annotations

import collections
import pickle
import types
from pathlib import Path
from typing import Any, Mapping

import torch
from torch import Tensor

from vision.ssd.description import Description
from vision.utils.files import atomic_write

DESCRIPTION_KEY = "ssd_description"
# Where other programs put the weights among other things: COMBO_CHECKPOINT files, and usual names.
WEIGHTS_KEYS = ("weights", "state_dict", "model_state_dict", "model")
SAFE_GLOBALS = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch._utils", "_rebuild_parameter"): torch._utils._rebuild_parameter,
}


def save_weights(path: Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write a state dict with its description; the file is whole or not there."""
    weights = collections.OrderedDict((name, tensor.cpu()) for name, tensor in state.items())
    weights._metadata = collections.OrderedDict(getattr(state, "_metadata", {}))
    weights._metadata[DESCRIPTION_KEY] = description.to_dict()
    with atomic_write(path) as temporary:
        torch.save(weights, temporary)


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], Description | None]:
    """Read the tensors of a .pth file, and its description if it has one.

    Raises:
        ValueError: if the file is missing, empty, cut short, or holds no weights.
    """
    content = read_pth(path)
    description = getattr(content, "_metadata", {}).get(DESCRIPTION_KEY)
    weights = _find_weights(content)
    if not weights:
        raise ValueError(f"{path} holds no weights; it must be a state dict of tensors")
    weights = {name[7:] if name.startswith("module.") else name: w for name, w in weights.items()}
    return weights, Description.from_dict(description) if description else None


def read_pth(path: str | Path) -> Any:
    """Read whatever a .pth file holds, running none of its code.

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
    except (RuntimeError, EOFError, OSError) as error:
        raise ValueError(_unreadable(path, size, error)) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=False, pickle_module=_INERT_PICKLE)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, TypeError) as error:
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


class _Ignored:
    """Stands for any object that is neither a tensor nor plain data, such as a saved schedule."""

    def __init__(self, *args: Any, **kwargs: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...

    def __call__(self, *args: Any, **kwargs: Any) -> _Ignored:
        return self


class _InertUnpickler(pickle.Unpickler):
    """Builds tensors and dicts, and replaces everything else, so that no code of the file runs."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name.endswith(("Storage", "Size")):
            return super().find_class(module, name)
        return SAFE_GLOBALS.get((module, name), _Ignored)


_INERT_PICKLE = types.SimpleNamespace(
    __name__="inert_pickle", Unpickler=_InertUnpickler, load=pickle.load
)
