from __future__ import annotations

import logging

import pytest

from vision.deploy.emulation.labels import label_lines, read_detectnet_labels


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"BACKGROUND\napple\n", ["BACKGROUND", "apple"]),
        (b"BACKGROUND\napple", ["BACKGROUND", "apple"]),
        (b"BACKGROUND\n\napple\n", ["BACKGROUND", "", "apple"]),
        (b"BACKGROUND\r\napple\r\n", ["BACKGROUND\r", "apple\r"]),
        (b"BACKGROUND\n apple \n", ["BACKGROUND", " apple "]),
        (b"\xef\xbb\xbfBACKGROUND\n", ["\ufeffBACKGROUND"]),
        (b"newspaper rack\n", ["rack"]),
        (b"newspaper rack", ["rac"]),  # the last letter goes where a line end was expected
        (b"n01440764 tench\n", ["tench"]),
        (b"newspapers\n", ["newspapers"]),
        (b"a\0b\n", ["a"]),
        (b"\0\n", []),
        (b"x" * 600 + b"\n", ["x" * 511, "x" * 89]),
        (b"x" * 511 + b"\n", ["x" * 511, ""]),
        (b"x" * 510 + b"\n", ["x" * 510]),
        (b"", []),
        (b"\xff\n", ["\ufffd"]),
    ],
)
def test_lines_are_taken_apart_as_detectnet_does(content, names):
    assert label_lines(content) == names


def test_missing_names_are_made_up_and_surplus_ones_dropped(tmp_path, caplog):
    path = tmp_path / "labels.txt"
    path.write_bytes(b"apple\npear\n")
    with caplog.at_level(logging.WARNING):
        assert read_detectnet_labels(path, 3) == ["apple", "pear", "Class #2"]
        assert read_detectnet_labels(path, 1) == ["apple"]
    assert len(caplog.records) == 2
    assert "has 2 lines, the net has 3 classes" in caplog.text


def test_no_file_no_names(caplog):
    assert read_detectnet_labels(None, 2) == ["Class #0", "Class #1"]
    assert not caplog.records


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_detectnet_labels(tmp_path / "labels.txt", 2)
