"""Settings that an ONNX file carries in its metadata, as JSON of a dataclass."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from typing import Any, Mapping, TypeVar

from vision.utils.text import printable, shown

Settings = TypeVar("Settings")


def stored_settings(
    kind: type[Settings], metadata: Mapping[str, str], key: str, name: str | Path
) -> Settings | None:
    """Return the settings that stand under a key; None if there are none.

    Args:
        kind: a dataclass whose fields all have defaults: a value must be of its default's type.
        metadata: of the file, as `session.get_modelmeta().custom_metadata_map` has it.
        key: where they stand.
        name: of the file, in errors.

    Raises:
        ValueError: naming the file, if they cannot be read.
    """
    text = metadata.get(key)
    if text is None:
        return None
    try:
        return kind(**_checked(kind, json.loads(text)))
    except (ValueError, RecursionError) as error:
        reason = printable(str(error))
        raise ValueError(
            f"{name} has settings in its metadata '{key}' that cannot be read: {reason}; export "
            "the file again"
        ) from None


def _checked(kind: Any, values: Any) -> dict[str, Any]:
    """Return settings of JSON if their names and types are right."""
    defaults = {field.name: field.default for field in fields(kind)}
    if not isinstance(values, dict):
        raise ValueError(f"they must be names with values, got {shown(values)}")
    for name, value in values.items():
        if name not in defaults:
            raise ValueError(f"{shown(name)} must be one of {', '.join(defaults)}")
        wanted = type(defaults[name])
        fits = type(value) is wanted
        if wanted is float:
            fits = type(value) in (int, float) and math.isfinite(value)
        if not fits:
            raise ValueError(f"{name} must be like {defaults[name]}, got {shown(value)}")
    return values
