"""Options as data: the fields of a frozen dataclass say what a command line takes.

A field stands once, with its default, its help and what it accepts. The command line is made from
it, what is typed is checked by it, and so is what a file of an earlier run says:

    @dataclass(frozen=True)
    class ShortOptions(LogOptions):
        '''How long to train.'''  # the title of the group in --help

        num_epochs: int = option(30, "--epochs", kind=Whole(1), help="epochs to train")

    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_options(parser, ShortOptions)
    args = parse_options(parser, argv, ShortOptions)  # holds only what was typed
    options = ShortOptions.of(saved, vars(args))      # the last one wins; then the defaults
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence, TypeVar

from vision.utils.buckets import full_path
from vision.utils.text import shown

Convert = Callable[[Any], Any]  # from what is typed, or a value of a file, to the value
Chosen = TypeVar("Chosen", bound="Options")


def option(
    default: Any,
    *names: str,
    help: str,
    kind: Convert,
    metavar: str | None = None,
    nargs: Any = None,
    const: Any = None,
) -> Any:
    """Return a field of an `Options` class.

    Args:
        default: the value where nothing is typed; a tuple for several values. Help shows it, but
            None and False: there the text of `help` says what happens.
        names: more names than --field-name, the commonest first: messages use that one.
        help: what the value is, with its unit.
        kind: checks and converts one value.
        metavar: the name of the value in --help.
        nargs: as in argparse; 0 for a switch; "," for one text of values with commas between them.
            What "+" or "," takes a second time is added to the first.
        const: the value where an option with nargs="?" is typed without one.
    """
    facts = {"names": names, "help": help, "kind": kind, "metavar": metavar, "nargs": nargs}
    return field(default=default, metadata={**facts, "const": const})


def switch(*names: str, help: str) -> Any:
    """Return a field that is False unless its option is typed, which takes no value."""
    return option(False, *names, help=help, kind=boolean, nargs=0)


def yes_no(default: bool | None, *names: str, help: str) -> Any:
    """Return a field that is True where its option is typed bare, or as its value says."""
    facts: dict[str, Any] = {"kind": boolean, "nargs": "?", "const": True, "metavar": "BOOL"}
    return option(default, *names, help=help, **facts)


@dataclass(frozen=True)
class Options:
    """What all options share: how they are checked, and how they are read and written."""

    @classmethod
    def of(cls: type[Chosen], *sources: Mapping[str, Any]) -> Chosen:
        """Return the options that the sources give, each winning over those before it.

        What a source says of names that are no options is left out.

        Raises:
            ValueError: naming the option whose value cannot be used, and what it must be.
        """
        known = {one.name: one for one in fields(cls)}
        values: dict[str, Any] = {}
        for source in sources:
            values.update(
                (name, checked(known[name], value))
                for name, value in source.items()
                if name in known
            )
        return cls(**values)

    def plain(self) -> dict[str, Any]:
        """Return the values as JSON can hold them; paths in full, so that they hold elsewhere."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}

    def replace(self: Chosen, **values: Any) -> Chosen:
        """Return the same options with other values for some."""
        return dataclasses.replace(self, **values)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return full_path(value)
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def checked(one: dataclasses.Field, value: Any) -> Any:
    """Return a value as its option takes it.

    Raises:
        ValueError: naming the option, what it must be, and what it was.
    """
    kind, nargs = one.metadata["kind"], one.metadata["nargs"]
    if value is None and one.default is None:
        return None
    try:
        if nargs == "+" or (isinstance(nargs, int) and nargs > 1):
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ValueError(f"must be a list, got {shown(value)}")
            if isinstance(nargs, int) and len(value) != nargs:
                raise ValueError(f"must be {nargs} values, got {len(value)}")
            return tuple(kind(item) for item in value)
        return kind(value)
    except ValueError as error:
        raise ValueError(f"{option_name(one)} {error}") from None


