from __future__ import annotations

import sys
import unicodedata

import pytest

from vision.utils.text import OTHER_BLANKS, name_as_seen


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
