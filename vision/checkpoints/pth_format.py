"""Reading what `torch.save` writes, its zip format and the older one, as tensors and plain data.

`torch.load` builds any object that a file names, and versions before 2.6 do so even with
weights_only=True. This reader takes the numbers of tensors and nothing else. A file cannot make it
hold more than its own size.
"""

from __future__ import annotations

import collections
import io
import math
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, Mapping

import torch
from torch import Tensor

from vision.checkpoints.plain_pickle import Ignored, Named, read_pickle
from vision.utils.text import shown

MAGIC = 0x1950A86A20F9469CFC6C  # begins a file of before PyTorch 1.6, as a pickle
PROTOCOL = 1001
ZIP = b"PK\3\4"  # begins a file of a later one
STORAGE_TYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "UntypedStorage": torch.uint8,
}
# What zipfile raises for a damaged archive.
DAMAGED_ZIP = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,
    RuntimeError,
    KeyError,
    OSError,
    EOFError,
    struct.error,
)


def read_tensors(path: Path) -> Any:
    """Return what a .pth file holds: tensors, which are on the CPU, and plain data.

    Objects of other kinds are `Ignored`. A state dict keeps its `_metadata`.

    Raises:
        ValueError: if it is damaged, or no such file.
    """
    with path.open("rb") as file:
        if file.read(len(ZIP)) == ZIP:
            try:
                return _ZipFormat(file, path.stat().st_size).read()
            except DAMAGED_ZIP as error:
                raise ValueError(f"its archive is damaged ({error})") from None
        file.seek(0)
        return _OldFormat(file, path.stat().st_size).read()


class _Storages:
    """The numbers of tensors, by the key that a file has for them."""

    def __init__(self, size: int) -> None:
        self.left = size  # bytes that the file can still hold
        self.storages: dict[str, Tensor] = {}  # of each the bytes, uint8

    def room(self, key: str, count: int) -> Tensor:
        """Return the bytes of a storage, which are still to be read."""
        self.left -= count
        if count < 0 or self.left < 0:
            raise ValueError(f"it says that it has {count} bytes of numbers more than it has")
        self.storages[key] = torch.empty(count, dtype=torch.uint8)
        return self.storages[key]

    def typed(self, identity: Any) -> tuple[str, torch.dtype, int, Any]:
        """Return the key of a storage, its type, the number of its numbers, and the part meant."""
        parts = identity if isinstance(identity, tuple) else ()
        kind, named, key, _, count, view = (*parts, *[None] * 6)[:6]
        dtype = STORAGE_TYPES.get(named.name) if isinstance(named, Named) else None
        if kind == "module":
            raise ValueError("it holds a whole module; save its state_dict() alone")
        if kind != "storage" or dtype is None:
            raise ValueError(f"it must refer to numbers only, got {shown(kind)}")
        if not isinstance(key, str) or not _is_count(count):
            raise ValueError("it refers to numbers by a key that is none")
        return key, dtype, count, view


