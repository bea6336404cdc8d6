"""Text from outside, made fit for messages."""

from __future__ import annotations


def printable(text: str, longest: int = 300) -> str:
    """Return text as one line of printable characters, cut where it is longer than `longest`."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: longest + 1])
    return line if len(line) <= longest else line[:longest] + "..."
