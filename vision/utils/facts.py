"""Checking what a file says, fact by fact, so that no value of a wrong kind gets further."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

from vision.utils.text import shown

Kind = Callable[[Any], Any]  # returns a value as it is used; raises ValueError: must be ...


def read_facts(
    values: Any, kinds: Mapping[str, Kind], subject: str, optional: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the facts that `kinds` names, each checked by its kind.

    Args:
        values: what the file says; anything.
        kinds: of each fact, by name.
        subject: what the facts are of, for messages.
        optional: those that may be left out.

    Raises:
        ValueError: naming the fact that is missing, unknown or of the wrong kind.
    """
    if not isinstance(values, Mapping):
        raise ValueError(f"{subject} must hold facts by name, got {shown(values)}")
    missing = [name for name in kinds if name not in values and name not in optional]
    if missing:
        raise ValueError(f"{subject} is incomplete: {', '.join(missing)} is missing")
    unknown = [shown(name) for name in values if name not in kinds]
    if unknown:
        raise ValueError(f"{subject} holds what this program does not know: {unknown[0]}")
    facts = {}
    for name, value in values.items():
        try:
            facts[name] = kinds[name](value)
        except ValueError as error:
            raise ValueError(f"{subject}: {name} {error}") from None
    return facts


def listed(kind: Kind, count: int | None = None) -> Kind:
    """Return the kind of a list whose items are of a kind; it is read as a tuple."""

    def _read(values: Any) -> tuple:
        if not isinstance(values, (list, tuple)):
            raise ValueError(f"must be a list, got {shown(values)}")
        if count is not None and len(values) != count:
            raise ValueError(f"must be {count} values, got {len(values)}")
        return tuple(kind(value) for value in values)

    return _read


def named(kind: Kind) -> Kind:
    """Return the kind of a dict of texts to values of a kind."""

    def _read(values: Any) -> dict[str, Any]:
        if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
            raise ValueError(f"must be values by name, got {shown(values)}")
        return {name: kind(value) for name, value in values.items()}

    return _read


def or_none(kind: Kind) -> Kind:
    """Return the kind of a value that may be None."""

    def _read(value: Any) -> Any:
        return None if value is None else kind(value)

    return _read


def any_float(value: Any) -> float:
    """Read a number, which may be infinite or none at all (nan).

    Raises:
        ValueError: if it is of another kind.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"must be a number, got {shown(value)}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError("must be a number, got one too large for any use") from None