class _ZipFormat(_Storages):
    """A file of PyTorch 1.6 or later."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(size)
        self.archive = zipfile.ZipFile(file)
        data = [name for name in self.archive.namelist() if name.endswith("/data.pkl")]
        if len(data) != 1:
            raise ValueError(f"it must hold one data.pkl, it holds {len(data)}")
        self.folder = data[0][: -len("data.pkl")]
        if self.folder + "byteorder" in self.archive.namelist():
            require_little_endian(self._record("byteorder") == b"little")

    def read(self) -> Any:
        """Return what the file holds."""
        return read_pickle(io.BytesIO(self._record("data.pkl")), FUNCTIONS, self._storage)

    def _record(self, name: str) -> bytes:
        info = self.archive.getinfo(self.folder + name)
        if info.compress_type != zipfile.ZIP_STORED or info.file_size > info.compress_size:
            raise ValueError(f"its record {name} is compressed, which torch never does")
        return self.archive.read(info)

    def _storage(self, identity: Any) -> Tensor:
        key, dtype, count, _ = self.typed(identity)
        if key not in self.storages:
            room = self.room(key, count * dtype.itemsize)
            data = self._record(f"data/{key}")
            if len(data) != len(room):
                raise ValueError(f"its record {key} has {len(data)} bytes, not {len(room)}")
            room.numpy()[:] = memoryview(data)
        return self.storages[key].view(dtype)[:count]


class _OldFormat(_Storages):
    """A file of before PyTorch 1.6: five pickles, then the numbers."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        super().__init__(size)
        self.file = io.BytesIO(file.read())

    def read(self) -> Any:
        """Return what the file holds."""
        if self._plain() != MAGIC or self._plain() != PROTOCOL:
            raise ValueError("it begins as no file of torch does")
        system = self._plain()
        require_little_endian(isinstance(system, dict) and system.get("little_endian") is True)
        content = read_pickle(self.file, FUNCTIONS, self._storage)
        keys = self._plain()
        keys = [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
        if sorted(keys) != sorted(self.storages):
            raise ValueError("it does not hold the numbers that its tensors need")
        for key in keys:
            self._fill(self.storages[key])
        return content

    def _plain(self) -> Any:
        return read_pickle(self.file, {}, lambda identity: Ignored())

    def _storage(self, identity: Any) -> Tensor:
        key, dtype, count, view = self.typed(identity)
        if key not in self.storages:
            self.room(key, count * dtype.itemsize)
        numbers = self.storages[key].view(dtype)
        if view is None:
            return numbers
        if not isinstance(view, tuple) or len(view) != 3 or not all(map(_is_count, view[1:])):
            raise ValueError("it refers to a part of numbers by what is no part")
        return numbers[view[1] : view[1] + view[2]]

    def _fill(self, room: Tensor) -> None:
        self.file.read(8)  # the number of numbers, which is known
        if self.file.readinto(room.numpy().data) != len(room):
            raise ValueError("it is cut short")


def require_little_endian(is_little: bool) -> None:
    """Refuse numbers that begin with their greatest byte."""
    if not is_little:
        raise ValueError("it was written on a big-endian machine, and is not read on another")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 1 << 62


def _are_counts(values: Any) -> bool:
    return isinstance(values, tuple) and len(values) < 65 and all(map(_is_count, values))


def _tensor(storage: Any = None, offset: Any = None, size: Any = None, *rest: Any) -> Tensor:
    """Return a tensor of a file: some numbers of a storage, with a step for each axis.

    Raises:
        ValueError: if they are not in the storage.
    """
    stride: Any = rest[0] if rest else None
    if not isinstance(storage, Tensor) or storage.ndim != 1 or not _is_count(offset):
        raise ValueError("it has a tensor without numbers")
    if not _are_counts(size) or not _are_counts(stride) or len(size) != len(stride):
        raise ValueError("it has a tensor without a shape")
    count = math.prod(size)
    last = offset + sum((length - 1) * step for length, step in zip(size, stride)) if count else 0
    if count > len(storage) or last >= max(len(storage), 1):
        raise ValueError(f"it has a tensor {size} of {len(storage)} numbers")
    if not count:
        return torch.empty(size, dtype=storage.dtype)
    return torch.as_strided(storage, size, stride, storage.storage_offset() + offset)


def _parameter(data: Any = None, *rest: Any) -> Any:
    return data if isinstance(data, Tensor) else Ignored()


def _ordered_dict(*pairs: Any) -> Any:
    """Return an empty dict; what it holds follows in the file, or before Python 3 in a list."""
    ordered: collections.OrderedDict = collections.OrderedDict()
    if len(pairs) == 1 and isinstance(pairs[0], list):
        for pair in pairs[0]:
            if isinstance(pair, (list, tuple)) and len(pair) == 2 and isinstance(pair[0], str):
                ordered[pair[0]] = pair[1]
    return ordered


def _default_dict(*factory: Any) -> dict:
    return {}


def _size(*lengths: Any) -> tuple:
    return tuple(lengths[0]) if lengths and isinstance(lengths[0], (tuple, list)) else ()


FUNCTIONS: Mapping[Named, Any] = {
    Named("torch._utils", "_rebuild_tensor"): _tensor,
    Named("torch._utils", "_rebuild_tensor_v2"): _tensor,
    Named("torch._utils", "_rebuild_parameter"): _parameter,
    Named("torch", "Size"): _size,
    Named("collections", "OrderedDict"): _ordered_dict,
    Named("collections", "defaultdict"): _default_dict,
}
