from __future__ import annotations

import pytest

from vision.datasets.checks import problems as module
from vision.datasets.checks.problems import Problems


def test_every_case_is_counted_and_the_first_five_are_shown():
    problems = Problems("data/x")
    for number in range(7):
        problems.add("picture missing", f"no picture {number}", f"{number}.xml")
    problems.add("unknown class", "'fifty'", "a.xml", line=3, count=37)
    assert len(problems) == 44
    lines = problems.summary()
    assert lines[0] == "7 x picture missing (left out)"
    assert lines[1] == "    0.xml: no picture 0"
    assert lines[6] == "    ..."
    assert lines[7:] == ["37 x unknown class (left out)", "    a.xml:3: 'fifty'"]


def test_losses_are_told_apart():
    problems = Problems()
    problems.add("annotation broken", "not XML")
    problems.add("box reversed", "swapped")
    problems.add("box without size", "is 0 x 0", count=2)
    assert problems.lost("picture") == {"annotation broken": 1}
    assert problems.count_lost("box") == 2
    assert [problem.severity for problem in problems] == ["error", "info", "warning"]


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"must be one of .*got 'odd'"):
        Problems().add("odd", "message")


def test_cases_past_the_limit_are_counted_and_not_described(monkeypatch):
    monkeypatch.setattr(module, "LISTED_PER_KIND", 3)
    described = []

    def describe(case):
        described.append(case)
        return str(case), "file", case

    problems = Problems()
    problems.add_each("box reversed", range(10), describe)
    problems.add_each("box reversed", range(10, 15), describe)
    problems.add_each("box without size", [], describe)
    assert problems.counts == {"box reversed": 15}
    assert described == [0, 1, 2]
    assert len(list(problems)) == 3


def test_what_a_file_holds_cannot_break_the_lines():
    problems = Problems()
    problems.add("unknown class", "'a\nb\x00' " + "x" * 1000)
    assert problems.summary()[1] == "    'a b ' " + "x" * 293 + "..."


def test_no_problem_is_false():
    assert not Problems()
    assert Problems().summary() == []
