from __future__ import annotations

import os
import struct

import numpy as np
import pytest

from tests.datasets.picture_bytes import encode, jpeg_header, png_file, red_corner, turned_jpeg
from vision.datasets.checks.picture_scan import PictureScanner
from vision.datasets.remembered import default_cache_folder

IMAGE = red_corner(60, 40)
JPEG = encode(IMAGE, ".jpg")


def scan(folder, files, **options):
    """Scan files of the given bytes; return the scanner and what it found."""
    paths = []
    for name, data in files.items():
        (folder / name).write_bytes(data)
        paths.append(str(folder / name))
    scanner = PictureScanner(progress=False, **options)
    return scanner, scanner.scan(folder, paths)


def test_sound_pictures_are_measured_and_their_kind_is_kept(tmp_path):
    _, facts = scan(tmp_path, {"a.jpg": turned_jpeg(IMAGE, 6), "b.png": encode(IMAGE[:30, ..., 0])})
    assert facts.sizes.tolist() == [[60, 40], [60, 30]]
    assert facts.records["orientation"].tolist() == [6, 1]
    assert facts.faults == {}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the picture is an empty file"),
        (JPEG[:-200], "the picture is cut short"),
        (encode(IMAGE)[:60], "damaged"),
        (b"<html>404</html>", "damaged, or not a picture"),
        (jpeg_header(50_000, 50_000), "is 50,000 x 50,000 pixels, and at most 268,435,456"),
        (png_file(50_000, 50_000), "is 50,000 x 50,000 pixels"),
        (
            encode(IMAGE, ".tiff")
            .replace(struct.pack("<HHII", 256, 3, 1, 60), struct.pack("<HHII", 256, 4, 1, 10**7))
            .replace(struct.pack("<HHII", 257, 3, 1, 40), struct.pack("<HHII", 257, 4, 1, 10**7)),
            "10,000,000 x 10,000,000",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(tmp_path, data, message):
    _, facts = scan(tmp_path, {"good.jpg": JPEG, "bad.jpg": data})
    assert list(facts.faults) == [1]
    assert message in facts.faults[1]
    assert facts.sizes.tolist() == [[60, 40], [0, 0]]


def test_a_missing_file_and_a_folder_and_a_pipe_are_no_pictures(tmp_path):
    (tmp_path / "folder.jpg").mkdir()
    os.mkfifo(tmp_path / "pipe.jpg")
    names = ("none.jpg", "folder.jpg", "pipe.jpg", "null\0byte.jpg")
    paths = [str(tmp_path / name) for name in names]
    facts = PictureScanner(progress=False).scan(tmp_path, paths)
    assert len(facts.faults) == 4
    assert "No such file" in facts.faults[0]
    assert facts.faults[2] == "the picture is not a regular file"


def test_a_second_scan_opens_nothing_and_says_the_same(tmp_path):
    files = {"a.jpg": JPEG, "b.jpg": b"", "c.png": encode(IMAGE)}
    cache = tmp_path / "cache"
    first, facts = scan(tmp_path, files, cache_folder=cache)
    second = PictureScanner(cache, progress=False)
    again = second.scan(tmp_path, [str(tmp_path / name) for name in files])
    assert (first.opened, second.opened) == (3, 0)
    assert np.array_equal(again.records, facts.records)
    assert again.faults == facts.faults
    assert [path.suffix for path in cache.iterdir()] == [".npz"]


def test_a_file_that_changes_is_opened_again(tmp_path):
    cache = tmp_path / "cache"
    scan(tmp_path, {"a.jpg": JPEG, "b.jpg": b""}, cache_folder=cache)
    second, facts = scan(tmp_path, {"b.jpg": encode(IMAGE[:20], ".jpg")}, cache_folder=cache)
    assert second.opened == 1
    assert facts.sizes.tolist() == [[60, 20]]
    assert facts.faults == {}


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"nonsense"])
def test_a_torn_cache_is_as_good_as_none(tmp_path, content):
    cache = tmp_path / "cache"
    scan(tmp_path, {"a.jpg": JPEG}, cache_folder=cache)
    next(cache.iterdir()).write_bytes(content)
    scanner, facts = scan(tmp_path, {"a.jpg": JPEG}, cache_folder=cache)
    assert (scanner.opened, facts.sizes.tolist()) == (1, [[60, 40]])


def test_a_cache_that_cannot_be_written_costs_a_warning(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    _, facts = scan(tmp_path, {"a.jpg": JPEG}, cache_folder=tmp_path / "cache")
    assert facts.sizes.tolist() == [[60, 40]]
    assert "cannot remember the pictures" in caplog.text


def test_equal_files_have_equal_contents(tmp_path):
    scanner, _ = scan(tmp_path, {"a.jpg": JPEG, "b.jpg": JPEG, "c.png": encode(IMAGE)})
    paths = [str(tmp_path / name) for name in ("a.jpg", "b.jpg", "c.png", "never_scanned.jpg")]
    contents = scanner.contents(paths).tolist()
    assert contents[0] == contents[1]
    assert len(set(contents)) == 3


def test_no_pictures_at_all(tmp_path):
    facts = PictureScanner(tmp_path / "cache").scan(tmp_path, [])
    assert (facts.sizes.shape, facts.faults) == ((0, 2), {})


def test_the_cache_folder_follows_the_systems_custom(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "pytorch-ssd" / "pictures"
