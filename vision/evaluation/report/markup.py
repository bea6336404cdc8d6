"""HTML from Python: text is escaped, so that no name of a class or a picture becomes markup."""

from __future__ import annotations

import base64
import html
from typing import Union

VOID = ("br", "img", "meta", "source")  # elements that have no end


class Markup(str):
    """Text that is HTML already."""


Content = Union[str, float, None]


def element(tag: str, /, *children: Content, **attributes: Content) -> Markup:
    """Return an element with its children.

    Args:
        tag: its name.
        children: Markup as it is, other text escaped, None for nothing.
        attributes: by name; `class_` for class, `data_value` for data-value. None leaves one out,
            an empty text makes it stand alone.
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        written = " " + key.rstrip("_").replace("_", "-")
        if value == "":
            parts.append(written)
        elif value is not None:
            parts.append(f'{written}="{html.escape(str(value))}"')
    parts.append(">")
    if tag not in VOID:
        parts += [join(*children), f"</{tag}>"]
    return Markup("".join(parts))


def join(*children: Content) -> Markup:
    """Return children in a row, escaped where they are not Markup."""
    known = [one for one in children if one is not None]
    texts = [one if isinstance(one, Markup) else html.escape(str(one)) for one in known]
    return Markup("".join(texts))


def data_url(content: bytes, kind: str) -> str:
    """Return a file as the address of itself, such as of a picture of kind image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
