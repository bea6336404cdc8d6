"""Convert values of annotation files, whatever they are."""

from __future__ import annotations

import codecs
import json
import math
from pathlib import Path
from typing import Any, Callable, Sequence

from vision.utils.files import read_regular
from vision.utils.text import printable

NAN = float("nan")
NO_BOX = (NAN,) * 4
LARGEST_SIDE = 1_000_000  # pixels; a larger number is not taken for the size of a picture


def to_number(value: Any) -> float:
    """Return a value, or its text with a decimal point or comma, as a number; nan if it is none."""
    try:
        return float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, TypeError, OverflowError):
        return NAN


def to_side(value: Any) -> int:
    """Return a value as width or height of a picture; 0 if it cannot be one."""
    number = to_number(value)
    return int(number) if 0 < number < LARGEST_SIDE else 0


def to_text(value: Any) -> str:
    """Return a name or number as text without blanks around it; "" for anything else."""
    return str(value).strip() if isinstance(value, (str, int, float)) else ""


def around(xs: list[float], ys: list[float]) -> tuple[float, ...]:
    """Return the box xyxy around points; nan if there is none, or one is not a number."""
    if not xs or not ys or any(value != value for value in (*xs, *ys)):
        return NO_BOX
    return min(xs), min(ys), max(xs), max(ys)


def around_turned(
    centre: Sequence[float], half: Sequence[float], angle: float
) -> tuple[float, ...]:
    """Return the box xyxy around a rectangle that is turned about its centre.

    Args:
        centre: x and y.
        half: half of its width and of its height before it was turned.
        angle: in radians.
    """
    cosine, sine = map(abs, _turn(angle))
    x, y = half[0] * cosine + half[1] * sine, half[0] * sine + half[1] * cosine
    return centre[0] - x, centre[1] - y, centre[0] + x, centre[1] + y


def around_ellipse(
    centre: Sequence[float], radii: Sequence[float], angle: float
) -> tuple[float, ...]:
    """Return the box xyxy around an ellipse that is turned about its centre.

    Args:
        centre: x and y.
        radii: half of its width and of its height before it was turned.
        angle: in radians.
    """
    cosine, sine = _turn(angle)
    x = math.hypot(radii[0] * cosine, radii[1] * sine)
    y = math.hypot(radii[0] * sine, radii[1] * cosine)
    return centre[0] - x, centre[1] - y, centre[0] + x, centre[1] + y


def _turn(angle: float) -> tuple[float, float]:
    """Return cosine and sine; those of no turn for an angle that is no number."""
    return (math.cos(angle), math.sin(angle)) if math.isfinite(angle) else (1.0, 0.0)


def around_points(values: list) -> tuple[float, ...]:
    """Return the box xyxy around the points x1, y1, x2, y2, ..."""
    numbers = [to_number(value) for value in values]
    return around(numbers[::2], numbers[1::2])


def encoding_of(data: bytes) -> str:
    """Return the encoding of a text by its first bytes: UTF-16 if it is marked so, else UTF-8."""
    return "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"


def decode(data: bytes, path: Path) -> str:
    """Return the text of a file.

    Raises:
        ValueError: if it is not UTF-8, nor marked as UTF-16.
    """
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}:{line}: must be UTF-8 text; save it as UTF-8") from None


def _breaks_off(text: str, error: json.JSONDecodeError) -> bool:
    """Return whether a text is JSON up to its end, which comes too early."""
    rest = text[error.pos :].strip()
    is_begun = any(word.startswith(rest) for word in ("true", "false", "null"))
    is_begun |= not rest.strip("-+.eE")  # of a number
    return bool(text.strip()) and (is_begun or error.msg.startswith("Unterminated string"))


def read_json(path: Path, hook: Callable[[dict], Any] | None = None) -> Any:
    """Return the content of a JSON file, with each object replaced by `hook(object)`.

    Raises:
        ValueError: if it is not JSON, with the line.
    """
    text = decode(read_regular(path), path)
    try:
        return json.loads(text, object_hook=hook)
    except json.JSONDecodeError as error:
        fault = f"not JSON: {error.msg}"
        if _breaks_off(text, error):
            fault = (
                "not JSON: the file breaks off before its end; copy, download or export it again"
            )
        raise ValueError(f"{path}:{error.lineno}: {fault}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: cannot be read as JSON: {printable(str(error))}") from None
