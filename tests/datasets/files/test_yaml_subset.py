from __future__ import annotations

import pytest

from vision.datasets.files.yaml_subset import read_yaml


def read(tmp_path, text):
    path = tmp_path / "data.yaml"
    path.write_bytes(text.encode("utf-8"))
    return read_yaml(path)


@pytest.mark.parametrize(
    "names",
    [
        "[cat, big dog, 'it''s, \"x\"']",
        "\n  - cat\n  - big dog  # a comment\n  - 'it''s, \"x\"'\n",
        "\n- cat\n- big dog\n- 'it''s, \"x\"'",
        "[cat,\n  big dog,\n  'it''s, \"x\"'\n ]",
    ],
)
def test_lists(tmp_path, names):
    assert read(tmp_path, f"nc: 3\nnames: {names}\n")["names"] == ["cat", "big dog", 'it\'s, "x"']


@pytest.mark.parametrize(
    "names",
    ["{0: cat, 1: 'big: dog'}", "\n  0: cat\n  1: 'big: dog'\n", "\n 0: cat\n\n 1: 'big: dog'"],
)
def test_tables(tmp_path, names):
    values = read(tmp_path, f"# data\nnames: {names}\ntrain: x\n")
    assert values == {"names": {"0": "cat", "1": "big: dog"}, "train": "x"}


def test_texts(tmp_path):
    text = (
        "\ufeff---\r\ntrain: ../a/b c # here\r\n'val': \"x#y\"\r\ntest:\r\nurl: https://a.b/c\r\n"
    )
    assert read(tmp_path, text) == {
        "train": "../a/b c",
        "val": "x#y",
        "test": "",
        "url": "https://a.b/c",
    }
    assert read(tmp_path, "") == {}


def test_what_is_no_such_file_is_refused(tmp_path):
    (tmp_path / "data.yaml").write_bytes(b"names: \xff\n")
    with pytest.raises(ValueError, match=r"data.yaml:1: must be UTF-8"):
        read_yaml(tmp_path / "data.yaml")
    with pytest.raises(ValueError, match="must be a short file of settings, it has 2,000,000"):
        read(tmp_path, "x" * 2_000_000)
