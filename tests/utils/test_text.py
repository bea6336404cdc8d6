from __future__ import annotations

import sys
import unicodedata

import pytest

from vision.utils.text import OTHER_BLANKS, cut, did_you_mean, first_few, name_as_seen


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        ("hard hat", "hard hat"),
        ("hard\u00a0hat", "hard hat"),
        ("\ufeffhard\u3000hat\u200b", "hard hat"),
        ("\u200b hat", "hat"),
        ("\u00ad", ""),
        ("ha\u0007t", "ha\u0007t"),
        ("Äpfel 猫", "Äpfel 猫"),
    ],
)
def test_a_name_has_only_what_is_seen(name, seen):
    assert name_as_seen(name) == seen


def test_every_blank_of_unicode_is_known():
    letters = map(chr, range(sys.maxunicode))
    blanks = {letter for letter in letters if unicodedata.category(letter) == "Zs"}
    assert blanks == {" ", *OTHER_BLANKS}


def test_of_many_names_the_first_ones_stand_in_a_message():
    assert first_few([], 3) == ""
    assert first_few(["a", "b", "c"], 3) == "a, b, c"
    assert first_few(["a", "b", "c", "d", "e"], 3) == "a, b, c and 2 more"
    assert first_few(["a is missing", "b is missing"], 1, "; ") == "a is missing and 1 more"
    assert first_few(["a is missing", "b is missing"], 2, "; ") == "a is missing; b is missing"


def test_the_nearest_name_is_one_that_is_known():
    known = ["Apple", "Traffic light"]
    assert did_you_mean("aple", known) == "; did you mean 'Apple'?"
    assert did_you_mean("TRAFIC LIGHT", known) == "; did you mean 'Traffic light'?"
    assert did_you_mean("zebra", known) == did_you_mean("apple", []) == ""


def test_a_text_is_cut_to_its_longest():
    assert (cut("apple", 5), cut("apples", 5), cut("", 5)) == ("apple", "appl…", "")
