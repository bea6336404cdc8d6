"""One option means one thing in every script that has it."""

from __future__ import annotations

import argparse
import importlib
import math
from dataclasses import fields
from pathlib import Path

import pytest

from vision.datasets.options import DataOptions
from vision.deploy.nms import GraphNms
from vision.deploy.targets import EXPORTABLE_OPSETS, TARGETS
from vision.utils.options import INPUT_SIDES, WIDTHS, LogOptions, Options, Whole, boolean

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


def kinds_of(script):
    """Return what each option of a script takes, by the name of its field."""
    there = vars(importlib.import_module(script)).values()
    options = [one for one in there if isinstance(one, type) and issubclass(one, Options)]
    all_of_them = max(options, key=lambda one: len(fields(one)))
    return {one.name: one.metadata["kind"] for one in fields(all_of_them)}


def test_an_option_has_the_limits_of_what_it_is_for():
    owners = {
        "resolution": INPUT_SIDES, "width": INPUT_SIDES, "height": INPUT_SIDES,
        "mb2_width_mult": WIDTHS,
    }  # fmt: skip
    kinds = {script: kinds_of(script) for script in SCRIPTS}
    wrong = [
        (script, name)
        for script, known in kinds.items()
        for name, owner in owners.items()
        if known.get(name, owner) != owner
    ]
    assert wrong == []
    export = kinds["onnx_export"]
    assert list(EXPORTABLE_OPSETS) == [one for one in range(40) if one in export["opset"]]
    assert export["target"].words == tuple(TARGETS)
    for limit in (export["nms"].lowest, export["nms"].highest):
        assert GraphNms(iou_threshold=limit)
    for limit in (export["nms_candidates"].lowest, export["nms_candidates"].highest):
        assert GraphNms(candidates=limit)
    with pytest.raises(ValueError, match="--nms-candidates must be 1 to"):
        GraphNms(candidates=export["nms_candidates"].highest + 1)


@pytest.mark.parametrize("script", [*READS_DATA, "onnx_export"])
@pytest.mark.parametrize(
    "words",
    [
        "--classes=a,,b",
        "--classes=a,a",
        "--class-map=a=b,c",
        "--negatives=foo",
        "--dataset-type=foo",
    ],
)
def test_what_of_the_data_is_used_is_checked_as_it_is_typed(script, words, capsys):
    needed = ["--model-dir=m"] if script == "onnx_export" else NEEDED.get(script, [])
    with pytest.raises(SystemExit) as error:
        importlib.import_module(script).parse_args([*needed, words])
    assert error.value.code == 2
    assert f"error: {words.split('=')[0]} " in capsys.readouterr().err


@pytest.mark.parametrize("script", [*READS_DATA, "onnx_export"])
def test_a_format_may_be_typed_in_capitals(script):
    needed = ["--model-dir=m"] if script == "onnx_export" else NEEDED.get(script, [])
    args = importlib.import_module(script).parse_args([*needed, "--dataset-type=VOC"])
    assert args.dataset_type == "voc"


# Lists of which each value must be right: two of them, as they are typed and as they are read.
GOOD_VALUES = {
    "milestones": ("3", "5", (3, 5)),
    "overlay": ("box", "conf", ("box", "conf")),
    "class_map": ("a=b", "c=d", "a=b,c=d"),
}


def lists_of(parser):
    """Return the options that take any number of values, as they or their help say."""
    return [
        action
        for action in parser._actions
        if action.option_strings
        and (action.nargs == "+" or "," in (action.metavar or "") or "commas" in action.help)
        and not (action.metavar or "").startswith("{")
    ]


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_list_that_is_typed_twice_under_any_of_its_names_has_both(parsers, script):
    parse = importlib.import_module(script).parse_args
    needed = {**NEEDED, "onnx_export": ["--model-dir=m"], "run_ssd_live_demo": ["--label=l"]}
    lists = lists_of(parsers[script])
    for action in lists:
        one, other, both = GOOD_VALUES.get(action.dest, ("a", "b", ("a", "b")))
        words = needed.get(script, [])
        words = [word for word in words if word.split("=")[0] not in action.option_strings]
        for name in action.option_strings:
            args = parse([*words, action.option_strings[-1], one, f"{name}={other}"])
            got = getattr(args, {"more_data": "data"}.get(action.dest, action.dest))
            if isinstance(got, str):
                got = got if both == got else tuple(got.split(","))
            elif action.nargs == "+":
                got = tuple(map(str, got))[-2:]  # of check_dataset.py behind those without option
            assert got == both, name
    expected = {"train_ssd": 5, "eval_ssd": 5, "check_dataset": 3, "onnx_export": 3}
    assert len(lists) >= expected.get(script, 1)


