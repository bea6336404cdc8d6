"""How recipes are compared: which pictures each part has, what is kept, that done runs stay."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "quality.py"
OPTIONS = ["--start", "x.pth", "--recipe", "before=", "--sets", "small"]


@pytest.fixture(scope="module")
def quality():
    spec = importlib.util.spec_from_file_location("quality_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def voc(folder, pictures, **lists):
    for part in ("Annotations", "ImageSets/Main"):
        (folder / part).mkdir(parents=True)
    for number in range(pictures):
        (folder / "Annotations" / f"{number:03}.xml").touch()
    for name, numbers in lists.items():
        text = "\n".join(f"{number:03}" for number in numbers)
        (folder / "ImageSets" / "Main" / f"{name}.txt").write_text(text)
    return folder


@pytest.mark.parametrize("lists", [{"val": range(20, 30)}, {"test": range(20, 30)}, {}])
def test_what_a_dataset_holds_out_is_not_looked_at_while_choosing(quality, tmp_path, lists):
    base = voc(tmp_path, 30, **lists)
    train, measured = quality.divide("fruit", "final", base)
    held = {f"{number:03}" for number in range(20, 30)} if lists else set(measured)
    assert set(measured) == held and len(held) == 10
    assert len(train) == 20 and not held & set(train)
    chosen, seen = quality.divide("fruit", "choose", base)
    assert sorted(chosen + seen) == sorted(train) and len(seen) == 4


def test_three_parts_of_its_own_are_kept(quality, tmp_path):
    base = voc(tmp_path, 30, train=range(10), val=range(10, 15), test=range(15, 30))
    train, measured = quality.divide("bccd", "choose", base)
    assert train == [f"{number:03}" for number in range(10)] and len(measured) == 5
    assert quality.divide("bccd", "final", base)[0] == train
    assert len(quality.divide("bccd", "final", base)[1]) == 15


def test_a_drawn_set_has_other_pictures_to_choose_by(quality, tmp_path):
    base = voc(tmp_path, 600)
    train, seen = quality.divide("drawn-300", "choose", base)
    same, held = quality.divide("drawn-300", "final", base)
    assert train == same and len(train) == 300
    assert len(seen) == len(held) == 150
    assert len({*train, *seen, *held}) == 600


@pytest.mark.parametrize(
    ("gains", "kept"),
    [
        ({"a": [0.02, 0.03, 0.02], "b": [0.01, 0.02, 0.03]}, True),
        ({"a": [0.09, 0.08, 0.09], "b": [-0.02, -0.01, -0.02]}, False),  # one set has lost
        ({"a": [0.05, -0.04, 0.01], "b": [0.03, -0.05, 0.02]}, False),  # it may be chance
        ({"a": [0.0, 0.0], "b": [0.0, 0.0]}, False),
    ],
)
def test_the_rule(quality, gains, kept):
    line = quality.verdict("new", "old", gains)
    assert line.endswith("; kept by the rule" if kept else "not kept by the rule")


def test_a_run_that_is_done_is_not_done_again_and_all_figures_are_means(quality, tmp_path):
    recipes = [quality.recipe("old=--anchors stock"), quality.recipe("new=--lr 0.1 --nesterov")]
    assert recipes[1].options == ["--lr", "0.1", "--nesterov"]
    runs = []
    for number, one in enumerate(recipes):
        for seed in (0, 1):
            run = quality.Run(one, "small", seed, tmp_path / one.name / str(seed))
            run.folder.mkdir(parents=True)
            figures = dict.fromkeys(quality.FIGURES, 0.5 + 0.1 * number + 0.02 * seed)
            facts = {"large": -1, "seconds": 9, "options": one.options}
            run.result.write_text(json.dumps({**figures, **facts}))
            quality.do(run, tmp_path / "no data", tmp_path / "no weights")
            runs.append(run)
    lines = quality.table(runs, recipes)
    assert (
        "| small | old | 0.510 | 0.510 | 0.510 | 0.510 | n/a | 0.510 | 0.500 to 0.520 | 9 |"
        in lines
    )
    assert lines[-1].startswith("new against old: +0.100 mAP (+0.100 to +0.100), least on small")


def test_a_name_is_not_given_to_two_recipes(quality, tmp_path):
    run = quality.Run(quality.recipe("new=--lr 0.2"), "small", 0, tmp_path)
    run.result.write_text(json.dumps({"options": ["--lr", "0.1"]}))
    with pytest.raises(ValueError, match=r"'--lr 0\.1', now new is '--lr 0\.2'; give"):
        quality.do(run, tmp_path, tmp_path)


def test_what_cannot_be_run_is_said_before_anything_is_drawn(quality, capsys):
    for more, words in (
        (["--sets", "apples"], "--sets has apples; there are fruit, bccd"),
        (["--sets", "fruit"], "--real must be a folder that has fruit"),
        (["--recipe", "nothing"], "must be NAME=OPTIONS, got 'nothing'"),
    ):
        with pytest.raises(SystemExit):
            quality.parse_args([*OPTIONS, *more])
        assert words in capsys.readouterr().err
