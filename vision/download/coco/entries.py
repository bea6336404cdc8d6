"""The entries of a COCO file: what is kept of them, and what each value must be."""

from __future__ import annotations

import json
import re
from functools import partial
from itertools import chain
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

from vision.download.addresses import COCO_OWN_URLS, COCO_URL
from vision.utils.files import name_fault

HUGE = 1e9  # no pixel, and no area in pixels, is so large
LONGEST_TEXT = 255  # characters; every text of a column takes as much memory as the longest
LONGEST_SHOWN = 60  # characters of a wrong value in a message


Columns = Dict[str, List[Any]]  # the values of each field, entry by entry


def append_entry(columns: Columns, key: str, entry: Any) -> None:
    """Append the values of an entry to the columns of its list, which is called `key`.

    Raises:
        ValueError: if the entry is no object.
    """
    if not isinstance(entry, dict):
        number = len(columns["id"]) + 1
        raise ValueError(f"{key}, entry {number}: must be an object, got {_shown(entry)}")
    for field, values in columns.items():
        values.append(entry.get(field))


def check_columns(columns: Columns, key: str) -> None:
    """Check the values of the list that is called `key`.

    A COCO file has a million entries; so whole columns are looked at first, and single values only
    where that is not enough.

    Raises:
        ValueError: if a value is not what it must be, saying which.
    """
    for field, rule in FIELDS[key].items():
        if not rule.are_fine(columns[field]):
            for number, value in enumerate(columns[field], 1):
                try:
                    rule.check(value)
                except ValueError as error:
                    raise ValueError(f"{key}, entry {number}: {field} {error}") from None


def check_whole(limit: int, value: Any) -> None:
    """Raise ValueError unless it is a whole number from 0 to below a limit."""
    if not isinstance(value, int) or not 0 <= value < limit:
        raise ValueError(f"must be a whole number from 0 to below {limit}, got {_shown(value)}")


def are_whole(limit: int, values: Sequence[Any]) -> bool:
    """Return whether every value passes `check_whole`."""
    if not set(map(type, values)) <= {int, bool}:
        return False
    return not values or (min(values) >= 0 and max(values) < limit)


def check_finite_number(value: Any) -> None:
    """Raise ValueError unless it is a finite number."""
    if not are_finite([value]):
        raise ValueError(f"must be a finite number, got {_shown(value)}")


def are_finite(values: Sequence[Any]) -> bool:
    """Return whether every value passes `check_finite_number`."""
    return set(map(type, values)) <= {int, float} and all(map(HUGE.__gt__, map(abs, values)))


def check_four(value: Any) -> None:
    """Raise ValueError unless it is a list of four finite numbers."""
    if not are_four([value]):
        raise ValueError(f"must be a list of four finite numbers, got {_shown(value)}")


def are_four(values: Sequence[Any]) -> bool:
    """Return whether every value passes `check_four`."""
    if not (set(map(type, values)) <= {list} and set(map(len, values)) <= {4}):
        return False
    return are_finite(list(chain.from_iterable(values)))


def check_name(value: Any) -> None:
    """Raise ValueError unless it is the file name of a JPEG inside a folder."""
    fault = name_fault(value)
    if fault is None and not (value.isprintable() and len(value) <= LONGEST_TEXT):
        fault = f"has more than {LONGEST_TEXT} characters, or some that cannot be printed"
    if fault is None and not value.lower().endswith((".jpg", ".jpeg")):
        fault = "does not end in .jpg"
    if fault:
        shown = _shown(value)
        raise ValueError(f"must be the name of a JPEG inside a folder, but {shown} {fault}")


def check_address(value: Any) -> None:
    """Raise ValueError unless it is an address of the web."""
    printable = isinstance(value, str) and re.fullmatch("https?://[!-~]+", value)
    if not printable or len(value) > LONGEST_TEXT:
        raise ValueError(f"must be an address that begins with http, got {_shown(value)}")


def are_unknown(values: Sequence[Any]) -> bool:
    """Return False: each value has to be checked."""
    return False


def short_address(url: str) -> str:
    """Return an address under COCO's server; one of another server stays whole."""
    for begin in (f"{COCO_URL}/", *COCO_OWN_URLS):
        if url.startswith(begin):
            return url[len(begin) :]
    return url


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


class FieldRule(NamedTuple):
    """How the values of a field are checked: one of them, and a whole column."""

    check: Callable[[Any], None]
    are_fine: Callable[[Sequence[Any]], bool]


def _whole(limit: int) -> FieldRule:
    return FieldRule(partial(check_whole, limit), partial(are_whole, limit))


FIELDS: dict[str, dict[str, FieldRule]] = {
    "images": {
        "id": _whole(1 << 63),
        "width": _whole(1 << 31),
        "height": _whole(1 << 31),
        "file_name": FieldRule(check_name, are_unknown),
        "coco_url": FieldRule(check_address, are_unknown),
    },
    "annotations": {
        "id": _whole(1 << 63),
        "image_id": _whole(1 << 63),
        "category_id": _whole(1 << 16),
        "bbox": FieldRule(check_four, are_four),
        "area": FieldRule(check_finite_number, are_finite),
        "iscrowd": _whole(2),
    },
}
