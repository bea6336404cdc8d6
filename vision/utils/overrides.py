"""What a user may say of a detector where its file does not say it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vision.utils.options import (
    INPUT_SIDES,
    WIDTHS,
    Options,
    option,
    path_or_none,
    text_or_none,
)


@dataclass(frozen=True)
class Overrides(Options):
    """What the detector's file does not say.

    Only weights without a description need any of it; what contradicts a description is refused.
    """

    net: str | None = option(
        None,
        kind=text_or_none,
        help="one of the nets in docs/nets.md (default: what the file says)",
    )
    labels: Path | None = option(
        None,
        *("--labels", "--label-file"),
        kind=path_or_none,
        metavar="FILE",
        help="class names, one a line (default: what the file says, else the labels.txt beside it)",
    )
    resolution: int | None = option(
        None,
        kind=INPUT_SIDES,
        metavar="PIXELS",
        help="side of the net's square input (default: what the file says, else 300)",
    )
    mb2_width_mult: float | None = option(
        None,
        "--width-mult",
        kind=WIDTHS,
        metavar="FACTOR",
        help="what the channels of a MobileNetV2 or V3 backbone are multiplied by (default: what "
        "the file says)",
    )
