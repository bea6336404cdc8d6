"""Annotation files as other programs save them: quotes, blanks, Windows line ends."""

from __future__ import annotations

import csv
import io
import os
import tracemalloc

import numpy as np
import pytest

from tests.download.pictures import HEADER, annotation_file, image_id, line, read_rows
from vision.download.open_images import box_index
from vision.download.open_images.box_index import open_index
from vision.download.open_images.boxes import (
    read_coordinates,
    read_image_ids,
    select_boxes,
    write_boxes,
)
from vision.download.open_images.plain_copy import make_plain_copy, plain_path

APPLE, BANANA = "/m/014j1m", "/m/09qck"
LINES = [
    line(10, APPLE, (0.1, 0.2, 0.3, 0.4)),
    line(10, BANANA, (0.0, 0.25, 0.5, 1.0), flags="10000"),
    line(12, APPLE, flags="00100"),
]
PLAIN = annotation_file(LINES)


def in_quotes(which):
    """Return the file with quotes around these columns, or around all."""
    text = io.StringIO()
    rows = [row.split(",") for row in [HEADER, *LINES]]
    for row in rows:
        fields = [f'"{f}"' if which is None or n in which else f for n, f in enumerate(row)]
        text.write(",".join(fields) + "\n")
    return text.getvalue().encode()


FORMS = {
    "windows": PLAIN.replace(b"\n", b"\r\n"),
    "old mac": PLAIN.replace(b"\n", b"\r"),
    "one windows line": PLAIN.replace(b"\n", b"\r\n", 2).replace(b"\r\n", b"\n", 1),
    "all in quotes": in_quotes(None),
    "ids in quotes": in_quotes({0, 2}),
    "quotes and windows": in_quotes(None).replace(b"\n", b"\r\n"),
    "byte order mark": b"\xef\xbb\xbf" + in_quotes(None),
    "blanks": PLAIN.replace(b",", b", "),
    "blank lines": PLAIN.replace(b"\n", b"\r\n\r\n"),
    "a comma in a field": PLAIN.replace(b"xclick", b'"x, click"'),
    "a line end in a field": PLAIN.replace(b"xclick", b'"x\nclick"'),
    "a quote in a field": PLAIN.replace(b"xclick", b'"x""click"'),
    "no last line end": PLAIN.replace(b"\n", b"\r\n").rstrip(),
}


@pytest.mark.parametrize("form", FORMS)
def test_any_form_is_read_as_the_plain_file_is(tmp_path, form):
    plain, odd = tmp_path / "plain.csv", tmp_path / "odd.csv"
    plain.write_bytes(PLAIN)
    odd.write_bytes(FORMS[form])
    indices = [open_index(path, [APPLE, BANANA]) for path in (plain, odd)]
    boxes = [select_boxes(index, [1, 0]) for index in indices]
    for name in ("classes", "pictures", "flags"):
        assert getattr(boxes[0], name).tolist() == getattr(boxes[1], name).tolist()
    corners = [read_coordinates(*pair) for pair in zip(indices, boxes)]
    np.testing.assert_array_equal(*corners)
    assert read_image_ids(indices[1], boxes[1]) == {0: image_id(10), 1: image_id(12)}
    for index, some, name in zip(indices, boxes, "ab"):
        write_boxes(tmp_path / name, index, some, ["Banana", "Apple"])
    rows, expected = read_rows(tmp_path / "b"), read_rows(tmp_path / "a")
    for row in [*rows, *expected]:
        row.pop("Source")
    assert rows == expected
    assert odd.read_bytes() == FORMS[form]


def test_the_copy_is_made_once_and_again_for_another_file(tmp_path, monkeypatch):
    path = tmp_path / "odd.csv"
    path.write_bytes(FORMS["windows"])
    made = []
    monkeypatch.setattr(
        box_index, "make_plain_copy", lambda path: made.append(path) or make_plain_copy(path)
    )
    for _ in range(2):
        assert len(open_index(path, [APPLE, BANANA])) == 3
    assert made == [path]
    path.write_bytes(FORMS["windows"] + LINES[0].encode() + b"\r\n")
    later = plain_path(path).stat().st_mtime_ns + 10**9
    os.utime(path, ns=(later, later))
    assert len(open_index(path, [APPLE, BANANA])) == 4
    # Its own last line end may be plain again.
    path.write_bytes(PLAIN)
    os.utime(path, ns=(later + 10**9, later + 10**9))
    assert open_index(path, [APPLE]).path == path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (PLAIN.replace(b"\n", b"\r\n").replace(b",1,", b",", 1), "odd.csv, line 2: 12 fields, 13"),
        (
            PLAIN.replace(b"000a,", b"000a b,", 1),
            "odd.csv, line 2: ImageID must have no blanks, quotes",
        ),
        (
            PLAIN.replace(b"0.100000", b'"0,1"', 1),
            "odd.csv, line 2: XMin must have no blanks, quotes",
        ),
        (PLAIN.replace(b"xclick", b'"xclick', 1), "odd.csv must be a CSV file in UTF-8"),
        (PLAIN.replace(b"xclick", b'"\xff"', 1), "odd.csv must be a CSV file in UTF-8"),
        (PLAIN.replace(b"000a,", b"000a\0,", 1), "odd.csv"),
        (b"<!DOCTYPE html>\n<p>no", "odd.csv must have the columns ImageID"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_line(tmp_path, content, message):
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        open_index(path, [APPLE, BANANA])
    assert not plain_path(path).exists()


def test_the_copy_takes_little_memory(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_bytes(
        annotation_file([line(n, APPLE) for n in range(60_000)]).replace(b"\n", b"\r\n")
    )
    tracemalloc.start()
    make_plain_copy(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6 < path.stat().st_size
    with plain_path(path).open(newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 60_000
