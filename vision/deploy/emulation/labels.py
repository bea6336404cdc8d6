"""labels.txt as detectnet reads it, quirks included, so that they show before the Jetson.

Everything else reads with `vision.utils.labels.read_labels`, which repairs what this must not.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Iterator

from vision.utils.files import read_regular

logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 511  # detectnet's line buffer without its closing zero


def read_detectnet_labels(path: str | Path | None, num_classes: int) -> list[str]:
    """Return the name that detectnet gives to each of the classes.

    A blank line is a class, a carriage return or a blank stays in the name, a line of more than 511
    bytes becomes two, and a line that looks like an ImageNet id loses its first nine characters.

    Args:
        path: the file; None gives detectnet's own names, "Class #0" and so on.
        num_classes: of the net, the background included.

    Returns:
        `num_classes` names; missing ones are made up and surplus ones dropped, with a warning.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    lines = [] if path is None else label_lines(read_regular(path))
    if path is not None and len(lines) != num_classes:
        logger.warning(
            "%s has %d lines, the net has %d classes with the background; the names will be wrong",
            path,
            len(lines),
            num_classes,
        )
    made_up = [f"Class #{number}" for number in range(len(lines), num_classes)]
    return [*lines[:num_classes], *made_up]


def label_lines(content: bytes) -> list[str]:
    """Return the names in a label file's bytes, as detectnet takes them apart."""
    names = []
    for line in _buffered_lines(content):
        text = line.split(b"\0")[0]  # C strings end at a zero byte
        if has_synset(text):
            names.append(text[10:-1])
        elif text:
            names.append(text[:-1] if text.endswith(b"\n") else text)
    return [name.decode("utf-8", errors="replace") for name in names]


def has_synset(line: bytes) -> bool:
    """Tell whether a line begins like an ImageNet id, as "newspaper rack" does."""
    return len(line) > 9 and line[0:1] == b"n" and line[9:10] == b" "


def _buffered_lines(content: bytes) -> Iterator[bytes]:
    for line in io.BytesIO(content):
        for start in range(0, len(line), MAX_LINE_BYTES):
            yield line[start : start + MAX_LINE_BYTES]
