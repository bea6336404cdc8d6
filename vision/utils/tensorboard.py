"""Finding the library that writes for TensorBoard, which may be missing or too old."""

from __future__ import annotations

import logging
from typing import Any

logger = logging.getLogger(__name__)

# What tensorboard raises when it is imported: where it is missing, where NumPy has become too new
# for it, and where protobuf has.
UNUSABLE = (ImportError, AttributeError, TypeError)


def summary_writer(lost: str) -> Any:
    """Return torch's SummaryWriter; None, after a warning, where tensorboard cannot be used.

    Args:
        lost: what is not written then, as the warning begins.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except UNUSABLE as error:
        logger.warning("%s for TensorBoard: %s; pip install tensorboard", lost, error)
        return None
    return SummaryWriter
