"""Text from outside, made fit for messages and names."""

from __future__ import annotations

import difflib
from typing import Iterable, Sequence

# What nobody sees in a name, as web pages and word processors put it there. Joiners of letters are
# among it, as in Persian; nets and lists of names do without.
UNSEEN = "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"
OTHER_BLANKS = "".join(map(chr, (0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
AS_SEEN = {**dict.fromkeys(map(ord, UNSEEN)), **dict.fromkeys(map(ord, OTHER_BLANKS), " ")}


def name_as_seen(name: str) -> str:
    """Return a name without characters that nobody sees, and with common blanks for all others."""
    seen = name if name.isprintable() else name.translate(AS_SEEN)
    return name if seen == name else seen.strip()


def names_as_seen(names: Iterable[str]) -> list[str]:
    """Return names as `name_as_seen` does, each once."""
    return list(dict.fromkeys(map(name_as_seen, names)))


def printable(text: str, longest: int = 300) -> str:
    """Return text as one line of printable characters, cut where it is longer than `longest`."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: longest + 1])
    return line if len(line) <= longest else line[:longest] + "..."


def cut(text: str, longest: int) -> str:
    """Return a text, and where it is longer than `longest` letters its beginning and a "…"."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def first_few(names: Sequence[str], most: int, between: str = ", ") -> str:
    """Return names in a row; of more than `most` the first ones, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about a name that is not known: the nearest one that is."""
    spelled = {one.lower(): one for one in known}
    nearest = difflib.get_close_matches(name.lower(), spelled, n=1)
    return f"; did you mean '{spelled[nearest[0]]}'?" if nearest else ""


def shown(value: object, longest: int = 60) -> str:
    """Return a value of a file for a message: text and numbers, of anything else only its kind."""
    if isinstance(value, str):
        return printable(value, longest)
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, (int, float)):
        return str(value)
    few = value if isinstance(value, (list, tuple)) and len(value) <= 4 else ()
    if few and all(isinstance(item, (str, int, float)) for item in few):
        return printable("[" + ", ".join(shown(item, 20) for item in few) + "]", longest)
    kind = type(value).__name__
    return f"an {kind}" if kind[0] in "aeiouAEIOU" else f"a {kind}"
