"""One table of options for both downloaders: what an option is called, takes, says and does."""

from __future__ import annotations

import dataclasses

import pytest

import coco_downloader
import open_images_downloader
from vision.download.options import CocoOptions, OpenImagesOptions

SCRIPTS = [open_images_downloader, coco_downloader]
OWN_DEFAULTS = {"data", "cache_dir", "format"}


def parse(script, words=""):
    return script.parse_args(["--class-names", "a", *words.split()])


def test_an_option_of_both_scripts_means_the_same():
    ours, theirs = (
        {one.name: one for one in dataclasses.fields(options)}
        for options in (OpenImagesOptions, CocoOptions)
    )
    shared = set(ours) & set(theirs)
    assert len(shared) > 12
    for name in shared:
        for fact in ("names", "help", "metavar", "nargs", "const"):
            assert ours[name].metadata[fact] == theirs[name].metadata[fact], name
        if name not in OWN_DEFAULTS:
            assert ours[name].metadata["kind"] == theirs[name].metadata["kind"], name
            assert ours[name].default == theirs[name].default, name


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--max-images -1", "--max-images must be a whole number at least 0, got -1"),
        ("--max-images nan", "--max-images must be a whole number"),
        ("--max-images 1e3", "--max-images must be a whole number"),
        ("--max-annotations-per-class -5", "--max-annotations-per-class must be"),
        ("--seed -1", "--seed must be a whole number at least 0, got -1"),
        ("--num-workers 0", "--num-workers must be"),
        ("--num-workers 100000", "--num-workers must be"),
        ("--retry 0", "--retry must be"),
        ("--retry ten", "--retry must be a whole number at least 1 and at most 1000, got ten"),
        ("--timeout 0", "--timeout must be a number"),
        ("--timeout nan", "--timeout must be a number"),
        ("--timeout inf", "--timeout must be a number"),
        ("--timeout -3", "--timeout must be a number"),
        ("--data=", "--data must name a file or folder, got nothing"),
        ("--cache-dir=", "--cache-dir must name"),
        ("--format xml", "--format must be one of"),
        ("--log-level loud", "--log-level must be one of"),
        ("--class-names=", "name classes, as in"),
        ("--stats", "unrecognized argument --stats; did you mean --stats-only?"),
    ],
)
def test_wrong_values_are_one_line_and_status_2(script, words, says, capsys):
    with pytest.raises(SystemExit) as exit_:
        parse(script, words)
    assert exit_.value.code == 2
    assert says in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("script", "option"),
    [
        (open_images_downloader, "--annotations-url"),
        (open_images_downloader, "--endpoint-url"),
        (coco_downloader, "--url"),
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "",
        "localhost",
        "ftp://host/x",
        "file:///etc",
        "https://",
        "http://[",
        "http://h:99999",
        "http://a b",
    ],
)
def test_an_address_is_one_of_the_web(script, option, address, capsys):
    with pytest.raises(SystemExit):
        script.parse_args(["--class-names", "a", f"{option}={address}"])
    assert f"{option} must be an address that begins with https://" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["1", "-0.1", "nan", "inf", "x"])
def test_the_smallest_side_is_a_fraction(value, capsys):
    with pytest.raises(SystemExit):
        parse(open_images_downloader, f"--min-box-size={value}")
    assert "--min-box-size must be a number at least 0 and below 1" in capsys.readouterr().err


def test_an_empty_value_switches_the_filter_off():
    assert parse(open_images_downloader, "--filter-file=").filter_file is None


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", ["--data", "--root", "--path"])
def test_all_names_of_the_folder(script, name):
    assert str(parse(script, f"{name} fruit").data) == "fruit"


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_old_spelling_with_underscores(script):
    options = parse(script, "--max_images 7 --num_workers=3 --stats_only")
    assert (options.max_images, options.num_workers, options.stats_only) == (7, 3, True)


def test_the_environment_comes_before_the_default_and_after_what_is_typed(monkeypatch):
    monkeypatch.setenv("COCO_URL", "http://127.0.0.1:1")
    assert parse(coco_downloader).url == "http://127.0.0.1:1"
    assert parse(coco_downloader, "--url http://127.0.0.1:2").url == "http://127.0.0.1:2"
    monkeypatch.setenv("COCO_URL", "")
    assert parse(coco_downloader).url == CocoOptions().url


def test_a_bad_address_in_the_environment_is_wrong_usage(monkeypatch, capsys):
    monkeypatch.setenv("COCO_URL", "here")
    with pytest.raises(SystemExit):
        parse(coco_downloader)
    assert "--url must be an address" in capsys.readouterr().err