def test_an_abbreviation_is_no_option():
    for name in SCRIPTS:
        with pytest.raises(SystemExit):
            importlib.import_module(name).parse_args(["--debu"])


# What else each script needs before its options are looked at.
NEEDED = {
    "run_ssd_example": ["--model=a.pth", "a.jpg"],
    "run_ssd_live_demo": ["--model=a.pth"],
    "eval_ssd": ["--model=a.pth"],
    "check_dataset": ["data"],
    "open_images_downloader": ["--class-names=Apple"],
    "coco_downloader": ["--class-names=cat"],
}
BAD_VALUES = (
    "", " ", "nan", "NaN", "inf", "-inf", "-1", "-0.0", "0", "1e400", "1e30", "9" * 400, "2.5",
    "1,5", "true", "none", "wrong-word", "no/such/file.txt", "..", "a\nb", "a\0b", "é", "\udcff",
    "٣", "1_0", "0x10", "1" + "0" * 30, "[1]", "a=b=c", ",", "%s%n", "--", "x" * 5000,
)  # fmt: skip


def values_of(action):
    """Return what to type after an option: each bad value as often as it takes values."""
    count = action.nargs if isinstance(action.nargs, int) else 1
    return [[value] * count for value in BAD_VALUES]


def try_value(script, option, words, capsys):
    """Type an option; return whether it was taken, and fail if that ends in any other way."""
    typed = [f"{option}={words[0]}"] if len(words) == 1 else [option, *words]
    try:
        args = importlib.import_module(script).parse_args([*NEEDED.get(script, []), *typed])
    except SystemExit as error:
        last = capsys.readouterr().err.splitlines()[-1]
        assert error.code == 2
        assert "error: " in last
        return False
    numbers = [
        number
        for value in vars(args).values()
        for number in (value if isinstance(value, (list, tuple)) else [value])
        if isinstance(number, float)
    ]
    assert all(map(math.isfinite, numbers)), (typed, numbers)
    return True


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_value_of_an_option_ends_otherwise(parsers, script, capsys):
    tried = taken = 0
    for action in parsers[script]._actions:
        if action.nargs == 0 or not action.option_strings:
            continue
        for words in values_of(action):
            taken += try_value(script, action.option_strings[0], words, capsys)
            tried += 1
    assert tried >= 33 * 10
    assert 0 < taken < tried


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_is_yes_or_no_is_typed_bare_or_with_a_value(parsers, script):
    parse = importlib.import_module(script).parse_args
    kinds, tried = kinds_of(script), []
    for action in parsers[script]._actions:
        if kinds.get(action.dest) is not boolean or action.nargs == 0:
            continue
        for option in action.option_strings:
            for word, meant in {"": True, "=true": True, "=no": False, "=0": False}.items():
                args = parse([*NEEDED.get(script, []), option + word])
                assert getattr(args, action.dest) is meant, option + word
            tried.append(option)
    assert ("--use-cuda" in tried) == ("use_cuda" in kinds)


def test_a_switch_takes_no_value(parsers):
    for script, parser in parsers.items():
        for action in parser._actions:
            if action.nargs == 0 and action.dest != "help":
                with pytest.raises(SystemExit):
                    importlib.import_module(script).parse_args(
                        [*NEEDED.get(script, []), f"{action.option_strings[0]}=maybe"]
                    )


def test_a_limit_is_said_as_people_write_it():
    with pytest.raises(ValueError, match="at least 1 and at most 1000000, got 0"):
        Whole(1, 1_000_000)(0)
