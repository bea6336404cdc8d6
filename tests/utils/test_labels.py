from __future__ import annotations

import logging

import pytest

from vision.utils.labels import (
    MAX_CLASSES,
    read_labels,
    read_labels_for,
    with_background,
    write_labels,
)


@pytest.fixture
def labels_txt(tmp_path):
    """Return a function that writes bytes to a labels.txt and returns its path."""

    def write(content: bytes):
        path = tmp_path / "labels.txt"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    ("content", "repair"),
    [
        (b"apple\npear\n", None),
        (b"apple\npear", None),
        (b"BACKGROUND\napple\npear\n", None),
        (b"apple\nBACKGROUND\npear\n", None),
        (b"BACKGROUND\nBACKGROUND\napple\npear\n", None),
        (b"background\napple\npear\n", None),
        (b"\xef\xbb\xbfapple\npear\n", None),  # Windows editors put a byte order mark in front
        (b"\xef\xbb\xbfBACKGROUND\napple\npear\n", None),
        (b"apple\r\npear\r\n", "Windows line ends"),
        (b"apple\n\npear\n\n", "blank line 2, 4"),
        (b" apple\npear\t\n", "blanks around a name"),
        (b"\r\n apple\r\npear", "blank line 1 and Windows line ends and blanks around a name"),
    ],
)
def test_every_spelling_of_the_same_two_classes(labels_txt, caplog, content, repair):
    with caplog.at_level(logging.WARNING):
        assert read_labels(labels_txt(content)) == ["BACKGROUND", "apple", "pear"]
    assert [record.getMessage().split(": ignored ")[1] for record in caplog.records] == (
        [repair] if repair else []
    )


@pytest.mark.parametrize(
    ("content", "unused"),
    [
        (b"BACKGROUND\napple\npear\n", []),
        (b"BACKGROUND\nBACKGROUND\napple\npear", [1]),
        (b"BACKGROUND\napple\n\npear\n", [2]),
        (b"BACKGROUND\r\napple\r\npear\r\n \r\n", [3]),
        (b"apple\npear\nbackground\n\n", [3, 4]),  # of a dataset
    ],
)
def test_lines_that_older_scripts_took_for_classes_are_those_where_the_number_fits(
    labels_txt, caplog, content, unused
):
    path, plain = labels_txt(content), ["BACKGROUND", "apple", "pear"]
    names = read_labels_for(path, len(plain) + len(unused))
    assert [name for i, name in enumerate(names) if i not in unused] == plain
    assert [names[i] for i in unused] == [f"unused class {i}" for i in unused]
    assert ("which the older scripts took for classes" in caplog.text) == bool(unused)
    for others in (3, 9):
        assert read_labels_for(path, others) == plain
    with pytest.raises(ValueError, match="must name at least one class"):
        read_labels_for(labels_txt(b"\n"), 2)


def test_blanks_inside_a_name_and_other_alphabets_stay(labels_txt):
    names = ["traffic light", "Größe", "猫"]
    assert read_labels(labels_txt("\n".join(names).encode())) == ["BACKGROUND", *names]


def test_many_blank_lines_are_one_short_warning(labels_txt, caplog):
    read_labels(labels_txt(b"apple\n" + b"\n" * 50))
    (record,) = caplog.records
    assert record.getMessage().endswith("labels.txt: ignored blank line 2, 3, 4, 5, 6 ...")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"apple\npear\napple\n", r"labels\.txt names the class 'apple' twice"),
        (b"apple\npear\xff\n", r"labels\.txt must be UTF-8 text, byte 10 is not"),
        ("apple".encode("utf-16"), "must be UTF-8"),
        (b"", "at least one class beside BACKGROUND"),
        (b"\n\n", "at least one class beside BACKGROUND"),
        (b"BACKGROUND\n", "at least one class beside BACKGROUND"),
        (b"x\n" * (MAX_CLASSES + 1), f"at most {MAX_CLASSES} classes, it has {MAX_CLASSES + 1}"),
    ],
)
def test_what_cannot_be_mended_is_refused(labels_txt, content, message):
    with pytest.raises(ValueError, match=message):
        read_labels(labels_txt(content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.txt"):
        read_labels(tmp_path / "none.txt")


def test_classes_that_differ_in_case_are_two():
    assert with_background(["Apple", "apple"]) == ["BACKGROUND", "Apple", "apple"]


def test_written_as_detectnet_reads_them(tmp_path):
    path = tmp_path / "model" / "labels.txt"
    write_labels(path, ["BACKGROUND", "apple", "Größe"])
    assert path.read_bytes() == "BACKGROUND\napple\nGröße\n".encode()
    assert read_labels(path) == ["BACKGROUND", "apple", "Größe"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["apple"], "first class name must be BACKGROUND"),
        ([], "first class name must be BACKGROUND"),
        (["BACKGROUND", ""], "one line without blanks"),
        (["BACKGROUND", " apple"], "one line without blanks"),
        (["BACKGROUND", "app\nle"], "one line without blanks"),
    ],
)
def test_names_that_would_read_back_as_others_are_not_written(tmp_path, names, message):
    with pytest.raises(ValueError, match=message):
        write_labels(tmp_path / "labels.txt", names)
    assert not any(tmp_path.iterdir())
