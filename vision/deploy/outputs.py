"""What a net for detectnet puts out, as the emulation, the checks and the tuning take it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Outputs(NamedTuple):
    """What a net puts out for one picture; the checks compare those of a batch of B pictures."""

    scores: np.ndarray  # (P, C) softmax; of a batch (B, P, C)
    boxes: np.ndarray  # (P, 4) xyxy in [0, 1]; of a batch (B, P, 4)
