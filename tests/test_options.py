"""One option means one thing in every script that has it."""

from __future__ import annotations

import argparse
import importlib
from dataclasses import fields
from pathlib import Path

import pytest

from vision.datasets.options import DataOptions
from vision.utils.options import LogOptions

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))
READS_DATA = ("check_dataset", "eval_ssd", "train_ssd")


class FoundError(Exception):
    """The parser of a script, caught when it was about to be used."""

    def __init__(self, parser):
        super().__init__()
        self.parser = parser


@pytest.fixture(scope="module")
def parsers():
    """Return the argparse parser of every script by its name."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:

        def stop(parser, *words):
            raise FoundError(parser)

        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        for name in SCRIPTS:
            with pytest.raises(FoundError) as caught:
                importlib.import_module(name).parse_args([])
            found[name] = caught.value.parser
    return found


def options_of(parser):
    """Return what help says of every option of a parser, by each of its names."""
    return {
        name: (action.help, action.metavar, action.nargs)
        for action in parser._actions
        for name in action.option_strings
    }


def option_names(kind):
    return ["--" + one.name.replace("_", "-") for one in fields(kind)]


@pytest.mark.parametrize("name", option_names(DataOptions))
def test_every_script_that_reads_data_takes_the_same_options_of_it(parsers, name):
    said = {script: options_of(parsers[script]).get(name) for script in READS_DATA}
    assert None not in said.values(), said
    assert len(set(said.values())) == 1, said


@pytest.mark.parametrize("name", option_names(LogOptions))
def test_messages_are_chosen_in_one_way(parsers, name):
    said = {options_of(parser).get(name) for parser in parsers.values()} - {None}
    assert len(said) == 1, said


def test_every_script_shows_a_traceback_if_asked(parsers):
    assert [name for name in SCRIPTS if "--debug" not in options_of(parsers[name])] == []


def test_values_are_checked_in_one_place(parsers):
    """A type of argparse knows no range: `type=float` takes nan."""
    unchecked = [
        (script, action.dest)
        for script, parser in parsers.items()
        for action in parser._actions
        if action.type is not None
    ]
    assert unchecked == []


def test_an_abbreviation_is_no_option():
    for name in SCRIPTS:
        with pytest.raises(SystemExit):
            importlib.import_module(name).parse_args(["--debu"])