def option_name(one: dataclasses.Field) -> str:
    """Return the first name of a field's option, as people type it."""
    return (one.metadata["names"] or ["--" + one.name.replace("_", "-")])[0]


def groups_of(options: type[Options]) -> Iterator[tuple[str, list[dataclasses.Field]]]:
    """Yield the title and the fields of each class that an options class is made of.

    The title is the first line of the class's docstring.
    """
    known = {one.name: one for one in fields(options)}
    for part in reversed(options.__mro__):
        own = [known[name] for name in vars(part).get("__annotations__", {}) if name in known]
        if own:
            yield (part.__doc__ or part.__name__).strip().splitlines()[0].rstrip("."), own


def add_options(parser: Any, options: type[Options]) -> None:
    """Add the options to an argparse parser, group by group.

    The parser shall suppress defaults, as they stand in `options`.
    """
    for title, own in groups_of(options):
        group = parser.add_argument_group(title)
        for one in own:
            group.add_argument(*_names(one), **_keywords(one))


def _names(one: dataclasses.Field) -> list[str]:
    own = "--" + one.name.replace("_", "-")
    return list(dict.fromkeys([*one.metadata["names"], own]))


def _keywords(one: dataclasses.Field) -> dict[str, Any]:
    facts = one.metadata
    # argparse formats help with %.
    text = facts["help"].replace("%", "%%") + _default_text(one)
    keywords: dict[str, Any] = {"dest": one.name, "help": text}
    if facts["nargs"] == 0:
        return {**keywords, "action": "store_true"}
    metavar = facts["metavar"] or getattr(facts["kind"], "metavar", None)
    keywords["metavar"] = metavar or one.name.split("_")[-1].upper()
    if facts["nargs"] == ",":
        return {**keywords, "action": "append"}
    if facts["nargs"] is not None:
        keywords["nargs"] = facts["nargs"]
    if facts["nargs"] == "?":
        keywords["const"] = facts["const"]
    return {**keywords, "action": "extend"} if facts["nargs"] == "+" else keywords


def _default_text(one: dataclasses.Field) -> str:
    value = one.default
    if value in (None, "", ()) or (value is False and one.metadata["nargs"] == 0):
        return ""
    if isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, tuple):
        text = ("," if one.metadata["nargs"] == "," else " ").join(map(str, value))
    else:
        text = str(value)
    return f" (default: {text})"


# Kinds: each takes the text that was typed, or the value that a file holds.


