from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from vision.utils.cli import parse_options
from vision.utils.options import (
    ListOf,
    LogOptions,
    Number,
    OneOf,
    Options,
    Whole,
    add_options,
    boolean,
    option,
    path,
    path_or_none,
    switch,
    text,
    text_or_none,
)


@dataclass(frozen=True)
class Kitchen(Options):
    """What is cooked."""

    soup: str = option("leek", "--starter", kind=OneOf("leek", "onion"), help="the first course")
    plates: int = option(4, kind=Whole(1, 12), help="how many eat")


@dataclass(frozen=True)
class Oven(Kitchen, LogOptions):
    """How it is cooked.

    This line is no title.
    """

    heat: float = option(180.0, kind=Number(above=0, below=300), help="degrees Celsius")
    minutes: tuple = option((80, 100), kind=ListOf(Whole(0)), nargs=",", help="when to look")
    spices: tuple = option(("salt",), nargs="+", kind=text_or_none, help="what goes in")
    door: tuple = option((0.1, 0.9), nargs=2, kind=Number(0, 1), help="how far it opens")
    recipe: Path | None = option(None, kind=path_or_none, help="a file (default: none)")
    dessert: str | None = option("cake", kind=text_or_none, help="the last course")
    guests: tuple = option((), nargs="+", kind=text_or_none, help="who comes")
    timer: int = option(0, nargs="?", const=16, kind=Whole(0), help="rings after N minutes")
    grill: bool = switch(help="brown the top")
    fan: bool = option(True, kind=boolean, help="turn the air")


@dataclass(frozen=True)
class Pantry(Options):
    """What is kept."""

    jars: str = option("", kind=text, nargs=",", help="with commas between them")


def typed(*words):
    parser = argparse.ArgumentParser(prog="cook", argument_default=argparse.SUPPRESS)
    add_options(parser, Oven)
    return vars(parse_options(parser, words, Oven))


def test_what_is_not_typed_is_not_there():
    assert typed() == {}
    assert Oven.of(typed()) == Oven()


def test_what_is_a_list_goes_on_where_it_is_typed_again():
    words = ["--minutes=1,2", "--spices", "a", "b", "--minutes", "3", "--spices=c"]
    assert typed(*words) == {"minutes": (1, 2, 3), "spices": ("a", "b", "c")}
    assert typed("--spices", "a")["spices"] == ("a",)  # and not behind those of before, or salt
    with pytest.raises(SystemExit):
        typed("--minutes=1,2", "--minutes=x")
    parser = argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    add_options(parser, Pantry)
    for words, jars in {"a b,c": "a,b,c", "a": "a", "": "", "a  b": "b", "a ": ""}.items():
        options = [f"--jars={word}" for word in words.split(" ")]
        assert parse_options(parser, options, Pantry).jars == jars


def test_what_is_typed_is_converted_under_any_of_its_names():
    assert typed("--starter", "ONION", "--plates=3", "--heat", "2e2", "--fan=off", "--grill") == {
        "soup": "onion",
        "plates": 3,
        "heat": 200.0,
        "fan": False,
        "grill": True,
    }
    assert typed("--minutes=1,2", "--door", "0", "1", "--spices", "a", "b", "--timer") == {
        "minutes": (1, 2),
        "door": (0.0, 1.0),
        "spices": ("a", "b"),
        "timer": 16,
    }


def test_later_sources_win_and_strange_names_are_left_out():
    options = Oven.of({"plates": 2, "heat": 100, "unheard": 1}, {"plates": 3})
    assert (options.plates, options.heat) == (3, 100.0)


def test_plain_values_come_back():
    options = Oven(recipe=Path("soup.txt"), minutes=(5,))
    plain = options.plain()
    assert plain["recipe"] == str(Path.cwd() / "soup.txt")
    assert plain["minutes"] == [5]
    assert Oven.of(plain) == options.replace(recipe=Path.cwd() / "soup.txt")


def test_an_empty_value_switches_off():
    assert typed("--recipe=") == {"recipe": None}
    assert Oven.of({"recipe": "a"}, typed("--recipe=")).recipe is None
    # Also where something is named by default, and when it is read again from a file.
    without = Oven.of(typed("--dessert="))
    assert without.dessert is None
    assert Oven.of(without.plain()).dessert is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--plates=0"], "--plates must be a whole number at least 1 and at most 12, got 0"),
        (["--plates=2.5"], "--plates must be a whole number at least 1 and at most 12, got 2.5"),
        (["--heat=nan"], "--heat must be a number above 0 and below 300, got nan"),
        (["--heat=0"], "--heat must be a number above 0 and below 300, got 0"),
        (["--heat=inf"], "got inf"),
        (["--soup=pea"], "--starter must be one of leek, onion, got pea"),
        (["--minutes=1,,2"], "--minutes must be a whole number at least 0, got"),
        (["--door", "1", "2"], "--door must be a number at least 0 and at most 1, got 2"),
        (["--fan=maybe"], "--fan must be true or false, got maybe"),
        (["--sou=leek"], "unrecognized argument --sou=leek; did you mean --soup?"),
    ],
)
def test_a_wrong_value_is_a_usage_error(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        typed(*words)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "values",
    [
        {"plates": "many"},
        {"plates": True},
        {"plates": None},
        {"plates": 2.5},
        {"heat": math.nan},
        {"heat": [1]},
        {"soup": 3},
        {"minutes": 5},
        {"minutes": [1, "x"]},
        {"door": [0.1]},
        {"door": "01"},
        {"spices": "salt"},
        {"spices": [3]},
        {"fan": 2},
        {"recipe": 3},
    ],
)
def test_a_file_with_a_wrong_value_is_refused_by_the_options_name(values):
    name = next(iter(values)).replace("soup", "starter")
    with pytest.raises(ValueError, match=f"--{name} must be"):
        Oven.of(values)


def test_numbers_of_a_file_may_be_whole():
    assert Oven.of({"heat": 100, "plates": 3.0}) == Oven(heat=100.0, plates=3)


def test_a_path_must_be_one():
    with pytest.raises(ValueError, match="must name a file or folder, got nothing"):
        path("")


def test_help_has_a_group_for_every_class_and_says_the_defaults(capsys):
    with pytest.raises(SystemExit):
        typed("--help")
    help_text = " ".join(capsys.readouterr().out.split())
    assert "What is cooked: --starter {leek,onion}, --soup {leek,onion} the first" in help_text
    assert "the first course (default: leek)" in help_text
    assert "How it is cooked: --heat" in help_text
    assert "when to look (default: 80,100)" in help_text
    assert "how far it opens (default: 0.1 0.9)" in help_text
    assert "a file (default: none) --dessert" in help_text
    assert "who comes --timer" in help_text
    assert "turn the air (default: true)" in help_text
    assert "brown the top" in help_text
    assert "This line" not in help_text


def test_words_beside_numbers():
    auto = Whole(1, words=("auto",))
    assert (auto("AUTO"), auto("3"), auto(3)) == ("auto", 3, 3)
    with pytest.raises(ValueError, match="must be a whole number at least 1 or auto, got all"):
        auto("all")
