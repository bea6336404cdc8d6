"""As much of YAML as a data.yaml has: keys with a text, a list or a table of texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Dict, List, Union

from vision.datasets.files.values import decode

Value = Union[str, List[str], Dict[str, str]]

_LARGEST_FILE = 1 << 20  # bytes
_QUOTED = r'"(?:[^"\\]|\\.)*"|\'(?:[^\']|\'\')*\''
_KEY = re.compile(rf"({_QUOTED}|[^\s#\-\[{{'\"][^:]*?)\s*:(?:\s+(.*)|$)")
_ITEM = re.compile(
    rf"\s*(?:({_QUOTED}|[^\s,:\[\]{{}}'\"][^,:\[\]{{}}]*)\s*:\s+)?"  # the key, in a table
    rf"({_QUOTED}|[^\s,\[\]{{}}'\"][^,\[\]{{}}]*)"
)
_COMMENT = re.compile(r"(?:^|\s)#.*$")


def read_yaml(path: Path) -> dict[str, Value]:
    """Return the keys of the first level with their values; what is nested deeper is left out.

    Raises:
        ValueError: if the file is not UTF-8, or far too large for what it should hold.
    """
    data = path.read_bytes()
    if len(data) > _LARGEST_FILE:
        raise ValueError(f"{path} must be a short file of settings, it has {len(data):,} bytes")
    values: dict[str, Value] = {}
    key, block = "", []
    for line in decode(data, path).splitlines():
        line = _COMMENT.sub("", line).rstrip()
        found = None if line[:1].isspace() else _KEY.fullmatch(line)
        if found:
            values.update(_value_of(key, block))
            key, block = _unquote(found[1]), [found[2] or ""]
        elif line:
            block.append(line.strip())
    values.update(_value_of(key, block))
    return values


def _value_of(key: str, block: list[str]) -> dict[str, Value]:
    """Return what the lines after a key are, as a dict of this key; none without a key."""
    lines = [line for line in block if line]
    if not key:
        return {}
    text = " ".join(lines)
    if text.startswith("["):
        return {key: [_unquote(value) for _, value in _ITEM.findall(text[1:])]}
    if text.startswith("{"):
        return {key: {_unquote(name): _unquote(value) for name, value in _ITEM.findall(text[1:])}}
    if block[0] or not lines:
        return {key: _unquote(text)}
    if all(line.startswith("-") for line in lines):
        return {key: [_unquote(line[1:]) for line in lines]}
    found = filter(None, map(_KEY.fullmatch, lines))
    return {key: {_unquote(one[1]): _unquote(one[2] or "") for one in found}}


def _unquote(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("''", "'") if text[0] == "'" else text[1:-1]
    return text
