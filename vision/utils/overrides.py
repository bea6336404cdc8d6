"""What a user may say of a detector where its file does not say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Overrides:
    """The options that describe a detector; None leaves a fact to the file.

    Only weights without a description need any of them; what contradicts a description is refused.
    """

    net: str | None = None  # a key of NETS or NET_ALIASES
    labels: Path | None = None  # class names, one a line
    resolution: int | None = None  # side of the net's input, pixels
    width_mult: float | None = None  # of the backbone's channels
