"""Reading the documents: their links, code and commands, and what the scripts really take."""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import re
import shlex
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, *DOCS]
SCRIPTS = sorted(path.stem for path in ROOT.glob("*.py"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
INDENTED = re.compile(r"(?:^|\n\n)((?: {4}.*\n)+)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^\s*(?:\S*python3? )?(\w+)\.py\b(.*)")


def text_of(page):
    return page.read_text(encoding="utf-8")


def prose_of(page):
    """Return a page without its blocks of code."""
    return FENCE.sub("", text_of(page))


def code_of(page, language=""):
    """Return the blocks of code of a language; of any, and the indented ones, without it."""
    blocks = [code for name, code in FENCE.findall(text_of(page)) if language in ("", name)]
    return blocks if language else blocks + INDENTED.findall(prose_of(page))


def links_of(page):
    return LINK.findall(prose_of(page))


def anchors_of(page):
    """Return the anchors that GitHub gives to the headings of a page."""
    anchors: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose_of(page), re.M):
        words = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
        again = sum(re.sub(r"-\d+$", "", anchor) == words for anchor in anchors)
        anchors.append(f"{words}-{again}" if again else words)
    return anchors


def commands_of(page):
    """Yield (script, words) of every command line of a page that runs a script of ours."""
    for block in code_of(page):
        for line in re.sub(r"\\\n\s*", " ", block).splitlines():
            found = COMMAND.match(line.split(" -> ")[0])
            if found and found[1] in SCRIPTS:
                yield found[1], shlex.split(found[2], comments=True)


def table_rows(text):
    """Return the cells of the tables of a text, row by row, without headings."""
    rows = []
    for line in text.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return [
        row
        for number, row in enumerate(rows)
        if not _is_ruler(row) and not (number + 1 < len(rows) and _is_ruler(rows[number + 1]))
    ]


def _is_ruler(row):
    return all(re.fullmatch(r":?-+:?", cell) for cell in row)


def options_in(text):
    """Return the options that stand in a text, spelt with hyphens."""
    return [hyphens(name) for name in re.findall(r"(?<![\w-])--[A-Za-z][\w-]*", text)]


def hyphens(option):
    return option.replace("_", "-")


class _FoundError(Exception):
    pass


@functools.lru_cache(maxsize=None)
def options_of(script):
    """Return the options that a script takes, as its own parser knows them."""
    module = importlib.import_module(script)
    parsers = []

    def seen(parser, *_):
        parsers.append(parser)
        raise _FoundError

    watched = mock.patch.object(argparse.ArgumentParser, "parse_known_args", seen)
    with watched, contextlib.suppress(_FoundError):
        module.parse_args([])
    return frozenset(parsers[0]._option_string_actions)


@functools.lru_cache(maxsize=None)
def all_options():
    return frozenset().union(*map(options_of, SCRIPTS))