@dataclass(frozen=True)
class Range:
    """What numbers may be; None where there is no limit."""

    lowest: float | None = None
    highest: float | None = None
    above: float | None = None  # greater than this, not equal to it
    below: float | None = None

    def __contains__(self, number: float) -> bool:
        return (
            (self.lowest is None or number >= self.lowest)
            and (self.highest is None or number <= self.highest)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        """Say the limits as they follow "a number "."""
        limits = {
            "at least": self.lowest,
            "at most": self.highest,
            "above": self.above,
            "below": self.below,
        }
        return " and ".join(
            f"{word} {limit:.10g}" for word, limit in limits.items() if limit is not None
        )

    def read(
        self, value: Any, convert: Callable[[Any], Any], noun: str, words: Sequence[str] = ()
    ) -> Any:
        """Return a value as a number within the limits, or as one of the words.

        Raises:
            ValueError: saying what it must be, and what it was.
        """
        if isinstance(value, str) and value.lower() in words:
            return value.lower()
        number = finite(value, convert)
        if number is None or number not in self:
            limits = " or ".join([f"{noun} {self}".strip(), *words])
            raise ValueError(f"must be {limits}, got {shown(value)}")
        return convert(number)


@dataclass(frozen=True)
class Whole(Range):
    """A whole number within limits, or one of some words, such as auto."""

    words: tuple[str, ...] = ()

    def __call__(self, value: Any) -> int | str:
        """Return the number or the word.

        Raises:
            ValueError: saying what it must be, and what it was.
        """
        whole: int | str = self.read(value, int, "a whole number", self.words)
        return whole


@dataclass(frozen=True)
class Number(Range):
    """A finite number within limits."""

    def __call__(self, value: Any) -> float:
        """Return the number.

        Raises:
            ValueError: saying what it must be, and what it was.
        """
        number: float = self.read(value, float, "a number")
        return number


@dataclass(frozen=True)
class NumberOrWord(Range):
    """A finite number within limits, or one of some words, such as auto."""

    words: tuple[str, ...] = ()

    def __call__(self, value: Any) -> float | str:
        """Return the number or the word.

        Raises:
            ValueError: saying what it must be, and what it was.
        """
        number: float | str = self.read(value, float, "a number", self.words)
        return number


INPUT_SIDES = Whole(32, 4096)  # of a net's square input, pixels
WIDTHS = Number(0.1, 4)  # what multiplies the channels of a backbone
MAX_EPOCHS = 1_000_000  # of a run


def finite(value: Any, convert: Callable[[Any], float]) -> float | None:
    """Return a value as a finite number; None if it is none, or `convert` would change it."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = convert(value)
        changed = not isinstance(value, str) and number != value
        return number if math.isfinite(number) and not changed else None
    except (ValueError, OverflowError):
        return None


class OneOf:
    """One of some words, in any case; also under names that it had in earlier versions."""

    def __init__(self, *words: str, earlier: Mapping[str, str] | None = None) -> None:
        self.words = words
        self.earlier = earlier or {}
        self.metavar = "{" + ",".join(words) + "}"

    def __call__(self, value: Any) -> str:
        """Return the word.

        Raises:
            ValueError: naming the words, and what it was.
        """
        word = value.lower() if isinstance(value, str) else ""
        word = self.earlier.get(word, word)
        if word not in self.words:
            raise ValueError(f"must be one of {', '.join(self.words)}, got {shown(value)}")
        return word


@dataclass(frozen=True)
class ListOf:
    """Values with commas between them, such as 80,100."""

    kind: Convert

    def __call__(self, value: Any) -> tuple[Any, ...]:
        """Return the values.

        Raises:
            ValueError: saying what one of them must be, and what it was.
        """
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, (list, tuple)):
            raise ValueError(f"must be values with commas between them, got {shown(value)}")
        return tuple(self.kind(item.strip() if isinstance(item, str) else item) for item in items)


def text(value: Any) -> str:
    """Read a text.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, str):
        raise ValueError(f"must be a text, got {shown(value)}")
    return value


def text_or_none(value: Any) -> str | None:
    """Read a text; an empty one switches off what it would name, as in --base-net= ."""
    return None if value is None else text(value) or None


def path(value: Any) -> Path:
    """Read a path.

    Raises:
        ValueError: if it is empty, or no text.
    """
    if isinstance(value, Path):
        return value
    if not text(value):
        raise ValueError("must name a file or folder, got nothing")
    return Path(value)


def path_or_none(value: Any) -> Path | None:
    """Read a path; an empty one means none."""
    return None if value in ("", None) else path(value)


def boolean(value: Any) -> bool:
    """Read true or false, yes or no, on or off, 1 or 0.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, bool):
        return value
    words = {"yes": True, "true": True, "t": True, "y": True, "1": True, "on": True}
    words.update({"no": False, "false": False, "f": False, "n": False, "0": False, "off": False})
    if not isinstance(value, str) or value.lower() not in words:
        raise ValueError(f"must be true or false, got {shown(value)}")
    return words[value.lower()]


@dataclass(frozen=True)
class LogOptions(Options):
    """Messages."""

    log_level: str = option(
        "info", kind=OneOf("debug", "info", "warning", "error"), help="least important message"
    )
    debug: bool = switch(help="show the traceback of a failure")
