"""Which pictures a run has held out, kept with it, as more pictures would change what is drawn."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Sequence

from vision.datasets.files.values import read_json
from vision.utils.files import atomic_write

HELD_OUT = "held_out.json"  # in a model directory


@dataclass(frozen=True)
class HeldOut:
    """The pictures that were drawn from folders that state no split, or a useless one."""

    val_split: float = 0.0
    seed: int = 0
    pictures: Mapping[str, Sequence[str]] = field(default_factory=dict)  # image ids by real path

    def for_draw(self, val_split: float, seed: int) -> Mapping[str, Sequence[str]]:
        """Return the pictures, unless another share or seed now asks for others."""
        return self.pictures if (val_split, seed) == (self.val_split, self.seed) else {}

    def write(self, path: Path) -> None:
        """Write a JSON file, whose usual name is HELD_OUT."""
        with atomic_write(path) as temporary:
            temporary.write_text(json.dumps(vars(self), indent=1) + "\n", encoding="utf-8")


def held_out_of(folder: Path) -> HeldOut:
    """Return what a run in a model directory has held out; nothing where no file says it.

    Raises:
        ValueError: if the file cannot be used.
    """
    path = folder / HELD_OUT
    if not path.is_file():
        return HeldOut()
    try:
        held_out = HeldOut(**read_json(path))
        sound = all(
            isinstance(name, str) for ids in held_out.pictures.values() for name in list(ids)
        )
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise ValueError(
            f"{path} must say which pictures the run has held out, as the run has written it; "
            "delete it, and they are drawn again by seed"
        )
    return held_out
